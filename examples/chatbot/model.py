"""Serves a chat model in a GGUF file behind an OpenAI-compatible API, on the processor.

python examples/chatbot/model.py --model bases/qwen2.5-coder-0.5b-instruct/…gguf --port 8081

It is llama.cpp's own server, from the package `xllamacpp`. It prints its address when it is ready.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

CONTEXT_TOKENS = 4096
ANSWER_TOKENS = 256


def main() -> int:
    parser = argparse.ArgumentParser(description="A chat model on this machine's processor.")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081, help="0: any that is free")
    parser.add_argument("--threads", type=int, help="of the processor; by default all")
    arguments = parser.parse_args()
    if not arguments.model.is_file():
        print(f"{arguments.model}: no such file", file=sys.stderr)
        return 1
    import xllamacpp  # compiled, and heavy

    params = xllamacpp.CommonParams()
    params.model.path = str(arguments.model)
    params.model_alias = {arguments.model.stem}
    params.n_parallel = 1
    params.n_ctx = CONTEXT_TOKENS
    params.n_predict = ANSWER_TOKENS
    params.fit_params = False
    params.warmup = False
    params.hostnames = [arguments.host]
    params.port = arguments.port
    params.verbosity = 0
    if arguments.threads is not None:
        params.cpuparams.n_threads = arguments.threads
        params.cpuparams_batch.n_threads = arguments.threads
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
