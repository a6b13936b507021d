"""The command line of `prefix-worth`, apart from the study, which needs what `--help` does not."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

NAME: Final = "prefix-worth"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command, without those of every recipe."""
    add = parser.add_argument
    add(
        "--models",
        nargs="+",
        required=True,
        help="folders of transformers models, or GGUF files for llama.cpp, to measure one by one",
    )
    add("--teacher", type=Path, required=True, help="folder of the published model that judges")
    add("--calls", type=int, default=128, help="calls of each model in each case (default: 128)")
    add("--batch-rows", type=int, default=32, help="texts written at once (default: 32)")
    add(
        "--dtype",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="precision of transformers models (default: auto)",
    )
    add("--encoder", help="encoder for the diversity of what was written; without it, no diversity")
