"""Settings -> the parts of a server, put together."""
