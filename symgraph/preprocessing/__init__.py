"""Preparing data: pictures, sequences and texts."""
