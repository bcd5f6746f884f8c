"""Hearing: encoded recordings to transcripts."""
