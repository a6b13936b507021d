"""The path of a row: split -> augment -> distil -> export -> fit-policy -> evaluate -> publish."""
