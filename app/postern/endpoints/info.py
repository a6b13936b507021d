"""The reply of `GET /info`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from postern.contract.artifact import Manifest
from postern.contract.certificate import Certificate
from postern.contract.moderation import Identity
from postern.endpoints.classify_reply import ModelOut


class InfoOut(BaseModel):
    """Model, limits and operating points. No secrets, no paths."""

    model: ModelOut = Field(description="The artifact that is served.")
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


def info_reply(
    manifest: Manifest,
    *,
    identity: Identity,
    limits: dict[str, int],
    teacher: dict[str, Any],
    server_version: str,
) -> InfoOut:
    policy = manifest.policy.model_dump(mode="json")
    return InfoOut(
        model=ModelOut(name=identity.name, version=identity.version, sha256=identity.sha256),
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
    )
