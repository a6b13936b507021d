"""Corrections of verdicts: recent texts in memory, and the file that they are appended to."""
