"""Dialogue: from an understanding to a decision, with the state of every conversation."""
