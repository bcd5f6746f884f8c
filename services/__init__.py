"""The services of Parley: independent of each other, alike in their rooms."""
