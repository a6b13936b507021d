"""Labelled rows: the data folder, its splits, and rows derived from them."""
