"""The import tables of the style guide: data flows down them, imports point up, no exceptions."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in APP.rglob("*.py")
}

# What a module may take from `app.contract` and `app`; whatever is not listed may take nothing.
CONTRACT = {
    "errors": set(),
    "exchange": {"errors"},
    "text": {"errors", "exchange"},
    "teacher_text": {"errors", "exchange"},
    "teacher_call": {"exchange", "teacher_text"},
    "probability": set(),
    "windows": set(),
    "certificate": {"exchange"},
    "value": set(),
    "decision": {"errors", "exchange", "probability", "value"},
    "reference": {"probability"},
    "moderation": {"decision"},
    "artifact": {"certificate", "decision", "errors", "exchange", "reference", "text"},
}
# A dialect's shapes are data: what reads requests and asks the pipeline is `door` and `routes`.
DIALECTS_NEVER_SEE = {"fastapi", "starlette", "onnxruntime", "tokenizers"}
# What the pure parts and the order of things must not see.
_IO = {"fastapi", "starlette", "onnxruntime", "tokenizers", "httpx2", "ssl"}
_PURE = _IO | {"asyncio", "scipy"}
# module -> (other modules of app, libraries it must not see)
APP_TABLE: dict[str, tuple[set[str], set[str]]] = {
    "settings": ({"settings_teacher"}, {"fastapi", "onnxruntime"}),
    "settings_teacher": (set(), {"fastapi", "onnxruntime"}),
    "metrics": (set(), {"fastapi", "onnxruntime", "pydantic"}),
    "logs": (set(), {"fastapi", "onnxruntime"}),
    "tokenizer": (set(), {"asyncio", "fastapi", "onnxruntime"}),
    "session": (set(), {"asyncio", "fastapi", "tokenizers"}),
    "batch_queue": (set(), {"asyncio", "threading", "time", *_IO}),
    "cost_model": (set(), {"asyncio", "threading", "time", *_IO}),
    "callers": (set(), _IO),
    "hindsight": (set(), {"asyncio", "threading", "time", *_IO}),
    "batcher": (
        {"batch_queue", "cost_model", "hindsight", "metrics"},
        {"onnxruntime", "fastapi", "tokenizers"},
    ),
    "score_cache": ({"metrics"}, {"time", "threading", *_IO}),
    "warm_up": ({"cost_model", "session", "tokenizer"}, {"asyncio", "fastapi", "onnxruntime"}),
    "disguises.encodings": (set(), _IO | {"asyncio"}),
    "disguises.ciphers": (set(), _IO | {"asyncio"}),
    "disguises.lettering": (set(), _IO | {"asyncio"}),
    "disguises.codes": ({"disguises.ciphers", "disguises.encodings"}, _IO | {"asyncio"}),
    "disguises.joined": ({"disguises.ciphers"}, _IO | {"asyncio"}),
    "triggers": (
        {
            *("disguises.ciphers", "disguises.codes", "disguises.encodings"),
            *("disguises.joined", "disguises.lettering"),
        },
        _IO | {"asyncio"},
    ),
    "teacher.opinion": (set(), _IO | {"asyncio"}),
    "teacher.breaker": (set(), _IO | {"asyncio"}),
    "teacher.shares": (set(), _IO | {"asyncio"}),
    "teacher.remote": (
        {"chat_guard.upstream", "teacher.opinion"},
        {"fastapi", "starlette", "onnxruntime", "tokenizers"},
    ),
    "teacher.courtesy": (set(), _IO | {"asyncio", "threading"}),
    "teacher.local": (
        {"batcher", "metrics", "session", "teacher.courtesy", "teacher.opinion", "tokenizer"},
        {"fastapi", "starlette", "httpx2"},
    ),
    "teacher.desk": (
        {"logs", "metrics", "teacher.breaker", "teacher.opinion", "teacher.shares"},
        _IO,
    ),
    "teacher.setup": (
        {
            *("batcher", "cascade", "chat_guard.upstream", "http_request", "logs", "metrics"),
            *("engine", "settings", "teacher.breaker", "teacher.courtesy", "teacher.desk"),
            *("teacher.local", "teacher.opinion", "teacher.remote", "teacher.shares"),
        },
        {"fastapi", "starlette", "onnxruntime", "tokenizers"},
    ),
    "teacher.inquiry": (
        {"settings", "teacher.opinion", "teacher.setup"},
        {"fastapi", "starlette", "onnxruntime", "tokenizers", "httpx2"},
    ),
    "cascade": ({"metrics", "teacher.desk", "teacher.opinion", "teacher.shares"}, _IO),
    "scorer": (
        {"batcher", "callers", "metrics", "score_cache", "tokenizer", "triggers"},
        {"fastapi", "starlette", "onnxruntime"},
    ),
    "pipeline": (
        {
            *("batcher", "cascade", "drift", "metrics", "score_cache", "scorer", "tokenizer"),
            "triggers",
        },
        {"fastapi", "starlette", "onnxruntime"},
    ),
    "drift": (set(), _PURE),
    "engine": ({"settings"}, _PURE),
    "calibrate": (
        {
            *("calibration.asker", "calibration.certify", "calibration.fit"),
            "calibration.labelled",
            *("calibration.parts", "calibration.report", "publishing", "scoring", "session"),
            *("tokenizer", "triggers", "warm_up"),
        },
        {"asyncio", "fastapi", "onnxruntime", "tokenizers"},
    ),
    "calibrate_command": (
        {
            *("calibrate", "calibration.labelled", "calibration.parts", "calibration.report"),
            *("settings", "teacher.inquiry"),
        },
        _IO | {"asyncio"},
    ),
    "publishing": ({"session", "tokenizer", "warm_up"}, {"asyncio", "fastapi", "onnxruntime"}),
    "scoring": (set(), _IO | {"asyncio"}),
    "health": ({"batcher"}, {"fastapi", "starlette", "onnxruntime"}),
    "wire": (set(), {"fastapi", "starlette", "onnxruntime", "tokenizers"}),
    "http_errors": (set(), {"onnxruntime", "tokenizers"}),
    "http_protocol": ({"loop_turns"}, {"onnxruntime", "tokenizers"}),
    "loop_turns": (set(), {"threading", *_IO}),
    "first_look": (
        {"batch_queue", "batcher", "callers", "http_request"},
        {"fastapi", "onnxruntime", "tokenizers"},
    ),
    "hot_path": ({"dialects.routes", "routes"}, {"onnxruntime", "tokenizers"}),
    "http_request": ({"callers"}, {"onnxruntime", "tokenizers"}),
    "observe": (
        {
            *("dialects.error_shapes", "first_look", "health", "http_errors", "http_protocol"),
            *("http_request", "logs", "metrics"),
        },
        {"onnxruntime"},
    ),
    "dialects.bodies": ({"wire"}, DIALECTS_NEVER_SEE),
    "dialects.openai_errors": ({"http_errors"}, DIALECTS_NEVER_SEE),
    "dialects.openai_moderations": ({"dialects.bodies", "wire"}, DIALECTS_NEVER_SEE),
    "dialects.litellm_guardrail": ({"dialects.bodies", "wire"}, DIALECTS_NEVER_SEE),
    "dialects.tei_predict": ({"dialects.bodies", "http_errors", "wire"}, DIALECTS_NEVER_SEE),
    "dialects.perspective": ({"dialects.bodies", "http_errors", "wire"}, DIALECTS_NEVER_SEE),
    "dialects.error_shapes": (
        {
            *("dialects.openai_errors", "dialects.perspective", "dialects.tei_predict"),
            "http_errors",
        },
        DIALECTS_NEVER_SEE,
    ),
    "dialects.api_docs": (
        {
            *("dialects.litellm_guardrail", "dialects.openai_errors"),
            *("dialects.openai_moderations", "dialects.perspective", "dialects.tei_predict"),
        },
        {"onnxruntime", "tokenizers"},
    ),
    "dialects.door": ({"http_request", "request_log", "routes"}, {"onnxruntime", "tokenizers"}),
    "dialects.routes": (
        {
            *("dialects.door", "dialects.litellm_guardrail", "dialects.openai_errors"),
            *("dialects.openai_moderations", "dialects.perspective", "dialects.tei_predict"),
            *("http_errors", "http_request", "routes"),
        },
        {"onnxruntime", "tokenizers"},
    ),
    "calibration.asker": (set(), _PURE),
    "calibration.bounds": (set(), _PURE),
    "calibration.certify": (
        {
            *("calibration.figures", "calibration.fit", "calibration.guarantee"),
            *("calibration.operating_points", "calibration.parts"),
        },
        _PURE,
    ),
    "calibration.guarantee": ({"calibration.bounds"}, _PURE),
    "calibration.keys": (set(), _PURE),
    "calibration.report": (set(), _PURE),
    "calibration.labelled": (set(), _PURE),
    "calibration.parts": (
        {
            *("calibration.bounds", "calibration.figures", "calibration.fit"),
            *("calibration.keys", "calibration.labelled"),
        },
        _PURE,
    ),
    "calibration.figures": (set(), _PURE),
    "calibration.fit": ({"calibration.figures", "calibration.logistic"}, _PURE),
    "calibration.logistic": ({"calibration.figures"}, _PURE),
    "calibration.operating_points": ({"calibration.figures"}, _PURE),
    "chat_guard.readable": (set(), _IO),
    "chat_guard.conversation": ({"chat_guard.readable"}, _IO),
    "chat_guard.sse": (set(), _IO),
    "chat_guard.hold_back": ({"chat_guard.readable"}, _IO),
    "chat_guard.judge": ({"pipeline"}, _IO),
    "chat_guard.replies": ({"chat_guard.judge", "chat_guard.sse"}, _IO),
    "chat_guard.upstream": (set(), {"fastapi", "starlette", "onnxruntime", "tokenizers"}),
    "chat_guard.answers": (
        {"chat_guard.replies", "chat_guard.sse", "chat_guard.upstream"},
        _IO,
    ),
    "chat_guard.streaming": (
        {
            *("chat_guard.conversation", "chat_guard.hold_back", "chat_guard.judge"),
            *("chat_guard.readable", "chat_guard.replies", "chat_guard.sse"),
            "chat_guard.upstream",
        },
        _IO,
    ),
    "chat_guard.guard": (
        {
            "chat_guard.answers",
            *("chat_guard.conversation", "chat_guard.hold_back", "chat_guard.judge"),
            *("chat_guard.readable", "chat_guard.replies", "chat_guard.sse"),
            *("chat_guard.streaming", "chat_guard.upstream", "metrics"),
        },
        _IO,
    ),
    "chat_guard.setup": (
        {
            *("chat_guard.conversation", "chat_guard.guard", "chat_guard.hold_back"),
            *("chat_guard.judge", "chat_guard.replies", "chat_guard.upstream"),
            *("dialects.openai_errors", "http_request", "metrics", "pipeline", "settings"),
        },
        {"fastapi", "starlette", "onnxruntime", "tokenizers"},
    ),
    "chat_guard.routes": (
        {
            *("chat_guard.conversation", "chat_guard.guard", "chat_guard.replies"),
            *("dialects.openai_errors", "http_errors", "http_request", "routes"),
        },
        {"onnxruntime", "tokenizers", "httpx2"},
    ),
    "request_log": (set(), _IO),
    "routes": (
        {
            "chat_guard.guard",
            "health",
            "http_errors",
            "http_request",
            "metrics",
            "pipeline",
            "request_log",
            "settings",
            "wire",
        },
        {"onnxruntime", "tokenizers"},
    ),
    "api_docs": ({"dialects.api_docs", "routes", "wire"}, {"onnxruntime", "tokenizers"}),
    "web_page": (set(), {"onnxruntime", "tokenizers"}),
}
# These put things together and may see all of app.
ROOTS = {"app.main", "app.cli", "app.__main__"}
# The teacher's lane sets the priority of its own threads.
_MAY_USE_OS = {
    "app.main",
    "app.contract.artifact",
    "app.engine",
    "app.publishing",
    "app.teacher.local",
}
CONTRACT_LIBRARIES = {"numpy", "pydantic"}
NEVER = {"torch", "transformers", "model_training", "tests", "sklearn", "scipy", "onnx"}


def imports(path: Path) -> set[str]:
    """Dotted names of all that a file imports, at any depth; relative imports are not allowed."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            assert node.module
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & set(MODULES) or {node.module}
    return found


