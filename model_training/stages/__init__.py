"""The stages of a run: what each reads and writes, and the table of all of them."""
