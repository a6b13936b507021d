"""Environments of their own for the programs that tests run Postern against; made once, cached."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Only against hangs: a download of hundreds of megabytes may take long.
INSTALL_S = 3600.0


def made_venv(name: str) -> Path:
    """The `bin` of `.cache/<name>`, with what tests/requirements-<name>.txt pins.

    Made anew when that file changes, by one process at a time. Raises RuntimeError with the words
    of uv when it cannot be.
    """
    requirements = ROOT / "tests" / f"requirements-{name}.txt"
    folder = ROOT / ".cache" / name
    made_from = folder / "made-from"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        # Two processes of a run may ask for it at once: the second waits for the first.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made_from.exists() or made_from.read_text() != digest:
            shutil.rmtree(folder, ignore_errors=True)
            # A pip of its own would take half of the time.
            _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
            uv = [sys.executable, "-m", "uv", "--quiet", "pip", "install"]
            _run(*uv, "--python", str(folder / "bin/python"), "-r", str(requirements))
            made_from.write_text(digest)  # last, so that a half-made one is not taken for whole
    return folder / "bin"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr[-2000:]}")
