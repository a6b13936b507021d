"""`import-classifier`: its arguments, and the recipe that they make. No torch."""

from __future__ import annotations

import argparse
from typing import Any, Final

from pydantic import ValidationError

from model_training.errors import RecipeInvalid
from model_training.recipe.config import RunConfig

_LONGEST_OVERLAP: Final = 64


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all arguments except the folders, which every stage takes."""
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="FOLDER_OR_HUB_ID",
        help="the classifier, with its tokenizer; for example hbseong/HarmAug-Guard",
    )
    parser.add_argument(
        "--harmful-index",
        type=int,
        required=True,
        help="index of the output that means harmful (HarmAug-Guard: 1)",
    )
    parser.add_argument("--name", required=True, help="name of the artifact")
    parser.add_argument("--version", required=True, help="version of the artifact, such as 1.0.0")
    parser.add_argument(
        "--window-tokens",
        type=int,
        default=512,
        help="longest window that it reads (default: 512)",
    )
    parser.add_argument(
        "--quantization",
        choices=["auto", "static", "weight_only", "none"],
        default="auto",
        help="auto (default): the first of static, weight_only and none that passes the parity "
        "gate",
    )
    parser.add_argument(
        "--licence", default="not stated", help="licence of the weights, for the manifest"
    )
    parser.add_argument(
        "--sources",
        default="default",
        help="sources of the data folder for calibration and measurement: default, permissive, all",
    )


def imported_config(arguments: argparse.Namespace) -> RunConfig:
    """The recipe of an import. Raises RecipeInvalid with the first problem."""
    window = arguments.window_tokens
    recipe: dict[str, Any] = {
        "name": arguments.name,
        "version": arguments.version,
        "data": {"sources": arguments.sources},
        "distil": {
            "base": arguments.source,
            "window_tokens": window,
            "overlap_tokens": min(_LONGEST_OVERLAP, window // 8),
        },
        "export": {"quantization": arguments.quantization},
        "imported": {
            "harmful_index": arguments.harmful_index,
            "licence": arguments.licence,
        },
    }
    try:
        return RunConfig.model_validate(recipe)
    except ValidationError as exc:
        problem = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise RecipeInvalid(f"import-classifier: {where}: {problem['msg']}") from exc
