"""Which language a text is in, and whether a student was measured for it."""
