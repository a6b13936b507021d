"""Writes GGUF weights as a folder of transformers, with the precision that they have.

A model that answers many calls at once is faster in bfloat16 than with packed weights, which have
to be unpacked for each token.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from pathlib import Path
from typing import Final

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from model_training.errors import DataInvalid

WEIGHTS: Final = "model.safetensors"


def dequantize(folder: Path) -> None:
    """Write config, tokenizer and bfloat16 weights beside the GGUF file of a folder.

    Does nothing if they are there. Raises DataInvalid if the folder has no GGUF file, or several,
    or one that transformers cannot read.
    """
    if (folder / WEIGHTS).exists():
        return
    found = sorted(folder.glob("*.gguf"))
    if len(found) != 1:
        raise DataInvalid(f"{folder}: has {len(found)} GGUF files, not one")
    name = found[0].name
    with tempfile.TemporaryDirectory(dir=folder, prefix=".dequantized-") as scratch:
        try:
            model = AutoModelForCausalLM.from_pretrained(
                folder,
                gguf_file=name,
                dtype=torch.bfloat16,
                quantization_config=GgufConfig(dequantize=True),
            )
            AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(scratch)
        except (ValueError, KeyError, IndexError, OSError, struct.error) as exc:
            raise DataInvalid(f"{found[0]}: transformers cannot read it") from exc
        model.save_pretrained(scratch)
        # The weights last: with them, the folder counts as complete.
        for path in sorted(Path(scratch).iterdir(), key=lambda path: path.name == WEIGHTS):
            shutil.move(path, folder / path.name)
