"""Generation: words the reply of a turn."""
