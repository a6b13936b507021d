"""The reply of `GET /info`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from postern.contract.artifact import Manifest
from postern.contract.audit import Mode
from postern.contract.categories import CategoryHead
from postern.contract.certificate import Certificate
from postern.contract.language import OnUnsupportedLanguage
from postern.contract.moderation import Identity
from postern.endpoints.classify_reply import ModelOut
from postern.endpoints.hazards import hazard_of
from postern.inference.engine import Runtime
from postern.policies.records import Policies


class CategoryInfoOut(BaseModel):
    """A category that the artifact tells apart."""

    name: str = Field(description="Name in replies, settings and metrics.")
    covers: list[str] = Field(description="Labels of the taxonomy that it stands for.")
    threshold: float = Field(
        description="It applies to a harmful exchange if its probability, given harm, reaches this."
    )
    mlcommons: str | None = Field(
        description="The hazard of MLCommons that it belongs to, with its code in Llama Guard 3; "
        "null if it fits none."
    )


class FeedbackInfoOut(BaseModel):
    """Whether verdicts can be corrected with `POST /feedback`."""

    on: bool = Field(
        description="If true, the server keeps the texts of recent verdicts in memory, and appends "
        "those that are corrected to a file of its operator."
    )
    keep_s: float | None = Field(
        description="Seconds for which the text of a verdict is kept; null if none is."
    )


class ShadowOut(BaseModel):
    """A student that judges a share of the traffic beside the one that serves. It decides
    nothing."""

    model: ModelOut = Field(description="The artifact on trial.")
    share: float = Field(description="Share of the exchanges that it judges.")


class LanguageModelOut(BaseModel):
    """A student for other languages."""

    model: ModelOut = Field(description="The artifact.")
    languages: list[str] = Field(description="Languages that it was measured for.")
    reads: list[str] = Field(
        description="Languages that it reads on this server: those that no student before it was "
        "measured for. Its operating points hold for them."
    )
    operating_points: dict[str, Any] = Field(
        description="Threshold and deferral band by operating point and slice."
    )
    engine: Runtime = Field(description="What runs it.")


class PolicyOut(BaseModel):
    """A policy in force. Keys, phrases and patterns are not shown."""

    name: str = Field(description="Name of the policy, as in X-Postern-Policy.")
    mode: Mode | None = Field(description="Its own mode; null if that of each route holds.")
    audited_categories: list[str] = Field(
        description="Categories of harm that it only audits: alone, they block nothing."
    )
    operating_point: str | None = Field(description="Its operating point; null if it has none.")
    lists: list[str] = Field(description="Names of its lists.")


class PoliciesOut(BaseModel):
    """The file of policies in force."""

    sha256: str = Field(description="SHA-256 of the file, as it was read.")
    policies: list[PolicyOut] = Field(description="The policies, by name.")


class InfoOut(BaseModel):
    """Model, limits and operating points. No secrets, no paths."""

    model: ModelOut = Field(description="The artifact that is served.")
    engine: Runtime = Field(
        description="What runs it: ONNX Runtime, or OpenVINO. See POSTERN_ENGINE."
    )
    licence: str = Field(description="Licence of the weights.")
    text_format: int = Field(description="Version of the text format.")
    label_order: list[str] = Field(description="Order of the two logits.")
    window_tokens: int = Field(description="Tokens of a window.")
    overlap_tokens: int = Field(description="Tokens that neighbouring windows share.")
    files: dict[str, str] = Field(description="SHA-256 of every file of the artifact.")
    operating_points: dict[str, Any] = Field(
        description="Threshold and deferral band by operating point and slice."
    )
    default_operating_point: str = Field(description="Used if a request names none.")
    calibration: dict[str, Any] = Field(description="Calibration of each slice.")
    limits: dict[str, int] = Field(description="Limits of one request.")
    teacher: dict[str, Any] = Field(description="The teacher, without address and key.")
    metrics: dict[str, Any] = Field(description="Figures of the artifact's report.")
    certificate: Certificate | None = Field(
        description="What `postern calibrate` proved about the policy, if it has run."
    )
    server_version: str = Field(description="Version of Postern.")
    languages: list[str] = Field(
        description="Languages that the student was measured for. Its operating points hold for "
        "them."
    )
    language_models: list[LanguageModelOut] = Field(
        description="Students for other languages, in the order in which they are asked."
    )
    on_unsupported_language: OnUnsupportedLanguage = Field(
        description="What decides about a language that no student was measured for."
    )
    modes: dict[str, Mode] = Field(
        description="Mode of each route that can block. `audit`: it blocks nothing, and says what "
        "it would have blocked."
    )
    shadow: ShadowOut | None = Field(
        description="The student that is tried in the shadow; null if there is none."
    )
    categories: list[CategoryInfoOut] | None = Field(
        description="Kinds of harm that the artifact tells apart; null if it tells none."
    )
    feedback: FeedbackInfoOut = Field(description="Whether texts are kept for feedback.")
    policies: PoliciesOut | None = Field(
        None, description="The operator's policies; null if no file is named."
    )


def info_reply(
    manifest: Manifest,
    *,
    identity: Identity,
    engine: Runtime,
    categories: CategoryHead | None,
    limits: dict[str, int],
    teacher: dict[str, Any],
    on_unsupported_language: OnUnsupportedLanguage,
    server_version: str,
    feedback: FeedbackInfoOut,
    modes: dict[str, Mode],
    shadow: ShadowOut | None = None,
    language_models: Sequence[LanguageModelOut] = (),
) -> InfoOut:
    policy = manifest.policy.model_dump(mode="json")
    return InfoOut(
        model=ModelOut(name=identity.name, version=identity.version, sha256=identity.sha256),
        engine=engine,
        licence=manifest.licence,
        text_format=manifest.text_format,
        label_order=list(manifest.label_order),
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
        files={name: entry.sha256 for name, entry in manifest.files.items()},
        operating_points=policy["operating_points"],
        default_operating_point=policy["default_operating_point"],
        calibration=policy["calibration"],
        limits=limits,
        teacher=teacher,
        metrics=manifest.metrics,
        certificate=manifest.certificate,
        server_version=server_version,
        languages=list(manifest.languages),
        language_models=list(language_models),
        on_unsupported_language=on_unsupported_language,
        modes=modes,
        shadow=shadow,
        categories=None if categories is None else _shown(categories),
        feedback=feedback,
    )


def policies_shown(policies: Policies) -> PoliciesOut:
    return PoliciesOut(
        sha256=policies.sha256,
        policies=[
            PolicyOut(
                name=name,
                mode=one.mode,
                audited_categories=list(one.audited_categories),
                operating_point=one.point.operating_point,
                lists=[each.name for each in one.lists],
            )
            for name, one in sorted(policies.by_name.items())
        ],
    )


def _shown(head: CategoryHead) -> list[CategoryInfoOut]:
    return [
        CategoryInfoOut(
            name=label.name,
            covers=list(label.covers),
            threshold=label.threshold,
            mlcommons=hazard_of(label.covers),
        )
        for label in head.labels
    ]
