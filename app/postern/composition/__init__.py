"""Puts the parts of a server together according to its settings."""
