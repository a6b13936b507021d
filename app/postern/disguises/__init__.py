"""Kinds of disguised text and how to undo them: no I/O, in linear time, one file per family."""
