"""Alembic migrations of dialogue's tables."""
