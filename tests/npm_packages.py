"""The package of `on_device/`, built once for a whole run; its libraries are cached."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.made_once import made_once
from tests.venvs import INSTALL_S, ROOT

PACKAGE = ROOT / "on_device"
_MADE_BY = ("package.json", "package-lock.json", "build.mjs", "tsconfig.json")
_COPIED = ("src", "data", "test", "golden", "measure")


def _npm(folder: Path, *arguments: str) -> None:
    # Node carries certificates of its own; a company's proxy is known to the system's only.
    environment = {"NODE_OPTIONS": "--use-openssl-ca"} | os.environ
    done = subprocess.run(
        ["npm", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"npm {arguments[0]} failed: {(done.stderr + done.stdout)[-2000:]}")


def _libraries() -> Path:
    """`node_modules` of the lock file, in `.cache/`. Made anew when that file changes."""
    folder = ROOT / ".cache" / "on_device"
    made_from = folder / "made-from"
    digest = hashlib.sha256((PACKAGE / "package-lock.json").read_bytes()).hexdigest()
    if not made_from.exists() or made_from.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(PACKAGE / name, folder)
        _npm(folder, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
        made_from.write_text(digest)  # last, so that a half-made one is not taken for whole
    return folder / "node_modules"


def _build(folder: Path) -> None:
    package = folder / "on_device"
    package.mkdir()
    for name in _MADE_BY:
        shutil.copy(PACKAGE / name, package)
    for name in _COPIED:
        shutil.copytree(PACKAGE / name, package / name)
    (package / "node_modules").symlink_to(_libraries())
    (folder / "artifacts").symlink_to(ROOT / "artifacts")
    _npm(package, "run", "build")


def built_package() -> Path:
    """A folder with the built package, its tests, and the artifacts beside it.

    Raises RuntimeError with the words of npm when it cannot be built.
    """
    return made_once("on_device", _build) / "on_device"
