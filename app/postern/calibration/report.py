"""A certificate as text, for the terminal and for a file beside the model. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from postern.contract.artifact import Manifest
from postern.contract.certificate import (
    AskedTeacher,
    Bound,
    Certificate,
    CertifiedThreshold,
    SliceCertificate,
)


def certificate_text(manifest: Manifest) -> str:
    """Markdown. Raises ValueError if the manifest has no certificate."""
    if manifest.certificate is None:
        raise ValueError("no certificate")
    return "\n".join(_lines(manifest, manifest.certificate)) + "\n"


def _lines(manifest: Manifest, certificate: Certificate) -> Iterator[str]:
    source, confidence = certificate.source, f"{1.0 - certificate.delta:.1%}"
    yield f"# Certificate of {manifest.name} {manifest.version}"
    yield ""
    yield (
        f"Calibrated on {certificate.date} from {source.name} {source.version}, whose model, "
        f"report and model card still hold. Each bound holds at {confidence} confidence."
    )
    for name, found in certificate.slices.items():
        method = manifest.metrics["calibration"]["slices"][name]["method"]
        yield from ("", f"## {name}", "", f"- calibration: {method} scaling")
        if found.languages:
            yield f"- languages: {_languages(found)}"
        yield _edge(found.low, "below", "harmful", "pass")
        yield _edge(found.high, "above", "unharmful", "are stopped")
        yield from ("", *_table(found, fused=name in manifest.policy.fusion))
    yield from ("", "## Method", "", certificate.method)
    yield from ("", "## What it assumes", "", certificate.assumptions, "")
    yield f"- teacher: {_teacher(certificate)}"
    yield f"- data: sha256 {certificate.data_sha256}"
    yield f"- model: sha256 {certificate.model_sha256}"
    yield f"- from: {source.name} {source.version}, manifest sha256 {source.sha256}"


def _languages(found: SliceCertificate) -> str:
    return ", ".join(
        f"{tag} ({harmful} harmful, {unharmful} unharmful)"
        for tag, (harmful, unharmful) in found.languages.items()
    )


def _edge(edge: CertifiedThreshold, side: str, kind: str, fate: str) -> str:
    counted = edge.bound
    return (
        f"- {side} {edge.threshold:.4g}, at most {edge.alpha:.2%} of the {kind} exchanges {fate} "
        f"by the student alone ({counted.events} of {counted.n} did; "
        f"bound {counted.upper_bound:.2%})"
    )


def _table(found: SliceCertificate, *, fused: bool) -> Iterator[str]:
    what = "fused with the teacher" if fused else "student alone"
    yield f"| {what} | misses | false alarms | deferred |"
    yield "| --- | --- | --- | --- |"
    for name, point in found.end_to_end.items():
        cells = (point.miss_rate, point.false_positive_rate, point.deferral_rate)
        yield f"| {name} | " + " | ".join(map(_cell, cells)) + " |"


def _cell(counted: Bound) -> str:
    return f"{counted.rate:.2%} of {counted.n} (at most {counted.upper_bound:.2%})"


def _teacher(certificate: Certificate) -> str:
    match certificate.teacher:
        case None:
            return "none; the student decides alone"
        case "column":
            return "the column teacher_probability of the data"
        case AskedTeacher() as asked:
            ended = ", ".join(f"{name} {count}" for name, count in asked.outcomes.items())
            template = f" (template {asked.template})" if asked.template else ""
            return f"{asked.name}{template}; its answers: {ended}"
        case members:
            return ", ".join(f"{one.name} {one.version} (sha256 {one.sha256})" for one in members)
