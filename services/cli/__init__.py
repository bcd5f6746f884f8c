"""The command `parley`, and the one place that may import several services to host them."""
