"""Alembic migrations of knowledge's tables."""
