"""Alembic migrations of dispatch's tables."""
