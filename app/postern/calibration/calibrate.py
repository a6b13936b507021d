"""A labelled sample and an artifact -> a new version of the artifact with a certificate."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np

from postern.calibration.asker import Asker
from postern.calibration.certify import CertifiedSlice, certify_slice, new_policy
from postern.calibration.fit import calibrated
from postern.calibration.labelled import Labelled, LabelledData
from postern.calibration.parts import ScoredSlice, Wanted, scored_slice, shortages, taught
from postern.calibration.publishing import write_durably, write_version
from postern.calibration.report import certificate_text
from postern.contract.artifact import (
    MODEL,
    TOKENIZER,
    VERSION_PATTERN,
    Artifact,
    Manifest,
    file_entries,
    read_artifact,
)
from postern.contract.certificate import (
    ArtifactId,
    AskedTeacher,
    Certificate,
    SliceCertificate,
)
from postern.contract.errors import CalibrationImpossible, LabelledDataInvalid, TooFewRows
from postern.contract.exchange import SLICES, Exchange, Slice
from postern.contract.probability import (
    Floats,
    harmful_probability,
    log_odds,
    sigmoids,
)
from postern.contract.reference import ProbabilityReference, reference_of
from postern.contract.text import segments
from postern.disguises.triggers import Disguise, decoded_counts, readable_disguise, second_reading
from postern.inference.margins import margins
from postern.inference.session import OnnxSession
from postern.inference.tokenizer import Tokenizer
from postern.inference.warm_up import check_self_test, warm_up
from postern.languages.reader import LanguageReader

CERTIFICATE = "CERTIFICATE.md"


@dataclass(frozen=True)
class Job:
    """What to calibrate, and the guarantee to reach.

    teachers: artifact folders, whose calibrated log-odds are averaged; asker: a teacher at a URL.
    Without either, the column `teacher_probability` of the data is used if it exists. slices: None
    means those in the data.
    """

    artifact: Path
    teachers: tuple[Path, ...]
    wanted: Wanted
    slices: tuple[Slice, ...] | None
    threads: int
    today: date
    version: str | None = None
    asker: Asker | None = None


@dataclass(frozen=True)
class Calibrated:
    """The manifest without its files, and the files that are added beside the model."""

    source: Artifact
    manifest: Manifest


def calibrate(data: LabelledData, job: Job) -> Calibrated:
    """Score, fit and certify. Writes nothing.

    Raises TooFewRows with everything that is missing, ArtifactInvalid, CalibrationImpossible.
    """
    source = read_artifact(job.artifact)
    version = _checked(job.version or version_of(source.manifest.version, job.today))
    by_slice = _by_slice(data, job)
    _refuse_early(by_slice, job.wanted)
    teachers = [read_artifact(folder) for folder in job.teachers]
    scored = {name: _scored(rows, source, teachers, job) for name, rows in by_slice.items()}
    old = source.manifest.policy
    found = {
        name: certify_slice(sample, name, job.wanted, old=old) for name, sample in scored.items()
    }
    reader = LanguageReader(source.manifest.languages)
    found = {
        name: replace(one, certificate=_with_languages(one.certificate, by_slice[name], reader))
        for name, one in found.items()
    }
    manifest = _manifest(source, teachers, data, job, found, scored)
    return Calibrated(source, manifest.model_copy(update={"version": version}))


def write_calibrated(calibrated: Calibrated, target: Path) -> Manifest:
    """Write the new version to `target` and return its manifest. Raises ArtifactInvalid."""
    written = []

    def fill(staging: Path) -> Manifest:
        write_durably(staging / MODEL, calibrated.source.model)
        write_durably(staging / TOKENIZER, calibrated.source.tokenizer)
        write_durably(staging / CERTIFICATE, certificate_text(calibrated.manifest).encode())
        written.append(calibrated.manifest.model_copy(update={"files": file_entries(staging)}))
        return written[-1]

    write_version(target, fill)
    return written[-1]


def version_of(version: str, today: date) -> str:
    """The version for a calibration on that day: build metadata, as in semantic versioning."""
    return f"{version.partition('+')[0]}+cal.{today:%Y%m%d}"


def disguises(rows: Sequence[Labelled]) -> list[Disguise | None]:
    """How each row seems disguised to a server whose triggers are on."""
    return [readable_disguise(row.exchange) for row in rows]


def score(
    artifact: Artifact, rows: Sequence[Labelled], hidden: Sequence[Disguise | None], *, threads: int
) -> Floats:
    """(n,) margins in nats, computed as the server does, each from the most harmful window.

    hidden: from `disguises`. Disguised text is scored both as it came and decoded, and the reading
    that a server would use counts. Raises ArtifactInvalid if this machine computes the graph
    wrongly.
    """
    texts = [segments(row.exchange) for row in rows]
    decoded = {
        place: reading
        for place, (text, disguise) in enumerate(zip(texts, hidden, strict=True))
        if (reading := second_reading(text, disguise)) is not None
    }
    found = _margins(artifact, [*texts, *decoded.values()], threads=threads)
    for further, place in enumerate(decoded, start=len(texts)):
        if decoded_counts(hidden[place], float(found[place]), float(found[further])):
            found[place] = found[further]
    return found[: len(texts)]


def opinion(
    artifacts: Sequence[Artifact],
    rows: Sequence[Labelled],
    hidden: Sequence[Disguise | None],
    *,
    threads: int,
) -> Floats:
    """(n,) harmful probability in [0, 1] of several artifacts: the mean of their log-odds.

    hidden: from `disguises`. A teacher sees only the decoded text.
    """
    said = said_without(rows, hidden)
    slices = np.array([exchange.slice for exchange in said])
    found = [
        log_odds(
            calibrated(
                _margins(artifact, [segments(exchange) for exchange in said], threads=threads),
                slices,
                artifact.manifest.policy.calibration,
            )
        )
        for artifact in artifacts
    ]
    return sigmoids(np.asarray(np.mean(found, axis=0)))


def said_without(rows: Sequence[Labelled], hidden: Sequence[Disguise | None]) -> list[Exchange]:
    """The text for the teacher: without its disguise, if there is one."""
    return [
        row.exchange if disguise is None else disguise.decoded
        for row, disguise in zip(rows, hidden, strict=True)
    ]


def _margins(artifact: Artifact, texts: Sequence[tuple[str, ...]], *, threads: int) -> Floats:
    manifest = artifact.manifest
    tokenizer = Tokenizer(
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )
    session = OnnxSession(artifact.model, pad_id=manifest.pad_id, intra_op_threads=threads)
    check_self_test(manifest, warm_up(tokenizer, session))
    encodings = tokenizer.encode_many(texts)
    found = margins(encodings, session.run, what=f"{manifest.name} {manifest.version}")
    if not np.isfinite(found).all():
        raise CalibrationImpossible(f"{manifest.name} gives numbers that are not finite")
    return found


def _with_languages(
    certificate: SliceCertificate, rows: Sequence[Labelled], reader: LanguageReader
) -> SliceCertificate:
    read = [(reader.read(segments(row.exchange)).language, row.label) for row in rows]
    counts = Counter(read)
    languages = {
        tag: (counts[tag, 1], counts[tag, 0])
        for tag, _ in Counter(tag for tag, _ in read).most_common()
    }
    return certificate.model_copy(update={"languages": languages})


def _by_slice(data: LabelledData, job: Job) -> dict[Slice, list[Labelled]]:
    found: dict[Slice, list[Labelled]] = {
        name: [row for row in data.rows if row.exchange.slice == name]
        for name in job.slices or SLICES
    }
    empty = [name for name, rows in found.items() if not rows]
    if job.slices and empty:
        raise LabelledDataInvalid(f"the data contain no labelled exchange of slice {empty[0]}")
    return {name: rows for name, rows in found.items() if rows}


def _refuse_early(by_slice: dict[Slice, list[Labelled]], wanted: Wanted) -> None:
    """Check the counts before scoring, which may take long."""
    lacking = [
        problem
        for name, rows in by_slice.items()
        for problem in shortages(scored_slice(rows, np.zeros(len(rows)), None), name, wanted)
    ]
    if lacking:
        raise TooFewRows("; ".join(lacking))


def _scored(
    rows: Sequence[Labelled],
    source: Artifact,
    teachers: Sequence[Artifact],
    job: Job,
) -> ScoredSlice:
    hidden, told = disguises(rows), None
    found = score(source, rows, hidden, threads=job.threads)  # before paying a teacher
    if teachers:
        told = opinion(teachers, rows, hidden, threads=job.threads)
    elif job.asker is not None:
        told = np.full(len(rows), np.nan)
        used, said = taught(rows), said_without(rows, hidden)
        told[used] = job.asker([said[place] for place in np.flatnonzero(used)])
    elif any(row.teacher is not None for row in rows):
        told = np.array([np.nan if row.teacher is None else row.teacher for row in rows])
    return scored_slice(
        rows,
        found,
        told,
        disguised=np.array([disguise is not None for disguise in hidden], dtype=np.bool_),
    )


def _manifest(
    source: Artifact,
    teachers: Sequence[Artifact],
    data: LabelledData,
    job: Job,
    found: dict[Slice, CertifiedSlice],
    scored: dict[Slice, ScoredSlice],
) -> Manifest:
    old = source.manifest
    model_sha256 = hashlib.sha256(source.model).hexdigest()
    certificate = Certificate(
        date=job.today.isoformat(),
        delta=job.wanted.delta,
        slices={name: one.certificate for name, one in found.items()},
        teacher=_taught_by(teachers, data, job),
        source=_id(source),
        model_sha256=model_sha256,
        data_sha256=data.sha256,
    )
    figures = {name: {**one.metrics, "fitted_on": name} for name, one in found.items()}
    kept = {key: value for key, value in old.metrics.items() if key == "export"}
    return old.model_copy(
        update={
            "policy": new_policy(old.policy, found),
            "metrics": {
                **kept,
                "calibration": {"model_sha256": model_sha256, "slices": figures},
            },
            "probability_reference": {
                **old.probability_reference,
                **{name: _reference(scored[name], one) for name, one in found.items()},
            },
            "certificate": certificate,
        }
    )


def _taught_by(
    teachers: Sequence[Artifact], data: LabelledData, job: Job
) -> tuple[ArtifactId, ...] | AskedTeacher | Literal["column"] | None:
    if teachers:
        return tuple(_id(one) for one in teachers)
    if job.asker is not None:
        return job.asker.certified
    return "column" if data.has_teacher else None


def _checked(version: str) -> str:
    """Check that a manifest and a folder can have this version. Raises CalibrationImpossible."""
    if not re.fullmatch(VERSION_PATTERN, version):
        raise CalibrationImpossible("the version must be a digit followed by A-Z a-z 0-9 . _ + -")
    return version


def _reference(sample: ScoredSlice, found: CertifiedSlice) -> ProbabilityReference:
    return reference_of(harmful_probability(sample.margins, found.calibration))


def _id(artifact: Artifact) -> ArtifactId:
    manifest = artifact.manifest
    return ArtifactId(name=manifest.name, version=manifest.version, sha256=artifact.sha256)
