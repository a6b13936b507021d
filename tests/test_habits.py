"""What a contributor's machine checks before a commit is what `make check` checks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import yaml

from tests.server_process import ROOT

CONFIG = ROOT / ".pre-commit-config.yaml"


def hooks() -> list[dict[str, Any]]:
    (local,) = yaml.safe_load(CONFIG.read_text())["repos"]
    assert local["repo"] == "local"  # nothing is downloaded, and every tool has its locked version
    found: list[dict[str, Any]] = local["hooks"]
    return found


def test_the_hooks_run_what_make_check_runs() -> None:
    dry = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.installed", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [hook["entry"] for hook in hooks()] == dry.stdout.splitlines()


def test_the_hooks_see_the_whole_tree() -> None:
    for hook in hooks():
        assert hook["language"] == "system"
        assert hook["pass_filenames"] is False
        assert hook["always_run"] is True


def test_pre_commit_can_read_its_configuration() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(CONFIG)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
