"""The path of a request: exchange -> probability -> verdict."""
