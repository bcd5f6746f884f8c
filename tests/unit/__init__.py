"""One part at a time, with no server and no model."""