def libraries(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_in_app_sees_training(module: str) -> None:
    assert not libraries(imports(MODULES[module])) & NEVER


@pytest.mark.parametrize("module", sorted(name for name in MODULES if ".contract." in name))
def test_contract_stands_alone(module: str) -> None:
    name = module.rpartition(".")[2]
    if name == "__init__":
        assert not imports(MODULES[module])
        return
    assert name in CONTRACT, f"{module} is in no import table: add it"
    seen = imports(MODULES[module])
    own = {one for one in seen if one.partition(".")[0] == "app"}
    assert own <= {f"app.contract.{other}" for other in CONTRACT[name]}
    others = libraries(seen - own) - set(sys.stdlib_module_names)
    assert others <= CONTRACT_LIBRARIES


@pytest.mark.parametrize(
    "module", sorted(name for name in MODULES if ".contract" not in name and name not in ROOTS)
)
def test_app_keeps_its_table(module: str) -> None:
    name = module.removeprefix("app.")
    if name.rpartition(".")[2] == "__init__":
        assert not imports(MODULES[module])
        return
    assert name in APP_TABLE, f"{module} is in no import table: add it"
    allowed, forbidden = APP_TABLE[name]
    seen = imports(MODULES[module])
    own = {one for one in seen if one.startswith("app.") and not one.startswith("app.contract")}
    assert own <= {f"app.{other}" for other in allowed}
    assert not libraries(seen) & forbidden


def test_settings_alone_reads_the_environment() -> None:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                reads = (node.value.id, node.attr)
                assert reads not in (("os", "environ"), ("os", "getenv"), ("os", "environb"))
                if node.value.id == "os":
                    assert module in _MAY_USE_OS, f"{module}: {reads}"
        if module not in ("app.settings", "app.settings_teacher"):
            assert "pydantic_settings" not in libraries(imports(path))


def test_status_codes_live_in_http_errors_alone() -> None:
    for module in ("batcher", "cascade", "pipeline", "tokenizer", "session", "health", "wire"):
        numbers = {
            node.value
            for node in ast.walk(ast.parse((APP / f"{module}.py").read_text()))
            if isinstance(node, ast.Constant)
        }
        assert not numbers & {400, 401, 408, 413, 415, 422, 429, 500, 503, 504}


def test_importing_the_server_loads_no_torch_and_starts_no_thread() -> None:
    code = """
import sys, threading
import app.main, app.cli
print([n for n in ("torch", "transformers", "model_training", "sklearn") if n in sys.modules])
print(threading.active_count())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["[]", "1"]
    assert done.stderr == ""
