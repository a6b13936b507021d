"""All settings of the server: one frozen object, nested by concern and made in one place.

Each setting is `POSTERN_<NAME>` in the environment and `--<name>` on the command line; the flag
wins. The name is that of the field, prefixed with that of its section if the section has a prefix
(`teacher.url` is `POSTERN_TEACHER_URL`). Thresholds of verdicts and bands are not settings: they
ship with the artifact.
"""

from __future__ import annotations

import os
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from postern.contract.errors import SettingsInvalid
from postern.settings.access import AccessSettings
from postern.settings.engine import EngineSettings
from postern.settings.feedback import FeedbackSettings
from postern.settings.names import PREFIX, check_environment
from postern.settings.policies import PolicySettings
from postern.settings.section import Section
from postern.settings.server import LimitSettings, ServerSettings
from postern.settings.teacher import TeacherSettings
from postern.settings.trial import TrialSettings
from postern.settings.upstream import GuardSettings, UpstreamSettings


class Settings(BaseModel):
    """All sections. `read_settings` makes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: ServerSettings
    access: AccessSettings
    limits: LimitSettings
    engine: EngineSettings
    teacher: TeacherSettings
    upstream: UpstreamSettings
    guard: GuardSettings
    feedback: FeedbackSettings
    trial: TrialSettings
    policies: PolicySettings

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.limits.max_exchange_tokens > self.engine.max_queue_tokens:
            raise ValueError("max_queue_tokens must be at least max_exchange_tokens")
        return self


_SECTIONS: Final[dict[str, type[Section]]] = {
    "server": ServerSettings,
    "access": AccessSettings,
    "limits": LimitSettings,
    "engine": EngineSettings,
    "teacher": TeacherSettings,
    "upstream": UpstreamSettings,
    "guard": GuardSettings,
    "feedback": FeedbackSettings,
    "trial": TrialSettings,
    "policies": PolicySettings,
}


class Place(NamedTuple):
    """Where a setting is stored. section: a field of Settings; field: a field of that section."""

    section: str
    field: str
    info: FieldInfo


def _places() -> dict[str, Place]:
    found: dict[str, Place] = {}
    for section, kind in _SECTIONS.items():
        prefix = str(kind.model_config["env_prefix"]).removeprefix(PREFIX).lower()
        for field, info in kind.model_fields.items():
            found[f"{prefix}{field}"] = Place(section, field, info)
    return found


FIELDS: Final = _places()
"""Every setting, by its lower-case name in flags and the environment."""


def read_settings(**overrides: Any) -> Settings:
    """Settings from overrides, then the environment, then defaults. overrides: by flat name.

    Raises SettingsInvalid naming the setting. The value may be a secret, so the message omits it.
    """
    check_environment(os.environ, FIELDS)
    given: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    for name, value in overrides.items():
        if name not in FIELDS:
            raise SettingsInvalid(f"there is no setting {name}")
        given[FIELDS[name].section][FIELDS[name].field] = value
    sections: dict[str, Section] = {}
    for section, kind in _SECTIONS.items():
        try:
            sections[section] = kind(**given[section])
        except ValidationError as exc:
            raise _invalid(exc, prefix=str(kind.model_config["env_prefix"])) from exc
    try:
        return Settings.model_validate(sections)
    except ValidationError as exc:
        raise _invalid(exc, prefix=PREFIX) from exc


def _invalid(exc: ValidationError, *, prefix: str) -> SettingsInvalid:
    problem = exc.errors(include_input=False, include_url=False, include_context=False)[0]
    name = "_".join(str(part) for part in problem["loc"][:1])
    shown = f"{prefix}{name.upper()}: " if name else ""
    return SettingsInvalid(f"{shown}{problem['msg']}")
