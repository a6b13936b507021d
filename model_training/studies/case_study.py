"""Retrains a student against a new attack without forgetting: the paper's second case study.

The student continues from its own weights, on disguised prompts mixed with its earlier training
rows (replay). It is measured before and after on three kinds of rows: disguised prompts of the
validation split, which nobody trained on; the same prompts in plain text; and everything that was
measured before.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from model_training.data.rows import Row, write_atomically
from model_training.errors import DataInvalid, RecipeInvalid
from model_training.measures.tables import number, table
from model_training.recipe.config import RunConfig
from model_training.run.candidate import read_json, write_json
from model_training.run.folder import Run, locked, read_split
from model_training.studies.attacks import attacked
from model_training.studies.config import CaseStudyConfig, StudyRun
from model_training.teachers.fingerprint import fingerprint

_LOG = logging.getLogger(__name__)

CASE_STUDY: Final = "case_study.json"
CASE_STUDY_TEXT: Final = "case_study.md"
_ATTACKED: Final = "attacked prompts"
_PLAIN: Final = "the same prompts in plain text"


def case_study(run: StudyRun, of: Path, *, student: Path) -> None:
    """Write `case_study.json` and `case_study.md` to `run`, and the new student.

    of: the run whose split the student was trained on. Raises RecipeInvalid if there is no
    [case_study] or no student; DataInvalid if there is no such run, or no prompts of both classes
    to attack.
    """
    config = run.config.case_study
    if config is None:
        raise RecipeInvalid(f"the recipe {run.config.name} has no section [case_study]")
    student = student.resolve()  # the run is identified by its base, however that was written
    if not (student / "tokenizer.json").exists():
        raise RecipeInvalid(f"{student}: contains no student; name one with --student")
    from model_training.student.distil import distil  # torch
    from model_training.studies.trial import measuring_sets

    rows = {name: read_split(of, name) for name in ("train", *_HELD_OUT)}
    sets: dict[str, list[Row]] = {
        **measuring_sets(run.data, **{k: rows[k] for k in _HELD_OUT}, at_most=config.measured_rows),
        **_attack_sets(rows["validation"], config),
    }
    more = attacked(
        rows["train"],
        config.attack,
        count=config.train_prompts,
        longest=config.longest_prompt,
        instruction=config.instruction,
        seed=config.seed,
    )
    _require_both(more)
    own = _config(run.config, student, rows["train"], more, config)
    with locked(Run(own, run.data, run.folder, run.artifacts, run.threads)):
        before = _measured(run, own, "before", student, sets, train=rows["train"])
        new = distil(
            own, train=[*rows["train"], *more], validation=rows["validation"], run=run.folder
        )
        after = _measured(run, own, "after", new, sets, train=rows["train"])
        found = {
            "recipe": f"{run.config.name} {run.config.version}",
            "attack": config.attack,
            "student": fingerprint(str(student)),
            "attacked_train_prompts": len(more),
            "attacked_test_prompts": len(sets[_ATTACKED]),
            "attack_share": config.attack_share,
            "steps": read_json(new / "training.json")["step"],
            "before": before,
            "after": after,
        }
        write_atomically(run.folder / CASE_STUDY_TEXT, case_study_markdown(found).encode())
        write_json(run.folder / CASE_STUDY, found)
    _LOG.info("case-study: %s", run.folder / CASE_STUDY_TEXT)


_HELD_OUT: Final = ("validation", "calibration")


def _attack_sets(validation: Sequence[Row], config: CaseStudyConfig) -> dict[str, list[Row]]:
    def made(attack: Any) -> list[Row]:
        return attacked(
            validation,
            attack,
            count=config.test_prompts,
            longest=config.longest_prompt,
            instruction=config.instruction if attack else "",
            seed=config.seed,
        )

    disguised = made(config.attack)
    _require_both(disguised)
    return {_ATTACKED: disguised, _PLAIN: made(None)}


def _require_both(rows: Sequence[Row]) -> None:
    if len({row.label for row in rows}) < 2:
        raise DataInvalid("the split holds no short prompts of both classes to attack")


def _config(
    config: RunConfig,
    student: Path,
    train: Sequence[Row],
    more: Sequence[Row],
    study: CaseStudyConfig,
) -> RunConfig:
    """The recipe with the student as its base, and the attack's sources at their share."""
    distil = config.distil
    weights = dict(distil.source_weights)
    for label, name in ((0, "attack_unharmful"), (1, "attack_harmful")):
        sizes: dict[str, int] = {}
        for row in train:
            if row.response is None and row.label == label:
                sizes[row.source] = sizes.get(row.source, 0) + 1
        old = sum(
            weights.get(source, 1.0) * size**distil.source_exponent
            for source, size in sizes.items()
        )
        own = sum(row.label == label for row in more) ** distil.source_exponent
        weights[name] = study.attack_share / (1 - study.attack_share) * max(old, 1e-9) / own
    changed = distil.model_copy(update={"base": str(student), "source_weights": weights})
    return config.model_copy(update={"distil": changed})


def _measured(
    run: StudyRun,
    config: RunConfig,
    name: str,
    student: Path,
    sets: Mapping[str, Sequence[Row]],
    *,
    train: Sequence[Row],
) -> dict[str, Any]:
    """Figures of a student, kept on disk so that a killed run measures each only once."""
    from model_training.studies.trial import measure

    digest = hashlib.sha256(fingerprint(str(student)).encode())
    digest.update((config.export.model_dump_json() + config.windows.model_dump_json()).encode())
    for rows in sets.values():
        for row in rows:
            digest.update(row.model_dump_json().encode("utf-8", "replace"))
    path = run.folder / f"{name}.json"
    if path.exists() and (kept := read_json(path)).get("made_of") == digest.hexdigest():
        return dict(kept["figures"])
    found = measure(student, config, sets, train=train, folder=run.folder, threads=run.threads)
    write_json(path, {"made_of": digest.hexdigest(), "figures": found})
    return found


def case_study_markdown(found: Mapping[str, Any]) -> str:
    """Before and after, as Markdown."""
    before, after = found["before"], found["after"]
    lines = [(name, before["sets"][name], after["sets"][name]) for name in before["sets"]] + [
        (f"validation, {name}", before["validation"][name], after["validation"][name])
        for name in before["validation"]
    ]
    alike = [one["look_alikes"].get("pooled", {}).get("balanced") for one in (before, after)]
    measured = table(
        ["set", "rows", *(f"{what} {when}" for what in _SHOWN for when in ("before", "after"))],
        (
            [name, str(old["rows"]), *(_value(one, what) for what in _SHOWN for one in (old, new))]
            for name, old, new in lines
        ),
    )
    return f"""\
# A new attack, without forgetting: {found["attack"]}

{found["attacked_train_prompts"]:,} prompts of the train split in disguise, half of them harmful,
are {found["attack_share"]:.0%} of the prompts drawn; the rest is replay. {found["steps"]:,} steps
from the student's own weights. Attacked prompts that are measured come from the validation split.
Graph: {after["graph"]}. F1 and false-positive rate are those of the `balanced` point, which each
student has from the calibration split; no attacked prompt took part in setting it.

{measured}
Harmless look-alikes flagged: {number(alike[0])} before, {number(alike[1])} after.
"""


_SHOWN: Final = ("AUPRC", "F1", "recall", "FPR")
_KEYS: Final = {"F1": "f1", "recall": "recall", "FPR": "false_positive_rate"}


def _value(found: Mapping[str, Any], what: str) -> str:
    if what == "AUPRC":
        return number(found.get("auprc"))
    return number(found["at"]["balanced"].get(_KEYS[what]))
