"""A missing program is never a silent pass: it skips with a reason, or fails where all must run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system_packages import PACKAGES, REQUIRE_ALL, absent, require

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_what_is_there_is_found(empty_path: Path) -> None:
    chromium = _program(empty_path, "chromium")
    assert require("chromium") == (str(chromium),)
    assert absent("chromium", "npm") == ["npm"]


def test_absence_skips_and_names_the_package(
    empty_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(REQUIRE_ALL, raising=False)
    with pytest.raises(pytest.skip.Exception, match="chromium-driver"):
        require("chromedriver")


def test_absence_fails_where_everything_must_run(
    empty_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REQUIRE_ALL, "1")
    with pytest.raises(pytest.fail.Exception, match="promtool"):
        require("promtool")


def test_a_program_without_a_package_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        require("chromiun")


def test_ci_installs_what_is_absent_and_then_asks_for_everything(empty_path: Path) -> None:
    """`.ci/run` for real, as root on a machine that lacks one package, up to the real installs."""
    for name in PACKAGES:
        if name != "chromedriver":
            _program(empty_path, name)
    log = empty_path / "log"
    for name in ("apt-get", "make"):
        _program(empty_path, name).write_text(
            f'#!/bin/sh\necho {name} "$@" "${REQUIRE_ALL}" >> {log}\n'
        )
    for name in ("bash", "dirname", "sh"):
        (empty_path / name).symlink_to(f"/usr/bin/{name}")
    (empty_path / "python3").symlink_to(sys.executable)
    done = subprocess.run(
        ["/usr/bin/bash", str(ROOT / ".ci/run")],
        env={"PATH": str(empty_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = log.read_text().splitlines()
    assert lines[-1] == "make test 1", done.stderr
    if os.geteuid() == 0:
        assert any(re.search(r"^apt-get install .*\bchromium-driver\b", line) for line in lines)
        assert not any("prometheus" in line for line in lines)
    else:
        assert lines == ["make test 1"]
