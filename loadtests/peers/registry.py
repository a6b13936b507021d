"""The compared servers: how to start, ask and tune each, and how to read its replies."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.peers.model import ARTIFACT, write_hub_folder

OURS = "postern"
_HERE = Path(__file__).resolve().parent
_SERVERS = "loadtests.peers.servers"

# (environment's bin folder, port, scratch folder) -> command
Command = Callable[[Path, int, Path], list[str]]


@dataclass(frozen=True)
class Peer:
    """A server. settings: its tuning, for the report."""

    name: str
    command: Command
    settings: Mapping[str, Any]
    ask: Callable[[str], dict[str, Any]] = lambda prompt: {"prompt": prompt}
    understand: Callable[[Any], float] = lambda reply: float(reply["probability"])
    path: str = "/classify"
    whole_texts: bool = True
    """Whether the server reads all of a long text; others cut it."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def requirements(self) -> Path:
        return _HERE / f"requirements/{self.name}.txt"


def _module(name: str) -> Command:
    return lambda bin_, port, _: [str(bin_ / "python"), "-m", f"{_SERVERS}.{name}", str(port)]


def _ours(_: Path, port: int, __: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "postern", "serve", "--port", str(port)),
        *("--artifact", str(ARTIFACT), "--log-level", "warning"),
    ]


def _mosec(bin_: Path, port: int, scratch: Path) -> list[str]:
    flags = ["--address", "127.0.0.1", "--port", str(port), "--timeout", "10000"]
    flags += ["--path", str(scratch / "mosec"), "--capacity", "4096", "--log-level", "warning"]
    return [str(bin_ / "python"), "-m", f"{_SERVERS}.mosec_peer", *flags]


def _bentoml(bin_: Path, port: int, _: Path) -> list[str]:
    service = f"{_SERVERS}.bentoml_peer:Classifier"
    flags = ["--host", "127.0.0.1", "--port", str(port)]
    return [str(bin_ / "python"), "-m", "bentoml", "serve", service, *flags]


def _infinity(bin_: Path, port: int, scratch: Path) -> list[str]:
    folder = write_hub_folder(scratch / "postern-minilm")
    # Started inside the folder, as ".": infinity names the file by its path, and optimum accepts
    # only the last part of a path. The graph that infinity optimizes goes to a cache for this run
    # alone.
    return [
        *("env", "-C", str(folder), f"HF_HUB_CACHE={scratch / 'cache'}"),
        *(str(bin_ / "infinity_emb"), "v2", "--model-id", ".", "--served-model-name", "m"),
        *("--engine", "optimum", "--device", "cpu", "--no-bettertransformer"),
        *("--batch-size", "32", "--host", "127.0.0.1", "--port", str(port)),
        *("--log-level", "error", "--no-model-warmup"),
    ]


def _calibrated(reply: Any) -> float:
    """Our probability from Infinity's softmax, through the manifest's calibration."""
    share = next(one["score"] for one in reply["data"][0] if one["label"] == "harmful")
    fitted = json.loads((ARTIFACT / "manifest.json").read_text())["policy"]["calibration"]["prompt"]
    clipped = min(max(share, 1e-12), 1.0 - 1e-12)
    margin = math.log(clipped) - math.log1p(-clipped)
    return 1.0 / (1.0 + math.exp(-(margin / fitted["temperature"] + fitted["bias"])))


def ours_on(engine: str) -> Peer:
    """Postern on `onnxruntime`, as the peers, so that only servers differ; or on `openvino`."""
    return Peer(
        OURS,
        _ours,
        {"settings": "defaults", "engine": engine},
        environment={"POSTERN_ENGINE": engine},
        understand=lambda reply: float(reply["results"][0]["probability"]),
    )


_SAME = "our ONNX file, tokenizing and session options; batches sorted, 512 tokens at most"

PEERS = {
    peer.name: peer
    for peer in (
        ours_on("onnxruntime"),
        Peer(
            "fastapi",
            _module("fastapi_plain"),
            {"session": _SAME, "workers": 2, "threads": 1, "batching": "none", "loop": "uvloop"},
        ),
        Peer(
            "litserve",
            _module("litserve_peer"),
            *({"session": _SAME, "workers": 2, "threads": 1, "batch": 8, "wait_ms": 2},),
        ),
        Peer(
            "mosec",
            _mosec,
            {"session": _SAME, "workers": 2, "threads": 1, "batch": 8, "wait_ms": 1},
        ),
        Peer(
            "bentoml",
            _bentoml,
            {"session": _SAME, "workers": 2, "threads": 1, "batch": 8, "batching": "adaptive"},
            ask=lambda prompt: {"prompts": [prompt]},
            understand=lambda reply: float(reply[0]),
            environment={"BENTOML_DO_NOT_TRACK": "True"},
        ),
        Peer(
            "ray",
            _module("ray_peer"),
            {"session": _SAME, "replicas": 2, "threads": 1, "batch": 8, "wait_ms": 2},
            environment={"RAY_USAGE_STATS_ENABLED": "0"},
        ),
        Peer(
            "infinity",
            _infinity,
            {
                "engine": "its own, optimum with our ONNX file",
                "batch": 32,
                "fails": "above 512 tokens",
            },
            ask=lambda prompt: {"model": "m", "input": [prompt]},
            understand=_calibrated,
            whole_texts=False,
            environment={"INFINITY_ANONYMOUS_USAGE_STATS": "0", "HF_HUB_OFFLINE": "1"},
        ),
    )
}
