"""Candidate + policy -> artifact: verified in a staging folder, then one rename."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.contract.artifact import (
    MANIFEST,
    MODEL,
    SCHEMA_VERSION,
    TOKENIZER,
    Manifest,
    file_entries,
    manifest_bytes,
    read_artifact,
    write_manifest,
)
from app.contract.decision import Policy
from app.contract.errors import ArtifactInvalid
from app.contract.exchange import LABEL_ORDER, Exchange
from app.contract.text import TEXT_FORMAT, segments
from app.session import Logits, OnnxSession
from app.tokenizer import Tokenizer
from app.warm_up import check_self_test, warm_up
from model_training.candidate import (
    ABLATION_PLOT,
    CALIBRATION,
    COMPOSITION_PLOT,
    EXPORT,
    MODEL_CARD,
    PRECISION_RECALL_PLOT,
    RELIABILITY_PLOT,
    REPORT,
    REPORT_TEXT,
    read_json,
)
from model_training.config import RunConfig
from model_training.errors import GateFailed

_REQUIRED: Final = (MODEL, TOKENIZER)
_OPTIONAL: Final = (
    *(REPORT, REPORT_TEXT, MODEL_CARD),
    *(PRECISION_RECALL_PLOT, RELIABILITY_PLOT, COMPOSITION_PLOT, ABLATION_PLOT),
)


def publish(
    candidate: Path,
    policy: Policy,
    config: RunConfig,
    *,
    artifacts: Path,
    commit: str,
    licence: str = "Apache-2.0",
    teacher: str | None = None,
) -> Path:
    """Returns `artifacts/<name>/<version>`, whole or not at all.

    commit: the commit id the candidate was made from. Raises GateFailed when the candidate did not
    pass the parity gate or was changed since; ArtifactInvalid when it cannot be served, or when
    that version exists with other content.
    """
    exported = _gated(candidate)
    target = artifacts / config.name / config.version
    staging = target.with_name(f".{config.version}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        _copy_files(candidate, staging)
        manifest = _manifest(
            staging,
            candidate,
            policy,
            config,
            pad_id=int(exported["pad_id"]),
            commit=commit,
            licence=licence,
            teacher=teacher,
        )
        write_manifest(staging, manifest)
        verify(staging)
        _rename(staging, target, manifest)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def verify(folder: Path) -> None:
    """Reads the artifact as the server will, and runs its self-test. Raises ArtifactInvalid."""
    artifact = read_artifact(folder)
    manifest = artifact.manifest
    logits = _self_test(
        artifact.model,
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
        pad_id=manifest.pad_id,
    )
    check_self_test(manifest, logits)


def _self_test(
    model: bytes, tokenizer_json: bytes, *, window_tokens: int, overlap_tokens: int, pad_id: int
) -> Logits:
    """(2, 2) logits of the warm-up; a full window is run too."""
    tokenizer = Tokenizer(
        tokenizer_json, window_tokens=window_tokens, overlap_tokens=overlap_tokens
    )
    session = OnnxSession(model, pad_id=pad_id, intra_op_threads=1)
    full = Exchange("word " * window_tokens, "word " * window_tokens)
    windows = tokenizer.encode(segments(full)).windows
    try:
        logits = session.run(windows)
    except Exception as exc:  # the library raises classes of its own, without a common base
        raise ArtifactInvalid(f"{MODEL} cannot run a full window ({type(exc).__name__})") from exc
    if logits.shape != (len(windows), 2) or not np.all(np.isfinite(logits)):
        raise ArtifactInvalid(f"{MODEL} gives no finite logits of shape (windows, 2)")
    return warm_up(tokenizer, session)


def _gated(candidate: Path) -> Mapping[str, Any]:
    """What `export` left after the gate. Raises GateFailed unless it speaks of these very files."""
    exported = read_json(candidate / EXPORT)
    for name, key in ((MODEL, "model_sha256"), (TOKENIZER, "tokenizer_sha256")):
        if _sha256(candidate / name) != exported.get(key):
            raise GateFailed(f"{name} is not the file that passed the parity gate; export again")
    calibration = candidate / CALIBRATION
    if calibration.exists() and read_json(calibration)["model_sha256"] != exported["model_sha256"]:
        raise GateFailed("the policy was fitted on another graph; calibrate again")
    return exported


def _copy_files(candidate: Path, staging: Path) -> None:
    for name in (*_REQUIRED, *_OPTIONAL):
        path = candidate / name
        if path.is_symlink():
            raise ArtifactInvalid(f"{name} must be a plain file")
        if name in _REQUIRED or path.exists():
            content = path.read_bytes()
            with (staging / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())


def _manifest(
    staging: Path,
    candidate: Path,
    policy: Policy,
    config: RunConfig,
    *,
    pad_id: int,
    commit: str,
    licence: str,
    teacher: str | None,
) -> Manifest:
    self_test = _self_test(
        (staging / MODEL).read_bytes(),
        (staging / TOKENIZER).read_bytes(),
        window_tokens=config.windows.window_tokens,
        overlap_tokens=config.windows.overlap_tokens,
        pad_id=pad_id,
    )
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=config.name,
        version=config.version,
        text_format=TEXT_FORMAT,
        label_order=LABEL_ORDER,
        window_tokens=config.windows.window_tokens,
        overlap_tokens=config.windows.overlap_tokens,
        pad_id=pad_id,
        files=file_entries(staging),
        policy=policy,
        self_test=tuple((float(a), float(b)) for a, b in self_test),
        teacher=teacher,
        licence=licence,
        run_config=run_config(config),
        commit=commit,
        metrics=_metrics(candidate),
    )


def _metrics(candidate: Path) -> dict[str, Any]:
    """What the stages measured; figures by source stay in report.json, ten times as long."""
    found = {
        path.stem: read_json(path)
        for path in (candidate / EXPORT, candidate / CALIBRATION)
        if path.exists()
    }
    if (candidate / REPORT).exists():
        report = read_json(candidate / REPORT)
        found |= {key: report[key] for key in ("test", "validation", "look_alikes")}
    return found


def run_config(config: RunConfig) -> dict[str, Any]:
    """The recipe as it is published: a base folder by its name, not by where it lay."""
    content = config.model_dump(mode="json")
    content["distil"]["base"] = base_name(config.distil.base)
    return content


def base_name(base: str) -> str:
    """A hub id or package name as it is; of a folder, the last part."""
    return Path(base).name if Path(base).is_dir() or Path(base).is_absolute() else base


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


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise ArtifactInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
