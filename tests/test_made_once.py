"""One makes it, the others wait for it; what failed half-way is not taken for whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.made_once import made_once, place
from tests.server_process import ROOT

_PROGRAM = """
import sys, time
from pathlib import Path
from tests.made_once import made_once

def build(folder):
    (folder / "file").write_text("half")
    with Path(sys.argv[1]).open("a") as log:
        log.write("made\\n")
    time.sleep(0.3)
    (folder / "file").write_text("whole")

print((made_once("shared", build) / "file").read_text())
"""


def test_processes_of_a_run_share_what_one_of_them_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTS_MADE_ONCE", str(tmp_path))
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path / "log")]
    several = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [process.communicate()[0] for process in several] == ["whole\n"] * 3
    assert (tmp_path / "log").read_text() == "made\n"


def test_what_failed_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTS_MADE_ONCE", str(tmp_path))

    def fails(folder: Path) -> None:
        (folder / "rest").touch()
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        made_once("thing", fails)
    made = made_once("thing", lambda folder: (folder / "good").touch())
    assert [path.name for path in made.iterdir()] == ["good"]


def test_the_place_goes_with_the_process_that_chose_it() -> None:
    program = "from tests.made_once import place; print(place())"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    chosen = Path(done.stdout.strip())
    assert chosen.name.startswith("made-once-")
    assert not chosen.exists()
    assert place().is_dir()  # of this run
