"""All settings: one frozen object, and the only reader of the environment."""
