"""The online inference server. `main.py` starts it; `judging/pipeline.py` judges."""

import os

__version__ = "0.2.0"

# ONNX Runtime reads this when it is loaded. Without it, versions from 1.29 on look up their maker's
# telemetry host and keep an identifier of the machine below the home folder. Server, command line
# and training all import this module first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
