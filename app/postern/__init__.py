"""The online inference server. `main.py` starts it; `judging/pipeline.py` judges."""

__version__ = "0.2.0"
