"""Tokens a second of each engine, with what the processor has taken from it step by step.

    python -m loadtests.instruction_sets --rounds 10

OpenVINO takes a limit from `ONEDNN_MAX_CPU_ISA` when it is loaded, so each candidate has a process
of its own. They take turns, round by round, on one thread each; speed is processor time, medians
over the rounds. ONNX Runtime knows no such limit. It runs as it serves here, and with the option of
processors without VNNI (`session.x64quantprecision`), which keeps it off the tiles of AMX.
Memory is what the session adds to its process, with the kernels of these shapes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import onnxruntime as ort
import tokenizers
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.windows import Window, pad
from postern.inference.openvino_session import OpenVinoSession, Precision
from postern.inference.processor import multiplies_bfloat16
from postern.inference.session import INPUTS, OnnxSession
from postern.shipped import DEFAULT_ARTIFACT

from loadtests import results
from loadtests.peers.model import ROOT

SHAPES: Final = ((1, 16), (1, 128), (8, 64), (32, 16))
_LIMIT: Final = "ONEDNN_MAX_CPU_ISA"
_TOKENS_EACH: Final = 2048
Run = Callable[[Sequence[Window]], Any]


@dataclass(frozen=True)
class Candidate:
    """limit: an instruction set of oneDNN; None: all that the processor has."""

    engine: str
    precision: Precision | None = None
    limit: str | None = None

    @property
    def name(self) -> str:
        return ", ".join(part for part in (self.engine, self.precision, self.limit) if part)


def candidates() -> tuple[Candidate, ...]:
    """Limits that are none on this processor change nothing; bf16 needs one that multiplies it."""
    limits = ("AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI", None)
    return (
        Candidate("ONNX Runtime"),
        Candidate("ONNX Runtime, exact without VNNI"),
        *(Candidate("OpenVINO", "f32", limit) for limit in limits),
        *([Candidate("OpenVINO", "bf16")] if multiplies_bfloat16() else []),
    )


def opened(candidate: Candidate, artifact: Artifact) -> Run:
    """A session on one thread. The limit must be in the environment already."""
    pad_id = artifact.manifest.pad_id
    if candidate.engine == "OpenVINO":
        return OpenVinoSession(
            artifact.model, pad_id=pad_id, intra_op_threads=1, precision=candidate.precision
        ).run
    if candidate.engine == "ONNX Runtime":
        return OnnxSession(artifact.model, pad_id=pad_id, intra_op_threads=1).run
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(artifact.model, options, providers=["CPUExecutionProvider"])
    taken = {one.name for one in session.get_inputs()}

    def run(windows: Sequence[Window]) -> Any:
        padded = dict(zip(INPUTS, pad(windows, pad_id=pad_id), strict=True))
        return session.run(None, {name: padded[name] for name in taken})

    return run


def serve(candidate: Candidate, folder: Path) -> None:
    """Says what memory the session took; then, for each line, processor seconds of each shape."""
    artifact = read_artifact(folder)
    before = _own_mib()
    run = opened(candidate, artifact)
    rng = np.random.default_rng(0)
    ids = tokenizers.Tokenizer.from_buffer(artifact.tokenizer).get_vocab_size()
    batches = [[_window(rng, length, ids) for _ in range(count)] for count, length in SHAPES]
    for batch in batches:
        run(batch)
    print(round(_own_mib() - before), flush=True)
    for _ in sys.stdin:
        print(json.dumps([_seconds(run, batch) for batch in batches]), flush=True)


def _window(rng: np.random.Generator, length: int, ids: int) -> Window:
    return Window(rng.integers(ids, size=length), np.zeros(length, dtype=np.int64))


def _seconds(run: Run, batch: Sequence[Window]) -> float:
    """Processor seconds of the process for one such batch."""
    times = max(1, _TOKENS_EACH // sum(window.length for window in batch))
    before = time.process_time()
    for _ in range(times):
        run(batch)
    return (time.process_time() - before) / times


def _own_mib() -> float:
    found = re.search(r"RssAnon:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


@contextmanager
def _started(number: int, folder: Path) -> Iterator[tuple[int, IO[str], IO[str]]]:
    """Memory of the session, and how to ask it and hear it."""
    limit = candidates()[number].limit
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'app'}:{ROOT}"}
    command = [
        "-m",
        "loadtests.instruction_sets",
        "--serve",
        str(number),
        "--artifact",
        str(folder),
    ]
    with subprocess.Popen(
        [sys.executable, *command],
        env=environment | ({} if limit is None else {_LIMIT: limit}),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.stdin, process.stdout
        process.stdin.close()


def measure(folder: Path, *, rounds: int) -> list[dict[str, Any]]:
    """For each candidate, MiB and the median tokens a second of each shape."""
    with ExitStack() as stack:
        running = [
            stack.enter_context(_started(number, folder)) for number in range(len(candidates()))
        ]
        seconds: list[list[list[float]]] = [[] for _ in running]
        for _ in range(rounds):
            for told, (_, ask, hear) in zip(seconds, running, strict=True):
                ask.write("\n")
                ask.flush()
                told.append(json.loads(hear.readline()))
    return [
        {
            "candidate": candidate.name,
            "mib": mib,
            "tokens_per_s": {
                f"{count}x{length}": round(
                    count * length / statistics.median(one[place] for one in told)
                )
                for place, (count, length) in enumerate(SHAPES)
            },
        }
        for candidate, (mib, *_), told in zip(candidates(), running, seconds, strict=True)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.serve is not None:
        serve(candidates()[asked.serve], asked.artifact)
        return 0
    found = measure(asked.artifact, rounds=asked.rounds)
    results.tell({"machine": results.machine(), "candidates": found}, None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
