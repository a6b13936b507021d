"""Processor time of the student in WebAssembly beside that of the server, one thread each.

Wall time says little on a busy machine, so it is not shown.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from postern.contract.artifact import read_artifact
from postern.contract.windows import Window
from postern.inference.session import OnnxSession

LENGTHS: Final = (16, 64, 192)
_WARM: Final = 10
_TIMED: Final = 15


def server_ms(folder: Path) -> dict[int, float]:
    """Median milliseconds of processor time of one window, by its tokens."""
    artifact = read_artifact(folder)
    labels = artifact.manifest.categories
    session = OnnxSession(
        artifact.model,
        pad_id=artifact.manifest.pad_id,
        intra_op_threads=1,
        extra={} if labels is None else {"categories": len(labels.labels)},
    )
    found = {}
    for tokens in LENGTHS:
        ids = np.arange(1000, 1000 + tokens, dtype=np.int64)
        window = Window(ids, np.zeros_like(ids))
        times = []
        for run in range(_WARM + _TIMED):
            before = time.process_time()
            session.run([window])
            if run >= _WARM:
                times.append((time.process_time() - before) * 1000.0)
        found[tokens] = statistics.median(times)
    return found


def device_cost(package: Path, folder: Path) -> dict[str, Any]:
    """The same of Node, the processor time of loading, and the peak of memory in MB.

    Raises CalledProcessError where the package is not built.
    """
    command = ["node", str(package / "measure/cost.mjs"), str(folder.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def table(package: Path, folder: Path) -> str:
    """Both, as Markdown."""
    device, server = device_cost(package, folder), server_ms(folder)
    lines = ["| tokens of the window | WebAssembly, ms | server, ms | ratio |", "|---|---|---|---|"]
    for tokens in LENGTHS:
        here, there = device["windows"][str(tokens)], server[tokens]
        lines.append(f"| {tokens} | {here:.1f} | {there:.1f} | {here / there:.1f} |")
    told = f"load: {device['load_ms']:.0f} ms; peak of memory: {device['peak_mb']:.0f} MB"
    return "\n".join([*lines, "", told])
