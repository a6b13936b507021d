"""Fit and certify a policy. Training and `postern calibrate` share every part."""
