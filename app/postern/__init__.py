"""Postern: a moderation server. Training and serving agree because they call the same functions."""

import os

__version__ = "0.1.0"

# Before anything imports ONNX Runtime, which from 1.29 on looks up its maker's telemetry host and
# keeps an identifier of the machine below the home folder. Read when the library is loaded, and
# here because this is imported first, by the server, the command line and training alike.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
