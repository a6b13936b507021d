"""Segments -> windows -> batches -> logits, and how long that takes."""
