"""What a verdict costs in a browser, beside the server and beside transformers.js with the graph.

The contenders take turns, length by length and round by round, so that what else the machine does
hits them alike. Ratios are the medians of the ratios within a round.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from postern.contract.artifact import Artifact, read_artifact

from loadtests.on_device import browser, texts
from loadtests.on_device.browser import Contender
from loadtests.on_device.engines import Served, serving

LENGTHS: Final = (16, 64, 192)
SERVER: Final = "server"


@dataclass(frozen=True)
class Runs:
    """How often each length is judged: before, and in each round."""

    warm: Mapping[int, int]
    timed: Mapping[int, int]


# V8 replaces its first code by better code within the first runs. Processor time is counted in
# hundredths of a second, so a round has many verdicts; a slowed page is measured by the clock.
FULL: Final = Runs(warm={16: 40, 64: 10, 192: 5}, timed={16: 20, 64: 10, 192: 5})
SLOWED: Final = Runs(warm={16: 10, 64: 4, 192: 2}, timed={16: 5, 64: 3, 192: 2})


@dataclass(frozen=True)
class Warm:
    """One round of one contender at one length: medians by the clock, means of the processor."""

    tokens: int
    round: int
    wall_ms: float
    processor_ms: float


@contextmanager
def pages(package: Path, folder: Path, transformers: Path | None) -> Iterator[tuple[str, Served]]:
    """The measuring server with the package, the artifact, and transformers.js where it is given.

    transformers: `node_modules` that holds `@huggingface/transformers`.
    """
    with tempfile.TemporaryDirectory() as made:
        folders = {"artifact": folder}
        if transformers is not None:
            _lay_out_model(Path(made) / "student", folder)
            folders |= {
                "models": Path(made),
                "transformers": transformers / "@huggingface/transformers/dist",
                "runtime": transformers / "onnxruntime-web/dist",
            }
        with serving(package, folders) as (url, served):
            yield f"{url}/measure/contenders.html", served


def _lay_out_model(to: Path, folder: Path) -> None:
    """The artifact's graph as transformers.js looks for it."""
    (to / "onnx").mkdir(parents=True)
    (to / "onnx/model_quantized.onnx").symlink_to((folder / "model.onnx").resolve())
    (to / "tokenizer.json").symlink_to((folder / "tokenizer.json").resolve())
    labels = {"0": "unharmful", "1": "harmful"}
    config = {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "id2label": labels,
        "label2id": {label: int(at) for at, label in labels.items()},
        "pad_token_id": 0,
    }
    (to / "config.json").write_text(json.dumps(config))
    tokenizer = {"tokenizer_class": "BertTokenizer", "model_max_length": 512}
    (to / "tokenizer_config.json").write_text(json.dumps(tokenizer))


def bytes_of(files: Sequence[Path]) -> dict[str, int]:
    """Bytes that a page asked for, as they are and with gzip, by what they are."""
    found: dict[str, int] = defaultdict(int)
    for file in files:
        content = file.read_bytes()
        kind = {".onnx": "model", ".wasm": "runtime"}.get(file.suffix, "code and data")
        found[kind] += len(content)
        found[f"{kind}, gzip"] += len(gzip.compress(content, 9))
    return dict(found)


def measure_cold(
    url: str, served: Served, kinds: Sequence[str], artifact: Path, *, rounds: int, slowdown: float
) -> dict[str, Any]:
    """For each kind: from nothing to the first verdict, round by round, and what it downloaded."""
    found: dict[str, Any] = {kind: {"rounds": []} for kind in kinds}
    for _, kind in itertools.product(range(rounds), kinds):
        served.asked.clear()
        if kind == SERVER:
            with browser.server(artifact) as own:
                cold = own.cold
        else:
            with browser.page(f"{url}#{kind}", slowdown=slowdown, phone=slowdown > 1) as page:
                cold = page.cold
            found[kind]["bytes"] = bytes_of(sorted(served.asked))
        found[kind]["rounds"].append(asdict(cold))
        _say(f"cold, {slowdown:g} times slower: {kind} {cold.wall_ms:.0f} ms")
    return found


def measure_warm(
    url: str, kinds: Sequence[str], artifact: Path, *, rounds: int, slowdown: float
) -> dict[str, Any]:
    """For each kind: `Warm` of each length and round, and the peak of memory."""
    words = texts.words(read_artifact(artifact))
    with ExitStack() as stack:
        contenders: dict[str, Contender] = {}
        counting = None
        for kind in kinds:
            if kind == SERVER:
                contenders[kind] = stack.enter_context(browser.server(artifact))
                continue
            page = stack.enter_context(
                browser.page(f"{url}#{kind}", slowdown=slowdown, phone=slowdown > 1)
            )
            counting = counting or page.slowed()
            contenders[kind] = page
        rows = take_turns(contenders, words, rounds, FULL if slowdown == 1 else SLOWED)
        peaks = {kind: one.peak_mb() for kind, one in contenders.items()}
    return {
        "counting_ms": counting,
        "contenders": {
            kind: {"rounds": [asdict(one) for one in rows[kind]], "peak_mb": peaks[kind]}
            for kind in kinds
        },
    }


def take_turns(
    contenders: Mapping[str, Contender], words: list[str], rounds: int, runs: Runs
) -> dict[str, list[Warm]]:
    """Every contender judges the same prompts, which nobody saw before, length by length."""
    given = {tokens: texts.prompts(words, tokens, seed=20) for tokens in LENGTHS}
    for tokens, contender in itertools.product(LENGTHS, contenders.values()):
        contender.judge(list(itertools.islice(given[tokens], runs.warm[tokens])), tokens)
    found: dict[str, list[Warm]] = {kind: [] for kind in contenders}
    for number, tokens in itertools.product(range(rounds), LENGTHS):
        prompts = list(itertools.islice(given[tokens], runs.timed[tokens]))
        for kind, contender in contenders.items():
            before = contender.processor_s()
            times = contender.judge(prompts, tokens)
            spent = (contender.processor_s() - before) * 1000.0 / len(prompts)
            found[kind].append(Warm(tokens, number, statistics.median(times), spent))
        _say(f"round {number}, {tokens} tokens: load {os.getloadavg()[0]:.1f}")
    return found


def measure(
    package: Path,
    folder: Path,
    transformers: Path | None,
    *,
    rounds: int,
    slowdowns: Sequence[float],
    known: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All figures, those that are `known` of the same model among them.

    Raises RuntimeError if a contender gives no verdict, ValueError if `known` is of another model.
    """
    artifact: Artifact = read_artifact(folder)
    kinds = ["worker", "page", *(["transformers"] if transformers is not None else [])]
    model = artifact.manifest.files["model.onnx"].sha256
    found = known or {"model_sha256": model, "slowdowns": {}}
    if found["model_sha256"] != model:
        raise ValueError("the known figures are of another model")
    with pages(package, folder, transformers) as (url, served):
        for slowdown in slowdowns:
            # The server is slowed by nothing; it stands beside the page at full speed.
            some = [*kinds, SERVER] if slowdown == 1 else kinds
            cold = measure_cold(
                url, served, ["blank", *some], folder, rounds=rounds, slowdown=slowdown
            )
            warm = measure_warm(url, some, folder, rounds=rounds, slowdown=slowdown)
            found["slowdowns"][f"{slowdown:g}"] = {
                "cold": cold,
                "warm": warm,
                "load": os.getloadavg()[0],
            }
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
