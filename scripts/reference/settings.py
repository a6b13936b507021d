"""The page of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo

from scripts.reference import sources
from scripts.reference.markdown import NOTE, page, table
from scripts.reference.words import type_of

# Which group a setting stands in: the first whose beginnings fit; the last takes the rest.
_GROUPS: Final = (
    (
        "Teacher",
        "A stronger judge behind the student; see [the guide](../guides/teacher.md).",
        ("teacher_",),
    ),
    (
        "Guarded proxy",
        "Postern between a chatbot and its model; see [the guide](../guides/proxy.md).",
        ("upstream_", "judge_", "on_", "refusal_", "guard_", "stream_"),
    ),
    (
        "Limits and deadlines",
        "What a request may hold and how long it may take; see "
        "[batching and admission](../explanation/batching.md).",
        ("max_", "request_", "body_", "header_", "keep_", "drain_", "grace_", "stall_"),
    ),
    ("Server and student", "Where the server listens and what it serves.", ("",)),
)


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
        "Thresholds and deferral bands are not settings: they belong to the artifact.",
    ]
    left = dict(sources.setting_fields())
    grouped = []
    for title, about, beginnings in _GROUPS:
        names = [name for name in left if name.startswith(beginnings)]
        grouped.append((title, about, [(name, left.pop(name)) for name in names]))
    for title, about, fields in reversed(grouped):
        rows = [
            (
                f"`POSTERN_{name.upper()}`",
                _default_of(field),
                type_of(field.annotation, field.metadata),
                field.description or "",
            )
            for name, field in fields
        ]
        parts += [f"## {title}", about]
        parts.append(table(("setting", "default", "type", "meaning"), rows))
    return page(parts)


def _default_of(field: FieldInfo) -> str:
    default = field.default
    if default is None or default == ():
        return "none"
    if isinstance(default, Path):  # where it lies differs from one installation to the next
        return f"`{default.parent.name}/{default.name}`, which is included"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
