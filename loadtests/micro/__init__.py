"""Micro-benchmarks: each times one part of a request, as a ratio to a fixed computation."""
