"""Pretrained weights that recipes start from, and where they can be had."""
