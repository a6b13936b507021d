"""Margins of the student on a device beside those of the server's session, over the test sets.

    python -m loadtests.on_device --data ../shared/data --engine chromium --output runs/parity.json

The engine is `chromium`, `firefox` or `node`; `on_device/` must be built. The result holds figures
only, no text.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.exchange import Exchange
from postern.contract.probability import Floats, harmful_probability
from postern.contract.text import segments
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer
from postern.shipped import DEFAULT_ARTIFACT

PACKAGE: Final = Path(__file__).resolve().parent.parent / "on_device"
ENGINES: Final = ("chromium", "firefox", "node")
_TYPES: Final = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}
# Without any word from the engine for so long, it hangs.
_SILENCE_S: Final = 900.0


def test_exchanges(data: Path) -> list[Exchange]:
    """All prompts of the test sets, each once, and all pairs."""
    prompts: dict[str, None] = {}
    pairs: list[Exchange] = []
    for name in ("openai_moderation", "harmbench_eval"):
        with gzip.open(data / "test" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                prompts[row["prompt"]] = None
                if row["response"] is not None:
                    pairs.append(Exchange(row["prompt"], row["response"]))
    return [*map(Exchange, prompts), *pairs]


class _Handler(SimpleHTTPRequestHandler):
    """Serves the package, the artifact and the exchanges; takes the results."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | _TYPES

    def __init__(
        self, *arguments: Any, artifact: Path, exchanges: bytes, told: queue.Queue[Any]
    ) -> None:
        self._artifact, self._exchanges, self._told = artifact, exchanges, told
        super().__init__(*arguments, directory=str(PACKAGE))

    def do_GET(self) -> None:
        if self.path != "/exchanges":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self._exchanges)))
        self.end_headers()
        self.wfile.write(self._exchanges)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._told.put(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def translate_path(self, path: str) -> str:
        prefix = "/artifact/"
        if path.startswith(prefix):
            return str(self._artifact / Path(path.partition("?")[0]).name)
        return super().translate_path(path)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@contextmanager
def served(artifact: Path, exchanges: Sequence[Exchange]) -> Iterator[tuple[str, queue.Queue[Any]]]:
    """The URL of the measuring server, and what the engine tells it."""
    told: queue.Queue[Any] = queue.Queue()
    content = json.dumps([[one.prompt, one.response] for one in exchanges]).encode()
    handler = functools.partial(_Handler, artifact=artifact, exchanges=content, told=told)
    with ThreadingHTTPServer(("127.0.0.1", 0), cast(Any, handler)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", told
        finally:
            server.shutdown()


def command_of(engine: str, url: str, profile: Path) -> list[str]:
    """What starts the engine at the measuring page. Raises FileNotFoundError where it is absent."""
    if engine == "node":
        return [_found("node"), str(PACKAGE / "measure/logits.mjs"), url]
    page = f"{url}/measure/"
    if engine == "firefox":
        return [_found("firefox-esr", "firefox"), "--headless", "--profile", str(profile), page]
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run")
    quiet = ("--disable-background-networking", "--disable-dev-shm-usage", "--no-proxy-server")
    return [_found("chromium"), *flags, *quiet, f"--user-data-dir={profile}", page]


def _found(*names: str) -> str:
    for name in names:
        if (path := shutil.which(name)) is not None:
            return path
    raise FileNotFoundError(f"{' or '.join(names)} is not on PATH")


def device_logits(
    engine: str, artifact: Path, exchanges: Sequence[Exchange]
) -> tuple[list[Floats], str]:
    """For each exchange (windows, 2) float64, and the engine's own name.

    Raises RuntimeError if the engine fails or falls silent.
    """
    found: list[Floats] = []
    with served(artifact, exchanges) as (url, told), tempfile.TemporaryDirectory() as profile:
        process = subprocess.Popen(
            command_of(engine, url, Path(profile)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while True:
                try:
                    message = told.get(timeout=_SILENCE_S)
                except queue.Empty:
                    raise RuntimeError(f"{engine} fell silent") from None
                if "failed" in message:
                    raise RuntimeError(f"{engine}: {message['failed']}")
                if "done" in message:
                    return found, str(message["done"])
                found += [np.array(rows, dtype=np.float64) for rows in message["logits"]]
                print(f"{engine}: {len(found)} of {len(exchanges)}", file=sys.stderr, flush=True)
        finally:
            process.terminate()
            process.wait()


def server_logits(artifact: Artifact, exchanges: Sequence[Exchange]) -> list[Floats]:
    """For each exchange (windows, 2) float64, as the server's session computes them."""
    manifest = artifact.manifest
    tokenizer = Tokenizer(
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )
    session = OnnxSession(artifact.model, pad_id=manifest.pad_id, intra_op_threads=1)
    encodings = tokenizer.encode_many([segments(one) for one in exchanges])
    return [session.run(encoding.windows).astype(np.float64) for encoding in encodings]


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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT)
    parser.add_argument("--every", type=int, default=1, help="measure only every n-th exchange")
    parser.add_argument("--from", dest="first", type=int, default=0, help="begin at this one")
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args(arguments)
    artifact = read_artifact(asked.artifact)
    exchanges = test_exchanges(asked.data)[asked.first :: asked.every]
    device, agent = device_logits(asked.engine, asked.artifact, exchanges)
    figures = {"engine": agent, "model_sha256": artifact.manifest.files["model.onnx"].sha256}
    figures |= compared(artifact, exchanges, server_logits(artifact, exchanges), device)
    text = json.dumps(figures, indent=2)
    print(text)
    if asked.output is not None:
        asked.output.parent.mkdir(parents=True, exist_ok=True)
        asked.output.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
