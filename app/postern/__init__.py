"""The online inference server. `main.py` starts it; `judging/pipeline.py` judges."""

import os

__version__ = "0.2.0"

# Before anything imports ONNX Runtime, which from 1.29 on looks up its maker's telemetry host and
# keeps an identifier of the machine below the home folder. Read when the library is loaded, and
# here because this is imported first, by the server, the command line and training alike.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
