"""The path of a row: split -> augment -> distil -> export -> calibrate -> evaluate -> publish."""

import postern

__all__ = ["postern"]  # first of all, because it switches off ONNX Runtime's telemetry
