"""From rows to a checkpoint and a quantized graph."""
