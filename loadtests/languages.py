"""How often a language is read wrongly, and what reading costs beside the student's forward pass.

`python -m loadtests.languages --data DATA --output runs/languages.json`. English rows are those of
`train/`, which were chosen to be English; foreign ones those of `train_multilingual/`, whose
categories begin with the language.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from postern.contract.artifact import read_artifact
from postern.contract.text import normalize
from postern.contract.windows import Window
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer
from postern.languages.reader import LanguageReader
from postern.shipped import DEFAULT_ARTIFACT

_CODE: Final = ("code_prompts", "cyberseceval_code", "gpteacher_codegen", "nl2bash")
_LATIN: Final = frozenset(("de", "es", "fr", "id", "it", "jv", "nl", "pl", "pt", "sw", "tr", "vi"))
_SENTENCE: Final = (
    "The committee will meet again on Thursday to discuss the plan for the new library, and "
    "everybody is welcome to bring ideas. "
)
_THAI: Final = "คณะกรรมการจะประชุมกันอีกครั้งในวันพฤหัสบดีเพื่อหารือเกี่ยวกับแผนของห้องสมุด"
TEXTS: Final = {
    "English, 20 characters": "How do I bake bread?",
    "English, 125 characters": _SENTENCE,
    "English, 1,000 characters": _SENTENCE * 8,
    "English, 10,000 characters": _SENTENCE * 80,
    "English, 40,000 characters": _SENTENCE * 320,
    "Thai, 80 characters": _THAI,
    "Thai without a space, 10,000 characters": (_THAI * 150)[:10_000],
    "Emoji, 400 characters": "\U0001f389\U0001f44d\u2764\ufe0f" * 100,
    "Code, 800 characters": "def handle(body):\n    return {'id': body[0] * 2}\n" * 16,
}


def sampled(folder: Path, rows: int, seed: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(file, text, row) of prompts and responses, so many rows of each file, normalized."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as file:
            read = [json.loads(line) for line in file]
        random.Random(seed).shuffle(read)
        for row in read[:rows]:
            for text in (row["prompt"], row["response"]):
                if text and (normal := normalize(text)):
                    yield path.name.partition(".")[0], normal, row


def words_of(text: str) -> str:
    words = len(text.split())
    return next((f"up to {most} words" for most in (3, 8, 30, 200) if words <= most), "more")


def counted(reader: LanguageReader, data: Path, *, rows: int, seed: int) -> dict[str, Any]:
    """By kind of text: how many, and how many were read as foreign, as named, as `und`."""
    counts: dict[str, Counter[str]] = {}

    def count(kind: str, text: str, language: str) -> None:
        reading = reader.read((text,))
        found = counts.setdefault(kind, Counter())
        found["texts"] += 1
        found["foreign"] += not reading.supported
        found["named"] += reading.language == language
        found["und"] += reading.language == "und"

    english: list[str] = []
    for name, text, _ in sampled(data / "train", rows, seed):
        kind = "code" if name in _CODE else words_of(text)
        count(f"English, {kind}", text, "en")
        english += [text] if 8 <= len(text.split()) <= 30 else []
    draw = random.Random(seed)
    for _, text, row in sampled(data / "train_multilingual", 20 * rows, seed):
        language = str(row["category"]).partition(":")[0]
        if language == "en" or draw.random() > 0.2:
            continue
        latin = language in _LATIN
        count(
            f"foreign, {f'Latin, {words_of(text)}' if latin else 'other scripts'}", text, language
        )
        count(language, text, language)
        if len(text.split()) > 5:
            around = draw.sample(english, 4)
            count("foreign between English", " ".join([*around[:2], text, *around[2:]]), language)
            count("English between foreign", " ".join([text, around[0], text]), language)
    return {kind: dict(found) for kind, found in sorted(counts.items())}


def timed(reader: LanguageReader, artifact: Path, *, rounds: int) -> dict[str, Any]:
    """Medians in milliseconds of reading, tokenizing, and one forward pass, taken in turns."""
    opened = read_artifact(artifact)
    manifest = opened.manifest
    tokenizer = Tokenizer(
        opened.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )
    session = OnnxSession(opened.model, pad_id=manifest.pad_id, intra_op_threads=1, device="cpu")
    found = {}
    for name, text in TEXTS.items():
        normal = normalize(text)
        windows = tokenizer.encode((normal,)).windows
        ways: dict[str, Callable[[], object]] = {
            "forward_ms": functools.partial(_forward, session, windows),
            "tokenize_ms": functools.partial(tokenizer.encode, (normal,)),
            "identify_ms": functools.partial(reader.read, (normal,)),
        }
        took: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, work in ways.items():
                started = time.perf_counter()
                work()
                took[way].append((time.perf_counter() - started) * 1000.0)
        found[name] = {way: round(statistics.median(some), 3) for way, some in took.items()}
    return found


def _forward(session: OnnxSession, windows: Sequence[Window]) -> None:
    for window in windows:
        session.run([window])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT)
    parser.add_argument("--rows", type=int, default=60, help="rows of each English file")
    parser.add_argument("--rounds", type=int, default=9, help="repetitions of each time")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    started = time.perf_counter()
    reader = LanguageReader(read_artifact(given.artifact).manifest.languages)
    report = {
        "load_s": round(time.perf_counter() - started, 2),
        "times": timed(reader, given.artifact, rounds=given.rounds),
        "readings": counted(reader, given.data, rows=given.rows, seed=given.seed),
    }
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
