"""Trying before deciding: routes that only audit, and a student that judges in the shadow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from postern.contract.audit import GUARDING, Mode
from postern.settings.section import Section


class TrialSettings(Section):
    """What is tried: the guard before it may block, and a student before it decides."""

    mode: Mode = Field(
        "enforce",
        description="What the guarded proxy and the hooks of gateways do. enforce: block what is "
        "harmful. audit: block nothing, and count, log and name what enforce would have blocked.",
    )
    route_modes: Annotated[dict[str, Mode], NoDecode] = Field(
        {},
        description="Modes of single routes instead of POSTERN_MODE, as a JSON object such as "
        '{"/v1/chat/completions": "audit"}. Routes: ' + ", ".join(GUARDING) + ".",
    )
    audit_wait_ms: int = Field(
        1000,
        ge=0,
        description="Longest time that an answer in audit mode waits for the verdict that its "
        "headers name: a stream for that on the prompt, a whole answer for both. 0: it never "
        "waits.",
    )

    shadow_artifact: Path | None = Field(
        None,
        description="Folder of a published student that judges a share of the traffic beside the "
        "one that serves, to compare them. It decides nothing.",
    )
    shadow_share: float = Field(
        0.1,
        ge=0.0,
        le=1.0,
        description="Share of the judged exchanges that the shadow also judges.",
    )

    def mode_of(self, route: str) -> Mode:
        """The mode of one of the routes that can block."""
        return self.route_modes.get(route, self.mode)

    @model_validator(mode="after")
    def _consistent(self) -> TrialSettings:
        if "shadow_share" in self.model_fields_set and self.shadow_artifact is None:
            raise ValueError("shadow_share describes the student at shadow_artifact; set that")
        return self

    @field_validator("route_modes", mode="before")
    @classmethod
    def _read_json(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
        if not isinstance(value, dict):
            raise ValueError("must be a JSON object of routes and modes")
        if not set(value) <= set(GUARDING):
            # The value is not repeated, for it may be anything.
            raise ValueError(f"holds a route that cannot block; these can: {', '.join(GUARDING)}")
        return value
