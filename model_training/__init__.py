"""The path of a row: split -> augment -> distil -> export -> fit-policy -> evaluate -> publish."""

import os

# As `postern` does, before anything imports ONNX Runtime, which looks up a telemetry host.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
