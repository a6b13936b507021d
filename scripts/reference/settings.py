"""The page of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo

from scripts.reference import sources
from scripts.reference.markdown import NOTE, page, table
from scripts.reference.words import type_of

# The sections of the settings in the order of the page: title and subject.
_SECTIONS: Final = {
    "server": ("Server", "Where the server listens, and how it starts and stops."),
    "access": ("Access", "Who may ask."),
    "engine": (
        "Student and engine",
        "What is served, and on what; see [batching and admission](../explanation/batching.md).",
    ),
    "limits": ("Limits and deadlines", "What a request may hold, and how long it may take."),
    "teacher": (
        "Teacher",
        "A stronger judge behind the student; see [the guide](../guides/teacher.md).",
    ),
    "upstream": (
        "Upstream",
        "The model behind the guarded proxy; see [the guide](../guides/proxy.md).",
    ),
    "guard": ("Guarded proxy", "How the guarded proxy judges and blocks."),
    "feedback": (
        "Feedback",
        "Whether callers can correct verdicts, and what is kept for that; see "
        "[the guide](../guides/feedback.md).",
    ),
    "trial": (
        "Trial",
        "Trying before deciding; see [the guide](../guides/trial.md).",
    ),
    "policies": (
        "Policies",
        "Who is judged how, by API key; see [the guide](../guides/policies.md).",
    ),
}


def settings_page() -> str:
    parts = [
        "# Settings",
        NOTE,
        "Every setting has an environment variable. Nearly every setting is also a flag of "
        "`postern serve`: `POSTERN_MAX_ITEMS` is `--max-items`. A flag wins over the environment, "
        "and the environment wins over the default. Settings that hold a key have no flag, "
        "because every user of a machine can read its command lines.",
        "Durations have the unit that ends their name: `_ms` for milliseconds, `_s` for seconds. "
        "A value that cannot be used stops the start with one line and exit code 2. "
        "Thresholds of verdicts and deferral bands are not settings: they belong to the "
        "artifact.",
    ]
    found = sources.settings()
    for section, (title, about) in _SECTIONS.items():
        rows = [
            (
                f"`POSTERN_{name.upper()}`",
                _default_of(field),
                type_of(field.annotation, field.metadata),
                field.description or "",
            )
            for name, (its_section, field) in found.items()
            if its_section == section
        ]
        parts += [f"## {title}", about]
        parts.append(table(("setting", "default", "type", "meaning"), rows))
    return page(parts)


def _default_of(field: FieldInfo) -> str:
    default = field.default
    if field.default_factory is not None:  # it follows from other settings
        return "as its meaning says"
    if default in (None, (), {}):
        return "none"
    if isinstance(default, Path):  # its location differs between installations
        return f"`{default.parent.name}/{default.name}`, which is included"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
