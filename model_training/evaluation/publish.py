"""Publishes candidate and policy as an artifact: verified in a staging folder, then one rename."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from postern.calibration.publishing import self_test, write_durably, write_version
from postern.calibration.publishing import verify as verify
from postern.contract.artifact import (
    MANIFEST,
    MODEL,
    SCHEMA_VERSION,
    TOKENIZER,
    Manifest,
    file_entries,
)
from postern.contract.decision import Policy
from postern.contract.errors import ArtifactInvalid
from postern.contract.exchange import LABEL_ORDER
from postern.contract.language import ENGLISH
from postern.contract.reference import ProbabilityReference
from postern.contract.text import TEXT_FORMAT

from model_training.errors import GateFailed
from model_training.evaluation.behaviour.gate import check_floors
from model_training.recipe.config import RunConfig
from model_training.run.candidate import (
    CALIBRATION,
    COMPOSITION_PLOT,
    EXPORT,
    MODEL_CARD,
    PRECISION_RECALL_PLOT,
    REFERENCE,
    RELIABILITY_PLOT,
    REPORT,
    REPORT_TEXT,
    policy_sha256,
    read_head,
    read_json,
)

_REQUIRED: Final = (MODEL, TOKENIZER)
_OPTIONAL: Final = (
    *(REPORT, REPORT_TEXT, MODEL_CARD),
    *(
        PRECISION_RECALL_PLOT,
        RELIABILITY_PLOT,
        COMPOSITION_PLOT,
    ),
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
    """Creates and returns `artifacts/<name>/<version>`, whole or not at all.

    commit: id of the commit that made the candidate. Raises GateFailed if the candidate did not
    pass the parity gate, has changed since, was evaluated with another policy, or is below a floor
    of behaviour; ArtifactInvalid if it cannot be served, or if that version exists with other
    content.
    """
    exported = _gated(candidate)
    check_floors(_report(candidate, exported, policy), config.behaviour)
    target = artifacts / config.name / config.version

    def fill(staging: Path) -> Manifest:
        _copy_files(candidate, staging)
        return _manifest(
            staging,
            candidate,
            policy,
            config,
            pad_id=int(exported["pad_id"]),
            commit=commit,
            licence=licence,
            teacher=teacher,
        )

    write_version(target, fill)
    return target


def check_free(candidate: Path, config: RunConfig, artifacts: Path) -> None:
    """Raises ArtifactInvalid if the version was published from another candidate: hours of training
    would end in that."""
    target = artifacts / config.name / config.version
    try:
        published = Manifest.model_validate_json((target / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return  # `publish` says what is wrong with it
    model = candidate / MODEL
    if not model.exists() or _sha256(model) != published.files[MODEL].sha256:
        raise ArtifactInvalid(
            f"{target} exists; give the recipe another version, or name another folder with "
            "--artifacts"
        )


def _gated(candidate: Path) -> Mapping[str, Any]:
    """The report that `export` left after the gate. Raises GateFailed if it is of other files."""
    exported = read_json(candidate / EXPORT)
    for name, key in ((MODEL, "model_sha256"), (TOKENIZER, "tokenizer_sha256")):
        if _sha256(candidate / name) != exported.get(key):
            raise GateFailed(f"{name} is not the file that passed the parity gate; export again")
    calibration = candidate / CALIBRATION
    if calibration.exists() and read_json(calibration)["model_sha256"] != exported["model_sha256"]:
        raise GateFailed("the policy was fitted on another graph; run stage 'fit-policy' again")
    return exported


def _report(candidate: Path, exported: Mapping[str, Any], policy: Policy) -> Mapping[str, Any]:
    """The report of `evaluate`, empty if it did not run.

    Raises GateFailed if it is of another graph or policy.
    """
    if not (candidate / REPORT).exists():
        return {}
    report = read_json(candidate / REPORT)
    if report.get("model", {}).get("model_sha256") != exported["model_sha256"]:
        raise GateFailed("the report is of another graph; run stage 'evaluate' again")
    if report.get("policy_sha256") != policy_sha256(policy):
        raise GateFailed("the report is of another policy; run stage 'evaluate' again")
    return report


def _copy_files(candidate: Path, staging: Path) -> None:
    for name in (*_REQUIRED, *_OPTIONAL):
        path = candidate / name
        if path.is_symlink():
            raise ArtifactInvalid(f"{name} must be a plain file")
        if name in _REQUIRED or path.exists():
            write_durably(staging / name, path.read_bytes())


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
    expected = self_test(
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
        self_test=tuple((float(a), float(b)) for a, b in expected),
        teacher=teacher,
        licence=licence,
        run_config=run_config(config),
        commit=commit,
        metrics=_metrics(candidate),
        probability_reference=_reference(candidate),
        languages=ENGLISH if config.multilingual is None else config.multilingual.languages,
        categories=read_head(candidate),
    )


def _reference(candidate: Path) -> dict[Any, ProbabilityReference]:
    """Distribution of probabilities on the calibration split, if `fit-policy` has run."""
    path = candidate / CALIBRATION
    found = read_json(path).get(REFERENCE, {}) if path.exists() else {}
    return {name: ProbabilityReference.model_validate(one) for name, one in found.items()}


def _metrics(candidate: Path) -> dict[str, Any]:
    """Figures that the stages measured, without those by source, which are ten times as long."""
    found = {
        path.stem: read_json(path)
        for path in (candidate / EXPORT, candidate / CALIBRATION)
        if path.exists()
    }
    found.get("calibration", {}).pop(REFERENCE, None)  # the manifest has a field for it
    if (candidate / REPORT).exists():
        report = read_json(candidate / REPORT)
        kept = ("test", "validation", "look_alikes", "behaviour", "categories")
        found |= {key: report[key] for key in kept if key in report}
    return found


def run_config(config: RunConfig) -> dict[str, Any]:
    """The recipe as published: a base folder appears by its name, without its path."""
    content = config.model_dump(mode="json")
    content["distil"]["base"] = base_name(config.distil.base)
    return content


def base_name(base: str) -> str:
    """A hub id or package name unchanged, or the last part of a folder's path."""
    return Path(base).name if Path(base).is_dir() or Path(base).is_absolute() else base


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise ArtifactInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
