"""Compares engines and thread counts on one student: speed as ratios, and accuracy.

All candidates run in this process, one after another in each round, in an order that changes
between rounds. A candidate's speed is its ratio to the first candidate within the same round. A
busy or throttled machine therefore slows all candidates alike, and the spread shows how far to
trust a figure.

    .venv/bin/python -m loadtests.engines --data ../shared/data/test/openai_moderation.jsonl.gz

OpenVINO takes part if the environment has `openvino` installed.

Accuracy: `to_float` is the largest difference of a probability from the same weights with float32
activations; `neighbours` is the largest difference of a text's probability between running alone
and running in a batch. A candidate whose `neighbours` exceeds 1e-3 may not serve, however fast it
is.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.exchange import Exchange
from postern.contract.probability import harmful_margin, harmful_probability
from postern.contract.text import segments
from postern.contract.windows import Window
from postern.inference.openvino_session import OpenVinoSession, Precision, is_installed
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer
from postern.shipped import DEFAULT_ARTIFACT

Run = Callable[[Sequence[Window]], np.ndarray]
NEIGHBOURS_AT_MOST = 1e-3
_OPENVINO: dict[str, Precision] = {
    "int8-f32": "f32",
    "int8-bf16": "bf16",
    "float-f32": "f32",
    "float-bf16": "bf16",
}


@dataclass(frozen=True)
class Candidate:
    """engine: int8 as published or float, run by ONNX Runtime (ort) or OpenVINO (ov); at the end,
    what OpenVINO sums in."""

    engine: str
    workers: int
    threads: int
    batch_tokens: int

    @property
    def name(self) -> str:
        return f"{self.engine}, {self.workers}x{self.threads}, {self.batch_tokens}"


def candidates(cores: int) -> list[Candidate]:
    """The first candidate, one pool over all cores, is the reference for the others."""
    budgets = (2048, 1024, 512, 256)
    found = [Candidate("ort-int8", 1, cores, budget) for budget in budgets]
    found += [Candidate("ort-int8", cores, 1, budget) for budget in budgets]
    found.append(Candidate("ort-float", cores, 1, 512))
    if is_installed():
        found += [Candidate(f"ov-{kind}", cores, 1, 512) for kind in _OPENVINO]
    return found


# --- engines ------------------------------------------------------------------------------------


def float_graph(model: bytes) -> bytes:
    """The published graph without the rounding of activations: weights as floats, no Q and DQ."""
    graph = onnx.load_from_string(model)
    constants = {one.name: numpy_helper.to_array(one) for one in graph.graph.initializer}
    quantized = {n.output[0]: n.input[0] for n in graph.graph.node if n.op_type == "QuantizeLinear"}
    renamed: dict[str, str] = {}
    for node in list(graph.graph.node):
        if node.op_type == "DequantizeLinear":
            if node.input[0] in constants:
                weight = constants[node.input[0]].astype(np.float32) * constants[node.input[1]]
                graph.graph.initializer.append(numpy_helper.from_array(weight, node.output[0]))
            else:
                renamed[node.output[0]] = quantized[node.input[0]]
        if node.op_type in ("DequantizeLinear", "QuantizeLinear"):
            graph.graph.node.remove(node)
    for node in graph.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
    serialized: bytes = graph.SerializeToString()
    return serialized


def open_engine(candidate: Candidate, artifact: Artifact) -> Run:
    pad_id = artifact.manifest.pad_id
    model = artifact.model
    if "float" in candidate.engine:
        model = float_graph(model)
    if candidate.engine.startswith("ort"):
        session = OnnxSession(model, pad_id=pad_id, intra_op_threads=candidate.threads)
        return session.run
    return OpenVinoSession(
        model,
        pad_id=pad_id,
        intra_op_threads=candidate.threads,
        concurrent=candidate.workers,
        precision=_OPENVINO[candidate.engine.removeprefix("ov-")],
    ).run


# --- measuring ----------------------------------------------------------------------------------


def planned(windows: Sequence[Window], batch_tokens: int) -> list[list[Window]]:
    """All windows in batches of similar length, as a long queue would form them."""
    batches: list[list[Window]] = []
    for window in sorted(windows, key=lambda one: one.length):
        if batches and window.length * (len(batches[-1]) + 1) <= batch_tokens:
            batches[-1].append(window)
        else:
            batches.append([window])
    random.Random(0).shuffle(batches)
    return batches


def _worked_through(run: Run, batches: Sequence[Sequence[Window]], workers: int) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(run, batches))
    return time.perf_counter() - started


class Contender:
    """A loaded and warmed-up candidate."""

    def __init__(self, candidate: Candidate, artifact: Path, windows: list[Window]) -> None:
        self.candidate = candidate
        self.rates: list[float] = []
        self.single_s: list[float] = []
        self._windows = windows
        self.run = open_engine(candidate, read_artifact(artifact))
        self._batches = planned(windows, candidate.batch_tokens)
        _worked_through(self.run, self._batches, candidate.workers)

    def measure(self) -> None:
        """One round: all windows in batches, then single windows of median length."""
        seconds = _worked_through(self.run, self._batches, self.candidate.workers)
        self.rates.append(len(self._windows) / seconds)
        middle = sorted(self._windows, key=lambda one: one.length)[len(self._windows) // 2]
        times = []
        for _ in range(9):
            started = time.perf_counter()
            self.run([middle])
            times.append(time.perf_counter() - started)
        self.single_s.append(statistics.median(times))


def accuracy(run: Run, reference: Run, artifact: Artifact, windows: list[Window]) -> dict[str, Any]:
    calibration = artifact.manifest.policy.calibration["prompt"]

    def probabilities(by: Run, batch: Sequence[Window]) -> np.ndarray:
        return harmful_probability(harmful_margin(by(batch)), calibration)

    exact = np.concatenate([probabilities(reference, [one]) for one in windows])
    alone = np.concatenate([probabilities(run, [one]) for one in windows])
    moved = 0.0
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(len(windows))
        for group in np.array_split(order, max(1, len(order) // (6 + 5 * seed))):
            together = probabilities(run, [windows[index] for index in group])
            moved = max(moved, float(np.abs(together - alone[group]).max()))
    return {
        "to_float": float(np.abs(alone - exact).max()),
        "to_float_mean": float(np.abs(alone - exact).mean()),
        "neighbours": moved,
        "may_serve": moved <= NEIGHBOURS_AT_MOST,
    }


def read_windows(path: Path | None, artifact: Artifact, limit: int) -> list[Window]:
    manifest = artifact.manifest
    tokenizer = Tokenizer(
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )
    prompts = _made(limit) if path is None else _read(path)
    found = [tokenizer.encode(segments(Exchange(one))).windows for one in prompts if one.strip()]
    return [window for windows in found for window in windows][:limit]


def _made(count: int) -> list[str]:
    from loadtests.texts import MadeTexts

    made = MadeTexts(0)
    return [made.prompt() for _ in range(count)]


def _read(path: Path) -> list[str]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    prompts = [json.loads(line)["prompt"] for line in content.splitlines()]
    random.Random(0).shuffle(prompts)
    return prompts


def summary(contenders: Sequence[Contender], accuracies: Sequence[dict[str, Any]]) -> list[Any]:
    base = contenders[0]
    rows = []
    for contender, exact in zip(contenders, accuracies, strict=True):
        speed = [a / b for a, b in zip(contender.rates, base.rates, strict=True)]
        single = [a / b for a, b in zip(contender.single_s, base.single_s, strict=True)]
        rows.append(
            {
                "candidate": contender.candidate.name,
                "texts_per_s": round(statistics.median(contender.rates), 1),
                "speed_ratio": [round(statistics.median(speed), 2), *_spread(speed)],
                "single_ms": round(statistics.median(contender.single_s) * 1000.0, 2),
                "single_ratio": [round(statistics.median(single), 2), *_spread(single)],
                **exact,
            }
        )
    return rows


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return round(min(values), 2), round(max(values), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="JSON Lines with `prompt`; texts are generated if not given"
    )
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT)
    parser.add_argument("--windows", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--accuracy-windows", type=int, default=300)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--only", nargs="*", default=[""], help="only engines whose name begins with this"
    )
    parser.add_argument("--output", type=Path)
    parser.add_argument("--plot", type=Path, help="PNG or SVG plot of the speeds")
    arguments = parser.parse_args()
    artifact = read_artifact(arguments.artifact)
    windows = read_windows(arguments.data, artifact, arguments.windows)
    contenders = [
        Contender(candidate, arguments.artifact, windows)
        for candidate in candidates(arguments.cores)
        if candidate.engine.startswith(tuple(arguments.only))
    ]
    for index in range(arguments.rounds):
        for contender in random.Random(index).sample(contenders, len(contenders)):
            contender.measure()
    reference = open_engine(Candidate("ort-float", 1, 1, 512), artifact)
    known: dict[str, dict[str, Any]] = {}
    for contender in contenders:
        if contender.candidate.engine not in known:
            known[contender.candidate.engine] = accuracy(
                contender.run, reference, artifact, windows[: arguments.accuracy_windows]
            )
    result = {
        "machine": {"processor": platform.processor(), "cores": arguments.cores},
        "load_average": os.getloadavg(),
        "windows": len(windows),
        "rounds": arguments.rounds,
        "rows": summary(contenders, [known[one.candidate.engine] for one in contenders]),
    }
    text = json.dumps(result, indent=2)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    if arguments.plot:
        from loadtests.plot import ratio_plot

        speeds = {row["candidate"]: row["speed_ratio"] for row in result["rows"]}
        ratio_plot(speeds, arguments.plot, title="batches: speed relative to the first")
    print(text)


if __name__ == "__main__":
    main()
