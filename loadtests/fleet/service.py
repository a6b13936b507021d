"""How long the model takes for a batch: measured on one core, then drawn from what was measured.

Processor time of the thread counts and not the clock, so a busy machine measures the same, except
for caches that others fill.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from postern.contract.artifact import read_artifact
from postern.contract.windows import Encoding, Window, padded_length
from postern.inference.cost_model import CostModel
from postern.inference.session import OnnxSession
from postern.shipped import DEFAULT_ARTIFACT

from loadtests.texts import PROMPT_TOKENS

MEASURED: Final = Path(__file__).with_name("service_times.json")
BATCH_TOKENS: Final = 512
# Of the student that was measured.
WINDOW_TOKENS: Final = 192
OVERLAP_TOKENS: Final = 36
_SPECIAL_TOKENS: Final = 2
_LENGTHS: Final = (16, 32, 64, 96, 128, 192)
_REPEATS: Final = 12


@dataclass(frozen=True, slots=True)
class Batch:
    """A measured batch: windows, tokens of each, seconds."""

    count: int
    length: int
    seconds: float


def measure(repeats: int = _REPEATS) -> list[Batch]:
    """Batches of the shipped student on one thread. Takes some seconds of processor time."""
    artifact = read_artifact(DEFAULT_ARTIFACT)
    session = OnnxSession(artifact.model, pad_id=artifact.manifest.pad_id, intra_op_threads=1)
    found: list[Batch] = []
    rng = np.random.default_rng(0)
    for _ in range(repeats + 1):
        for length, count in _shapes():
            windows = [_window(rng.integers(1000, 20_000, length)) for _ in range(count)]
            before = time.thread_time()
            session.run(windows)
            found.append(Batch(count, length, time.thread_time() - before))
    return found[len(list(_shapes())) :]  # the first round also pays for memory


def measure_side_by_side(sessions: int) -> list[Batch]:
    """What as many processes measure at once, each with a session of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(sessions) as pool:
        return [one for some in pool.map(measure, [_REPEATS] * sessions, 1) for one in some]


def _shapes() -> Iterator[tuple[int, int]]:
    for length in _LENGTHS:
        for count in (1, 2, 4, 8, 16, 32):
            if count * length <= BATCH_TOKENS:
                yield length, count


def save(batches: Sequence[Batch], path: Path = MEASURED) -> None:
    rows = [[one.count, one.length, round(one.seconds, 6)] for one in batches]
    path.write_text(json.dumps(rows).replace("], ", "],\n ") + "\n")


def load(path: Path = MEASURED) -> list[Batch]:
    return [
        Batch(count, length, seconds) for count, length, seconds in json.loads(path.read_text())
    ]


class ServiceTimes:
    """Seconds of a batch: the fit a + b * tokens + c * squares, times a ratio that was measured."""

    def __init__(self, batches: Sequence[Batch], *, scale: float = 1.0) -> None:
        rows = np.array([_row(one.count, one.length) for one in batches])
        seconds = np.array([one.seconds for one in batches])
        # Relative errors count, as in the server's own model.
        fit, *_ = np.linalg.lstsq(rows / seconds[:, None], np.ones(len(seconds)), rcond=None)
        self._batches = batches
        self._fit = (float(fit[0]), float(fit[1]), float(fit[2]))
        self._ratios = (seconds / (rows @ fit)).tolist()
        self._scale = scale
        self.known = self.cost()
        """What a server knows after its warm-up; to be copied."""

    def mean(self, count: int, length: int) -> float:
        fixed, per_token, per_square = self._fit
        _, tokens, squares = _row(count, length)
        return self._scale * (fixed + per_token * tokens + per_square * squares)

    def draw(self, windows: Sequence[Window], rng: random.Random) -> float:
        length = padded_length(max(one.length for one in windows))
        return self.mean(len(windows), length) * float(rng.choice(self._ratios))

    def cost(self) -> CostModel:
        """What a server knows after its warm-up: one batch of each shape."""
        cost = CostModel()
        for count, length in dict.fromkeys((one.count, one.length) for one in self._batches):
            cost.observe(length, count, self.mean(count, length))
        return cost


def _row(count: int, length: int) -> tuple[float, float, float]:
    return 1.0, float(count * length), float(count * length**2)


def _window(ids: np.ndarray) -> Window:
    return Window(ids.astype(np.int64), np.zeros(len(ids), dtype=np.int64))


def prompt(rng: random.Random) -> Encoding:
    """A prompt as long as those of OpenAI's moderation set, in as many windows as it needs."""
    place = rng.random() * (len(PROMPT_TOKENS) - 1)
    below = int(place)
    least, most = PROMPT_TOKENS[below : below + 2]
    return encoding(round(least + (place - below) * (most - least)))


def encoding(tokens: int) -> Encoding:
    room = WINDOW_TOKENS - _SPECIAL_TOKENS
    lengths, start = [], 0
    while True:
        lengths.append(min(room, tokens - start) + _SPECIAL_TOKENS)
        if start + room >= tokens:
            break
        start += room - OVERLAP_TOKENS
    return Encoding(tuple(_window(np.zeros(one)) for one in lengths), tokens, tokens)


if __name__ == "__main__":
    save(measure())
