"""Figures, tables and plots, and the reader of what will be served."""
