"""Connectors: the systems that tasks act on."""
