"""The stages that train a teacher.

train-teacher  split, recipes of the members -> teacher/<member>/
fit-ensemble   members, validation split     -> teacher/ensemble.json, ensemble.md

Encoders are runs of their own recipes, in folders of their own, so each continues where it
stopped, and several can train in parallel.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from postern.contract.artifact import MANIFEST

from model_training.data.development import development_rows
from model_training.data.rows import Row, read_pool, read_sources, write_atomically
from model_training.data.split import labelled_rows
from model_training.errors import RecipeInvalid
from model_training.evaluation.fit_policy import samples
from model_training.measures.validation import measured
from model_training.recipe.config import WindowConfig, read_recipe
from model_training.recipe.ensemble import (
    ArtifactMember,
    EncoderMember,
    EnsembleConfig,
    Member,
    NgramMember,
    RunMember,
)
from model_training.recipe.published import named
from model_training.run.candidate import read_json, write_json
from model_training.run.folder import Run, is_split, locked, recorded
from model_training.run.stage_files import sha256
from model_training.stages.student import distil, split
from model_training.teachers.artifact import take_artifact
from model_training.teachers.fingerprint import fingerprint

if TYPE_CHECKING:
    from model_training.evaluation.ensemble_report import ScoredByAll

_LOG = logging.getLogger(__name__)

REPORT: Final = "ensemble_report.json"
REPORT_TEXT: Final = "ensemble.md"
_MARGINS: Final = "margins"
_BATCH_TOKENS: Final = 8192
# The file that is written last, by kind of member.
_LAST: Final = {"encoder": "tokenizer.json", "ngrams": "ngrams.json", "artifact": MANIFEST}


def train_teacher(run: Run, member: str | None = None) -> None:
    """Train all members, or the named one. Finished members are skipped.

    Raises RecipeInvalid if there is no such member, or its recipe cannot be used.
    """
    config = _config(run)
    chosen = [one for one in config.members if member in (None, one.name)]
    if not chosen:
        names = ", ".join(one.name for one in config.members)
        raise RecipeInvalid(f"[ensemble] has no member {member!r}; it has {names}")
    for one in chosen:
        _LOG.info("member %s", one.name)
        match one:
            case EncoderMember():
                _train_encoder(run, one)
            case NgramMember():
                _train_ngrams(run, one)
            case RunMember():
                finished_run(run, one)
            case ArtifactMember():
                with locked(_folder_run(run, one)):
                    take_artifact(named(one.artifact), run.teacher / one.name, run.config.data)


def fit_teacher(run: Run) -> None:
    """Score every member once, fit temperatures and weights on validation, and compare."""
    # sklearn, scipy and matplotlib, which serving does without.
    from model_training.evaluation.ensemble_report import ensemble_markdown, ensemble_report
    from model_training.teachers.ensemble import ENSEMBLE, fit_ensemble, write_ensemble

    config = _config(run)
    described = [_described(run, member) for member in config.members]
    sets = {name: _scored(run, described, name, rows) for name, rows in _sets(run, config).items()}
    held_out = sets["validation"]
    by_slice = samples(held_out.by(held_out.margins[0]), run.config)
    ensemble = fit_ensemble(described, held_out.margins, by_slice, held_out.slices)
    report = ensemble_report(ensemble, sets, run.config)
    write_json(run.teacher / REPORT, report)
    write_atomically(run.teacher / REPORT_TEXT, ensemble_markdown(report).encode())
    write_ensemble(run.teacher, ensemble)  # last: it marks the stage as done
    _LOG.info("fit-ensemble: %s", run.teacher / ENSEMBLE)


def _config(run: Run) -> EnsembleConfig:
    if run.config.ensemble is None:
        raise RecipeInvalid(f"the recipe {run.config.name} has no section [ensemble]")
    return run.config.ensemble


def member_run(run: Run, member: EncoderMember) -> Run:
    """The run in which an encoder is trained. Raises RecipeInvalid."""
    config = read_recipe(run.recipes / member.recipe, older=run.older)
    if config.data != run.config.data:
        raise RecipeInvalid(
            f"{member.recipe}: its [data] differs from that of {run.config.name}; a member must "
            "not learn from rows that the others are measured on"
        )
    if config.label is not None or config.imported is not None:
        raise RecipeInvalid(f"{member.recipe}: a member learns from labels, not from a teacher")
    distil = config.distil.model_copy(update={"seed": member.seed})
    return Run(
        config=config.model_copy(update={"distil": distil}),
        data=run.data,
        folder=run.teacher / member.name,
        artifacts=run.artifacts,
        threads=run.threads,
        recipes=run.recipes,
    )


def finished_run(run: Run, member: RunMember) -> Run:
    """The run whose student is a member. Raises RecipeInvalid if it is not finished, or if its rows
    were split in another way."""
    folder = Path(member.run)
    config = recorded(folder)
    if config is None or not (folder / "student" / _LAST["encoder"]).exists():
        raise RecipeInvalid(f"{folder}: contains no finished student")
    if config.data != run.config.data:
        raise RecipeInvalid(
            f"{folder}: its [data] differs from that of {run.config.name}; a member must not learn "
            "from rows that the others are measured on"
        )
    return Run(config, run.data, folder, run.artifacts, run.threads)


def _train_encoder(run: Run, member: EncoderMember) -> None:
    inside = member_run(run, member)
    with locked(inside):
        if (inside.folder / "student" / "tokenizer.json").exists():
            _LOG.info("member %s: nothing to do", member.name)
            return
        if not is_split(inside.folder):
            split(inside)
        distil(inside)


def _train_ngrams(run: Run, member: NgramMember) -> None:
    from model_training.teachers.ngrams import is_trained, train_ngrams

    folder = run.teacher / member.name
    train, balance = run.rows_file("train"), run.config.distil
    settings = [member.model_dump_json(), balance.model_dump_json(include=_BALANCE), sha256(train)]
    made_of = hashlib.sha256("\n".join(settings).encode()).hexdigest()
    with locked(_folder_run(run, member)):
        if is_trained(folder, made_of=made_of):
            _LOG.info("member %s: nothing to do", member.name)
            return
        train_ngrams(run.rows("train"), member, balance).save(folder, made_of=made_of)


def _folder_run(run: Run, member: Member) -> Run:
    """For the lock of a member that has no recipe of its own."""
    return Run(run.config, run.data, run.teacher / member.name, run.artifacts, run.threads)


_BALANCE: Final = {"source_exponent", "source_weights"}


def _described(run: Run, member: Member) -> dict[str, Any]:
    """The entry of a member in `ensemble.json`, without temperature and weight.

    Raises RecipeInvalid.
    """
    windows: WindowConfig | None = None
    folder = run.teacher / member.name
    if isinstance(member, EncoderMember):
        windows = member_run(run, member).config.windows
        folder = folder / "student"
    elif isinstance(member, RunMember):
        other = finished_run(run, member)
        windows, folder = other.config.windows, other.folder / "student"
    kind = "encoder" if isinstance(member, RunMember) else member.kind
    last = folder / _LAST[kind]
    if not last.exists():
        raise RecipeInvalid(
            f"{folder}: the member {member.name!r} is missing or unfinished; "
            "run stage 'train-teacher' first"
        )
    return {
        "name": member.name,
        "kind": kind,
        "folder": os.path.relpath(folder, run.teacher),
        "fingerprint": fingerprint(str(folder)),
        "windows": None if windows is None else windows.model_dump(),
    }


def _sets(run: Run, config: EnsembleConfig) -> dict[str, Sequence[Row]]:
    """The rows on which members are compared: held-out splits, transfer sources, test sets."""
    sets = {
        name: measured(run.rows(name), config.held_out_rows)
        for name in ("validation", "calibration")
    }
    transfer = development_rows(
        run.data, run.config.data, config.transfer_sources, config.transfer_rows
    )
    sets |= {f"transfer, {name}": rows for name, rows in transfer.items()}
    for source in read_sources(run.data):
        if source.split == "test":
            sets[f"test, {source.name}"] = labelled_rows(read_pool(run.data, source))
    return sets


def _scored(
    run: Run, described: Sequence[dict[str, Any]], name: str, rows: Sequence[Row]
) -> ScoredByAll:
    from model_training.evaluation.ensemble_report import ScoredByAll

    margins = np.stack([_margins(run, member, name, rows) for member in described])
    visible = np.flatnonzero(np.isfinite(margins).all(axis=0))
    return ScoredByAll([rows[int(place)] for place in visible], margins[:, visible])


def _margins(run: Run, member: dict[str, Any], name: str, rows: Sequence[Row]) -> Any:
    """(n,) margins of a member, kept on disk: a killed stage asks each member once."""
    digest = hashlib.sha256(repr((member["fingerprint"], member["windows"])).encode())
    for row in rows:
        digest.update(repr((row.prompt, row.response)).encode("utf-8", "replace"))
    made_of = digest.hexdigest()
    path = run.teacher / _MARGINS / f"{member['name']}--{name.replace(', ', '-')}.json"
    if path.exists() and (kept := read_json(path)).get("made_of") == made_of:
        return np.array(kept["margins"], dtype=np.float64)
    _LOG.info("fit-ensemble: %s reads %s", member["name"], name)
    windows = member["windows"] and WindowConfig.model_validate(member["windows"])
    from model_training.teachers.ensemble_teacher import open_judge  # scipy

    judge = open_judge(
        member["kind"],
        run.teacher / member["folder"],
        windows,
        batch_tokens=_BATCH_TOKENS,
        precision="auto",
    )
    found = judge.margins([row.exchange for row in rows])
    write_json(
        path, {"made_of": made_of, "margins": [None if np.isnan(m) else float(m) for m in found]}
    )
    return found
