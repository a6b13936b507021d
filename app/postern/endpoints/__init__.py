"""The HTTP endpoints: each path, its checks and its errors, defined once."""
