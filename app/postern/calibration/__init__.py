"""Fitting and certifying a policy; training and `postern calibrate` share every part. Pure."""
