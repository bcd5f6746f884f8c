"""Chaos: kills parts of a running Parley under load, and audits that nothing was lost and nothing done twice."""
