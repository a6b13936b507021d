"""Margins of the student on a device beside those of the server's session, over the test sets.

What an engine said is kept, line by line, so that a run that was ended goes on where it was. The
kept file holds figures only, no text.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.exchange import Exchange
from postern.contract.probability import Floats, harmful_probability
from postern.contract.text import segments
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer

from loadtests.on_device.engines import ask_engine

# Any first part of the order is a fair sample of the whole.
_STRIDE: Final = 8
_MODEL: Final = "model.onnx"


def measured_exchanges(data: Path) -> list[Exchange]:
    """All prompts of the test sets, each once, and all pairs: every eighth, then the next ones."""
    prompts: dict[str, None] = {}
    pairs: list[Exchange] = []
    for name in ("openai_moderation", "harmbench_eval"):
        with gzip.open(data / "test" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                prompts[row["prompt"]] = None
                if row["response"] is not None:
                    pairs.append(Exchange(row["prompt"], row["response"]))
    every = [*map(Exchange, prompts), *pairs]
    return [one for first in range(_STRIDE) for one in every[first::_STRIDE]]


class ServerSide:
    """The server's own tokenizer and session, on one thread."""

    def __init__(self, artifact: Artifact) -> None:
        manifest = artifact.manifest
        self._tokenizer = Tokenizer(
            artifact.tokenizer,
            window_tokens=manifest.window_tokens,
            overlap_tokens=manifest.overlap_tokens,
        )
        self._session = OnnxSession(artifact.model, pad_id=manifest.pad_id, intra_op_threads=1)

    def logits(self, exchange: Exchange) -> Floats:
        """(windows, 2) float64."""
        (encoding,) = self._tokenizer.encode_many([segments(exchange)])
        return self._session.run(encoding.windows).astype(np.float64)


class Kept:
    """What was measured so far, a line for each exchange, of one engine and one model."""

    def __init__(self, path: Path, model_sha256: str, exchanges: Sequence[Exchange]) -> None:
        """Raises ValueError where the file is that of another model or of other exchanges."""
        self._path = path
        self._head = {"model_sha256": model_sha256, "exchanges": _digest(exchanges)}
        self.server: list[Floats] = []
        self.device: list[Floats] = []
        self.agents: set[str] = set()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self._head) + "\n")
            return
        head, *lines = path.read_text().splitlines(keepends=True)
        if json.loads(head) != self._head:
            raise ValueError(f"{path} is of another model or of other exchanges")
        # A run that was ended may have left half a line.
        whole = [line for line in lines if line.endswith("\n")]
        path.write_text("".join([head, *whole]))
        for line in whole:
            self._take(json.loads(line))

    def _take(self, line: Any) -> None:
        self.server.append(np.array(line["server"], dtype=np.float64))
        self.device.append(np.array(line["device"], dtype=np.float64))
        self.agents.add(line["agent"])

    def add(self, agent: str, server: Floats, device: Any) -> None:
        line = {"agent": agent, "server": server.tolist(), "device": device}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._take(line)


def _digest(exchanges: Sequence[Exchange]) -> str:
    content = json.dumps([[one.prompt, one.response] for one in exchanges])
    return hashlib.sha256(content.encode()).hexdigest()


def measure(
    engine: str, package: Path, folder: Path, exchanges: Sequence[Exchange], *, limit: int, to: Path
) -> dict[str, Any]:
    """Go on with the run below `to`, up to the first `limit` exchanges, and compare all of them.

    Raises RuntimeError if the engine fails, ValueError where server and device cut other windows.
    """
    artifact = read_artifact(folder)
    model = artifact.manifest.files[_MODEL].sha256
    kept = Kept(to / f"{engine}-{model[:12]}.jsonl", model, exchanges)
    wanted = exchanges[:limit]
    server = ServerSide(artifact)

    def hear(agent: str, logits: list[Any]) -> None:
        for rows in logits:
            kept.add(agent, server.logits(wanted[len(kept.device)]), rows)
        print(f"{engine}: {len(kept.device)} of {len(wanted)}", file=sys.stderr, flush=True)

    if len(kept.device) < len(wanted):
        ask_engine(engine, package, folder, wanted[len(kept.device) :], hear)
    figures = compared(artifact, wanted, kept.server[:limit], kept.device[:limit])
    return {"engine": sorted(kept.agents), "model_sha256": model} | figures


def compared(
    artifact: Artifact,
    exchanges: Sequence[Exchange],
    server: Sequence[Floats],
    device: Sequence[Floats],
) -> dict[str, Any]:
    """Figures of the differences, by window, and of the verdicts, by exchange."""
    if [len(one) for one in server] != [len(one) for one in device]:
        raise ValueError("server and device have other windows")
    margins = [[rows[:, 1] - rows[:, 0] for rows in side] for side in (list(server), list(device))]
    differences = np.abs(np.concatenate(margins[0]) - np.concatenate(margins[1]))
    delta = float(differences.max())
    highest = [np.array([one.max() for one in side]) for side in margins]
    return {
        "exchanges": len(exchanges),
        "windows": len(differences),
        "delta": delta,
        "equal_logits": int(
            (np.concatenate(list(server)) == np.concatenate(list(device))).all(axis=1).sum()
        ),
        "difference_mean": float(differences.mean()),
        "difference_p99": float(np.quantile(differences, 0.99)),
        "verdicts": _verdicts(artifact, exchanges, highest, delta),
    }


def _verdicts(
    artifact: Artifact, exchanges: Sequence[Exchange], highest: Sequence[Floats], delta: float
) -> dict[str, Any]:
    policy = artifact.manifest.policy
    slices = np.array([one.slice for one in exchanges])
    found: dict[str, Any] = {}
    for name, point in policy.operating_points.items():
        for slice_, here in point.items():
            some = slices == slice_
            calibration = policy.calibration[slice_]

            def harmful(
                margins: Floats, calibration: Any = calibration, limit: float = here.threshold
            ) -> Any:
                return harmful_probability(margins, calibration) >= limit

            by_server, by_device = (harmful(side[some]) for side in highest)
            device = highest[1][some]
            unsure = harmful(device - delta) != harmful(device + delta)
            differ = by_server != by_device
            found[f"{name}, {slice_}"] = {
                "exchanges": int(some.sum()),
                "differ": int(differ.sum()),
                "differ_where_sure": int((differ & ~unsure).sum()),
                "unsure": int(unsure.sum()),
            }
    return found
