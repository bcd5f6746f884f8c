"""Dispatch: carries out tasks, each once, and tells how they ended."""
