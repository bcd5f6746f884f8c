"""The two images, and what builds and tests them."""
