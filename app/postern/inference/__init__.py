"""Segments -> windows -> batches -> logits, and estimates of how long that takes."""
