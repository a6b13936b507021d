"""Publish a new version of an artifact: verify it in a staging folder, then rename once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from postern.contract.artifact import (
    MANIFEST,
    MODEL,
    Manifest,
    manifest_bytes,
    read_artifact,
    write_manifest,
)
from postern.contract.columns import LOGITS_ALONE, Columns, columns_of
from postern.contract.errors import ArtifactInvalid
from postern.contract.exchange import Exchange
from postern.contract.text import segments
from postern.inference.session import Logits, OnnxSession
from postern.inference.tokenizer import Tokenizer
from postern.inference.warm_up import check_self_test, warm_up


def write_version(target: Path, fill: Callable[[Path], Manifest]) -> None:
    """Write the folder `target`, whole or not at all.

    fill: writes the files to a staging folder and returns the manifest. Raises ArtifactInvalid if
    the result cannot be served, or if `target` exists with other content.
    """
    staging = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        manifest = fill(staging)
        write_manifest(staging, manifest)
        verify(staging)
        _rename(staging, target, manifest)
    except OSError as exc:
        raise ArtifactInvalid(f"{target}: cannot be written ({exc.strerror})") from exc
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file, and flush it to the disk before returning."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def verify(folder: Path) -> None:
    """Read the artifact as the server will, and run its self-test. Raises ArtifactInvalid."""
    artifact = read_artifact(folder)
    manifest = artifact.manifest
    logits = self_test(
        artifact.model,
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
        pad_id=manifest.pad_id,
        columns=columns_of(manifest),
    )
    check_self_test(manifest, logits)


def self_test(
    model: bytes,
    tokenizer_json: bytes,
    *,
    window_tokens: int,
    overlap_tokens: int,
    pad_id: int,
    columns: Columns = LOGITS_ALONE,
) -> Logits:
    """(2, 2) logits of the warm-up. Also runs a full window. Raises ArtifactInvalid.

    columns: all that can be served of the graph. They are run as well.
    """
    tokenizer = Tokenizer(
        tokenizer_json, window_tokens=window_tokens, overlap_tokens=overlap_tokens
    )
    session = OnnxSession(model, pad_id=pad_id, intra_op_threads=1, extra=columns.extra)
    full = Exchange("word " * window_tokens, "word " * window_tokens)
    windows = tokenizer.encode(segments(full)).windows
    try:
        logits = session.run(windows)
    except ArtifactInvalid:
        raise
    except Exception as exc:  # the library raises classes of its own, without a common base
        raise ArtifactInvalid(f"{MODEL} cannot run a full window ({type(exc).__name__})") from exc
    if logits.shape != (len(windows), columns.count) or not np.all(np.isfinite(logits)):
        raise ArtifactInvalid(f"{MODEL} gives no finite outputs of shape (windows, 2)")
    return warm_up(tokenizer, session, columns=columns.count)


def _rename(staging: Path, target: Path, manifest: Manifest) -> None:
    if target.exists():
        found = target / MANIFEST
        if found.exists() and found.read_bytes() == manifest_bytes(manifest):
            verify(target)
            return
        raise ArtifactInvalid(
            f"{target} exists with other content; a version never changes: raise `version`"
        )
    try:
        staging.rename(target)
    except OSError as exc:
        raise ArtifactInvalid(f"{target}: cannot be published ({exc.strerror})") from exc
