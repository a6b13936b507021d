"""Nothing is looked up, sent or written by a start, whatever the libraries would like to do."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import PATIENT
from tests.server_process import HANG_S, ROOT, environment
from tests.system_packages import require

# ONNX Runtime itself keeps quiet where it sees that a test runs.
SUPPRESSES = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY", "PYTEST_CURRENT_TEST")
WRITES = re.compile(r"\b(open|openat|creat)\(.*\b(O_WRONLY|O_RDWR|O_CREAT)\b")
CHANGES = re.compile(r"\b(mkdir|mkdirat|rename|renameat2?|link|linkat|symlink|symlinkat|creat)\(")


def traced(tmp_path: Path, settings: dict[str, object]) -> tuple[list[str], dict[str, str]]:
    """The start of a command for `strace`, without root's power to write anywhere, and the
    environment: a home folder that cannot be written."""
    require("strace")
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    environment_ = {
        name: value for name, value in environment(settings).items() if name not in SUPPRESSES
    } | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in [name for name in environment_ if name.startswith(("XDG_", "PYTEST"))]:
        del environment_[name]
    command = ["strace", "-f", "-qq", "-e", "trace=%network,%file", "-o", str(tmp_path / "trace")]
    if os.geteuid() == 0:
        command += ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
    return [*command, sys.executable], environment_


def assert_quiet(trace: Path) -> None:
    lines = trace.read_text(errors="replace").splitlines()
    assert len(lines) > 100
    succeeded = [line for line in lines if not re.search(r"= -1 E", line)]
    attempts = [line for line in lines if "/dev/" not in line and "/proc/self" not in line]
    places = [line for line in lines if re.search(r"\b(connect|sendto|sendmsg|sendmmsg)\(", line)]
    outside = [
        line
        for line in places
        if "sa_family=AF_INET" in line and "127.0.0.1" not in line and '"::1"' not in line
    ]
    assert outside == []
    assert [line for line in lines if re.search(r"resolv\.conf|nscd|htons\(53\)", line)] == []
    assert [line for line in attempts if WRITES.search(line)] == []
    assert [line for line in succeeded if CHANGES.search(line)] == []


def test_a_server_looks_nothing_up_and_writes_nothing(tiny_artifact: Path, tmp_path: Path) -> None:
    command, variables = traced(tmp_path, PATIENT | {"artifact": tiny_artifact, "port": 0})
    process = subprocess.Popen(
        [*command, "-m", "postern", "serve"],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:\d+", greeting)
        assert found, process.stderr.read().decode() if process.stderr else ""
        body = {"prompt": "read a book"}
        reply = httpx.post(f"{found[0]}/classify", json=body, verify=False, timeout=HANG_S)
        assert reply.status_code == 200
        time.sleep(1.0)  # an uploader would wake up
        (served,) = _children(process.pid)
        os.kill(served, signal.SIGTERM)
        _, log = process.communicate(timeout=HANG_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 0
    assert all(isinstance(json.loads(line), dict) for line in log.splitlines())
    assert_quiet(tmp_path / "trace")


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in found]


@pytest.mark.parametrize(
    "script",
    [
        "from postern.cli import main; raise SystemExit(main(['classify', 'read a book']))",
        "import model_training, onnxruntime; onnxruntime.get_available_providers()",
    ],
    ids=["command line", "training"],
)
def test_so_do_the_others(tiny_artifact: Path, tmp_path: Path, script: str) -> None:
    command, variables = traced(tmp_path, {"artifact": tiny_artifact})
    done = subprocess.run(
        [*command, "-c", script], cwd=ROOT, env=variables, capture_output=True, timeout=HANG_S
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert_quiet(tmp_path / "trace")


def test_whoever_imports_the_runtime_imports_us_first() -> None:
    """In `app`, in `model_training`, and in the image."""
    for package in (ROOT / "app/postern", ROOT / "model_training"):
        first = ast.parse((package / "__init__.py").read_text())
        names = [node.names[0].name for node in first.body if isinstance(node, ast.Import)]
        assert names in (["os"], ["postern"])
    assert "ORT_DISABLE_TELEMETRY=1" in (ROOT / "Dockerfile").read_text()
