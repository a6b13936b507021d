"""`python -m model_training fetch-base`: its arguments and its output."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_training.bases.fetch import fetch_base
from model_training.bases.table import BASES
from model_training.errors import RecipeInvalid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="a name from --list")
    parser.add_argument(
        "--to", type=Path, default=Path("bases"), help="parent of its folder (default: bases)"
    )
    parser.add_argument("--list", action="store_true", help="list the known bases")
    parser.add_argument(
        "--dequantized",
        action="store_true",
        help="also write GGUF weights as a folder of transformers in bfloat16",
    )


def run(arguments: argparse.Namespace) -> None:
    if arguments.list:
        for base in BASES.values():
            print(f"{base.name}  {base.licence}  {base.hub}  {base.about}")
        return
    if arguments.name is None:
        raise RecipeInvalid("fetch-base needs a name; --list prints the known bases")
    folder = fetch_base(arguments.name, arguments.to)
    if arguments.dequantized:
        from model_training.bases.dequantize import dequantize  # torch

        dequantize(folder)
    print(folder)
