"""Who may import whom: a row for each room, read from the source. No arrow runs back up."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import Final, NamedTuple

import pytest

from tests.import_graph import circles, dynamic_imports, imports, modules, room, room_graph
from tests.server_process import ROOT

APP: Final = ROOT / "app"
MODULES: Final = modules(APP, "postern")
SEEN: Final = {name: imports(path, MODULES) for name, path in MODULES.items()}
OWN: Final = {
    name: {target for target in targets if target in MODULES} for name, targets in SEEN.items()
}


class Row(NamedTuple):
    """What a room may take: other rooms of the server, and libraries."""

    rooms: str = ""
    libraries: str = ""


# From the bottom up: a room may only take rooms that stand above it in this table.
ROOMS: Final[dict[str, Row]] = {
    "clock": Row(),
    "shipped": Row(),
    "streams": Row(),
    "logs": Row("", "orjson"),
    "metrics": Row("", "prometheus_client"),
    "contract": Row("", "numpy pydantic"),
    "tracing": Row("", "opentelemetry"),
    "settings": Row("contract shipped", "pydantic pydantic_settings"),
    "disguises": Row("contract"),
    "policies": Row("contract", "pydantic re2"),
    "languages": Row("contract", "numpy py3langid"),
    "http": Row("contract tracing", "fastapi httptools httpx2 orjson pydantic starlette uvicorn"),
    "inference": Row(
        "contract metrics settings tracing", "numpy onnxruntime openvino tokenizers tqdm"
    ),
    "teacher": Row(
        "clock contract http inference logs metrics settings tracing", "orjson pydantic"
    ),
    "judging": Row(
        "contract disguises inference languages metrics policies teacher tracing", "numpy"
    ),
    "feedback": Row("contract metrics"),
    "dialects": Row("contract http", "pydantic"),
    "chat_guard": Row("contract http judging metrics policies"),
    "calibration": Row(
        "contract disguises inference languages settings shipped teacher", "numpy pydantic tqdm"
    ),
    "endpoints": Row(
        "chat_guard clock contract dialects feedback http inference judging logs metrics policies"
        " settings tracing",
        "fastapi orjson pydantic starlette",
    ),
    "server": Row(
        "clock contract endpoints http inference logs metrics settings tracing",
        "fastapi starlette swagger_ui_bundle uvicorn",
    ),
    "composition": Row(
        "chat_guard clock contract endpoints feedback http inference judging languages logs metrics"
        " policies settings teacher tracing"
    ),
    "backlog": Row(
        "clock composition contract endpoints inference settings streams", "pydantic tqdm"
    ),
    "batch": Row("backlog contract endpoints inference settings", "pyarrow pydantic ray"),
    "main": Row(
        "clock composition contract endpoints http inference logs server settings streams",
        "starlette uvicorn",
    ),
    "cli": Row("backlog calibration composition contract main settings streams"),
    "__main__": Row("cli"),
}
# A module that says "no I/O" is held to it. `time` is the default of a clock that is handed in.
_IMPURE: Final = {"asyncio", "threading", "socket", "subprocess", "tempfile"}
_PURE: Final = re.compile(r"\b[Pp]ure\b|\b[Nn]o I/O\b")
# Who must touch the machine: files that are synced, cores that are counted, priorities of threads.
_MAY_USE_OS: Final = {
    "postern",
    "postern.logs",
    "postern.settings.settings",
    "postern.streams",
    "postern.main",
    "postern.contract.artifact",
    "postern.inference.engine",
    "postern.calibration.publishing",
    "postern.backlog.command",
    "postern.backlog.output",
    "postern.batch.ledger",
    "postern.batch.on_ray",
    "postern.batch.part",
    "postern.feedback.file",
    "postern.teacher.local",
}
# The package itself writes one variable: what switches off a library's telemetry.
_MAY_READ_THE_ENVIRONMENT: Final = {"postern", "postern.settings.settings"}
_NEVER: Final = {"torch", "transformers", "model_training", "tests", "sklearn", "scipy", "onnx"}


def libraries(names: set[str]) -> set[str]:
    """Top-level names of what comes from elsewhere, the standard library left out."""
    found = {name.partition(".")[0] for name in names}
    return found - set(sys.stdlib_module_names) - {"postern"}


def test_every_room_has_a_row_and_takes_no_more_than_it_says() -> None:
    graph = room_graph(OWN)
    assert set(graph) - {""} == set(ROOMS)
    for name, row in ROOMS.items():
        assert graph[name] == set(row.rooms.split()), name


def test_no_arrow_runs_back_up() -> None:
    order = list(ROOMS)
    for name, row in ROOMS.items():
        for below in row.rooms.split():
            assert order.index(below) < order.index(name), f"{name} takes {below}"


def test_no_module_imports_in_a_circle() -> None:
    assert circles(OWN) == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_sees_only_the_libraries_of_its_room(name: str) -> None:
    found = libraries(SEEN[name])
    assert not found & _NEVER
    assert not dynamic_imports(MODULES[name])
    if room(name):
        assert found <= set(ROOMS[room(name)].libraries.split())
    if MODULES[name].name == "__init__.py":
        assert not SEEN[name] - {"os"}


def test_what_says_no_io_does_none() -> None:
    checked = 0
    for name, path in MODULES.items():
        if _PURE.search(ast.get_docstring(ast.parse(path.read_text())) or ""):
            checked += 1
            assert not {one.partition(".")[0] for one in SEEN[name]} & _IMPURE, name
            assert not any(room(one) in ("http", "settings") for one in OWN[name]), name
    assert checked > 15


def test_settings_alone_reads_the_environment() -> None:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                reads = (node.value.id, node.attr)
                if module not in _MAY_READ_THE_ENVIRONMENT:
                    assert reads not in (("os", "environ"), ("os", "getenv"), ("os", "environb"))
                if node.value.id == "os":
                    assert module in _MAY_USE_OS, f"{module}: {reads}"
        if room(module) != "settings":
            assert "pydantic_settings" not in libraries(SEEN[module])


def test_status_codes_live_in_http_errors_alone() -> None:
    for module, path in MODULES.items():
        if room(module) not in ("contract", "disguises", "inference", "judging", "calibration"):
            continue
        numbers = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant)
        }
        assert not numbers & {401, 408, 413, 415, 422, 429, 503, 504}, module


def test_importing_the_server_loads_no_torch_and_starts_no_thread() -> None:
    code = """
import sys, threading
import postern.main, postern.cli
print([n for n in ("torch", "transformers", "model_training", "sklearn") if n in sys.modules])
print(threading.active_count())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["[]", "1"]
    assert done.stderr == ""
