"""Rows -> checkpoint -> quantized graph."""
