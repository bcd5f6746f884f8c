"""How much of everything a load needs, computed from what one turn was measured to cost."""
