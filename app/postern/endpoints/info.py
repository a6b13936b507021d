"""What `GET /info` says."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from postern.contract.artifact import Manifest
from postern.contract.certificate import Certificate
from postern.contract.moderation import Identity
from postern.endpoints.classify_reply import ModelOut


class InfoOut(BaseModel):
    """What runs here. No secrets, no paths."""

    model: ModelOut
    licence: str
    text_format: int
    label_order: list[str]
    window_tokens: int
    overlap_tokens: int
    files: dict[str, str] = Field(description="SHA-256 of every file of the artifact.")
    operating_points: dict[str, Any]
    default_operating_point: str
    calibration: dict[str, Any]
    limits: dict[str, int]
    teacher: dict[str, Any]
    metrics: dict[str, Any] = Field(description="Figures of the artifact's report.")
    certificate: Certificate | None = Field(
        description="What `postern calibrate` proved of the policy, where it has run."
    )
    server_version: str


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
