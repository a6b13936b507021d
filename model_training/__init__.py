"""The path of a row: split -> augment -> distil -> export -> calibrate -> evaluate -> publish."""
