"""Preparing data: sequences and texts."""
