"""Figures, tables and plots, and scoring through the code that serves."""
