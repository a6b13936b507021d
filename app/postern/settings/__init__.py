"""Every setting: one frozen object, the sole reader of the environment."""
