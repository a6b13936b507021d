"""Pretrained weights that recipes start from, and where to obtain them."""
