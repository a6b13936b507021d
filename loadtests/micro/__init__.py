"""Micro-benchmarks: one part of a request each, as ratios to a fixed computation."""
