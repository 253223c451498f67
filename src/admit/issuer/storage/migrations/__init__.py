"""Alembic scripts, one a file, in order of their numbers."""
