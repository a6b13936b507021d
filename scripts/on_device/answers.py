"""Python's answers about one exchange: what the TypeScript must give as well."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from postern.contract.artifact import read_artifact
from postern.contract.errors import EmptyPrompt
from postern.contract.exchange import Exchange
from postern.contract.text import expanded_length, segments
from postern.contract.windows import Encoding
from postern.disguises.triggers import readable_disguise, second_reading
from postern.inference.tokenizer import Tokenizer
from postern.languages.scripts import scripts_of
from postern.shipped import DEFAULT_ARTIFACT

from scripts.on_device.readings import WatchedReader

SURROGATE: Final = "text_not_unicode"
EMPTY: Final = "empty_prompt"


def shipped_tokenizer(folder: Path = DEFAULT_ARTIFACT) -> Tokenizer:
    artifact = read_artifact(folder)
    return Tokenizer(
        artifact.tokenizer,
        window_tokens=artifact.manifest.window_tokens,
        overlap_tokens=artifact.manifest.overlap_tokens,
    )


def shipped_reader(folder: Path = DEFAULT_ARTIFACT) -> WatchedReader:
    """As a server has it that serves this student alone."""
    return WatchedReader(read_artifact(folder).manifest.languages)


def answer(tokenizer: Tokenizer, reader: WatchedReader, exchange: Exchange) -> dict[str, Any]:
    """Segments, windows, disguise, second reading, scripts and language; or why there is none.

    `reading` is None where rounding may change it.
    """
    texts = [exchange.prompt, *([] if exchange.response is None else [exchange.response])]
    if any(0xD800 <= ord(char) < 0xE000 for text in texts for char in text):
        return {"error": SURROGATE}  # JSON's reader refuses it before it gets here
    try:
        plain = segments(exchange)
    except EmptyPrompt:
        return {"error": EMPTY}
    disguise = readable_disguise(exchange)
    second = second_reading(plain, disguise)
    found: dict[str, Any] = {
        "segments": list(plain),
        "expanded": [expanded_length(text, at_most=1 << 20) for text in texts],
        "encoding": written(tokenizer.encode(plain)),
        "scripts": [scripts_found(text) for text in second or plain],
        "reading": reader.answer(second or plain),
    }
    if disguise is not None:
        decoded = disguise.decoded
        found |= {
            "triggers": list(disguise.triggers),
            "certain": disguise.certain,
            "decoded": [decoded.prompt, decoded.response],
        }
    if second is not None:
        found["second"] = written(tokenizer.encode(second))
    return found


def scripts_found(text: str) -> list[list[Any]]:
    """Name and letters of each script, and at the end whether Latin may be one of them."""
    scripts, latin = scripts_of(text)
    return [[one.script.name, f"{one.letters:.1f}"] for one in scripts] + [["latin", latin]]


def written(encoding: Encoding) -> dict[str, Any]:
    return {
        "tokens": encoding.tokens,
        "prompt_tokens": encoding.prompt_tokens,
        "spans": [[list(span) for span in held] for held in encoding.spans],
        "windows": [[one.ids.tolist(), one.type_ids.tolist()] for one in encoding.windows],
    }


def digest(found: dict[str, Any]) -> str:
    """Of the answer as canonical JSON, so that a file of a hundred thousand stays small."""
    text = json.dumps(found, separators=(",", ":"), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
