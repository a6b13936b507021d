"""The stages of a run: what each reads and writes, and their one table."""
