"""One tiny artifact and one long-lived server for the whole suite, and a factory for others."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from postern.contract.artifact import Artifact, read_artifact
from postern.inference.tokenizer import Tokenizer

from tests import made_once
from tests.server_process import ENGINE, ServerProcess

# Time is never a verdict here: the suite runs on busy machines.
settings.register_profile(
    "postern", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("postern")

# A machine that is busy with something else must not turn answers into 504s.
PATIENT = {"request_timeout_ms": 120_000, "grace_period_ms": 60_000, "stall_timeout_ms": 120_000}

NODE_CLIENTS = (
    *("openai@7.57.0", "@anthropic-ai/sdk@1.14.0"),
    *("ai@6.0.326", "@ai-sdk/openai@3.0.141"),
)

StartServer = Callable[..., ServerProcess]


def pytest_configure() -> None:
    made_once.place()  # before there are other processes
    os.environ.setdefault("POSTERN_ENGINE", ENGINE)
    # Several processes share the cores, and models this small only wait for their own threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Where a machine says not to keep bytecode, each of many processes would compile all anew.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_finish() -> None:
    gc.freeze()  # what has been imported stays, and need not be looked through again and again


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no process is left with one when the other is done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def tiny_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a published two-layer student."""
    from tests.tiny_student import build_tiny_artifact  # torch is heavy: only where it is needed

    return build_tiny_artifact(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def artifact(tiny_artifact: Path) -> Artifact:
    return read_artifact(tiny_artifact)


@pytest.fixture(scope="session")
def tokenizer(artifact: Artifact) -> Tokenizer:
    return Tokenizer(
        artifact.tokenizer,
        window_tokens=artifact.manifest.window_tokens,
        overlap_tokens=artifact.manifest.overlap_tokens,
    )


@pytest.fixture(scope="session")
def server(tiny_artifact: Path) -> Iterator[ServerProcess]:
    """A healthy server with default settings, shared by all tests that do not break it."""
    with ServerProcess(
        ["-m", "postern", "serve"], PATIENT | {"artifact": tiny_artifact}
    ) as process:
        process.wait_until_ready()
        yield process


@pytest.fixture(scope="module")
def start_server(tiny_artifact: Path) -> Iterator[StartServer]:
    """Starts servers with settings of their own; each must exit with 0 at the end."""
    with ExitStack() as stack:

        def start(**settings: object) -> ServerProcess:
            process = ServerProcess(
                ["-m", "postern", "serve"], PATIENT | {"artifact": tiny_artifact} | settings
            )
            stack.enter_context(process)
            process.wait_until_ready()
            return process

        yield start


@pytest.fixture(scope="module")
def start_faulty_server(tiny_artifact: Path) -> Iterator[StartServer]:
    """Starts servers whose model is slow or broken; `faults` goes to FaultySession."""
    with ExitStack() as stack:

        def start(faults: dict[str, Any], **settings: object) -> ServerProcess:
            process = ServerProcess(
                ["-m", "tests.end_to_end.faulty_server", json.dumps(faults)],
                PATIENT | {"artifact": tiny_artifact} | settings,
            )
            return stack.enter_context(process)

        yield start


@pytest.fixture(scope="session")
def node_openai(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which Node finds the official clients of OpenAI, Anthropic and Vercel."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "node_modules").symlink_to(
        made_once.made_once("node", _install_node) / "node_modules"
    )
    return folder


def _install_node(folder: Path) -> None:
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *NODE_CLIENTS]
    # Node carries certificates of its own; a company's proxy is known to the system's only.
    environment = {"NODE_OPTIONS": "--use-openssl-ca"} | os.environ
    subprocess.run(
        install, check=True, capture_output=True, timeout=600, cwd=folder, env=environment
    )
