"""The online inference server: `main.py` puts it together, `pipeline.py` is a request's path."""

__version__ = "0.1.0"
