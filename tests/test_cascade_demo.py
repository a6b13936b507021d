"""`make demo-cascade`: the shipped student with the shipped teacher behind it, both real."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys

from tests.server_process import HANG_S, ROOT


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def command_of_make() -> list[str]:
    """What the target runs, in this environment's Python."""
    shown = subprocess.run(
        ["make", "--dry-run", "--old-file=.venv-serve/.installed", "demo-cascade"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("\\\n", " ")
    (line,) = [line for line in shown.splitlines() if "demo.py" in line]
    command = shlex.split(line)
    assert command[0] == ".venv-serve/bin/python"
    return [sys.executable, *command[1:]]


def test_the_teacher_is_asked_in_doubt_and_only_then() -> None:
    command = [*command_of_make(), "--once", f"--port={free_port()}"]
    assert command.count("--teacher") >= 2
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    texts = (ROOT / "examples/cascade/texts.txt").read_text("utf-8").splitlines()
    rows = [line for line in done.stdout.splitlines() if re.search(r"harmful +\d\.\d{3}", line)]
    assert len(rows) == len(texts)
    asked = [line for line in rows if re.search(r"teacher \d\.\d{3}, (fused|teacher)$", line)]
    assert 0 < len(asked) < len(rows)
    assert f"{len(asked)} of {len(rows)} texts went to the teacher" in done.stdout


def test_a_server_that_does_not_start_is_said_so() -> None:
    done = subprocess.run(
        [sys.executable, "examples/cascade/demo.py", "--teacher=nowhere", f"--port={free_port()}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 1
    assert "the server did not start" in done.stderr
