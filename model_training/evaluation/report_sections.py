"""Sections of the report on what not every run has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_training.measures.tables import table


def optional_sections(report: Mapping[str, Any]) -> list[str]:
    """Sections on what a run may lack: the rows trained on."""
    found: list[str] = []
    if "composition" in report:
        found += [
            "## Rows trained on\n",
            _composition_table(report["composition"]),
            "![Rows by source](composition.png)\n",
        ]
    return found


def _composition_table(sources: Mapping[str, Mapping[str, int]]) -> str:
    kinds = ("prompt_0", "prompt_1", "pair_0", "pair_1")
    total = {kind: sum(found.get(kind, 0) for found in sources.values()) for kind in kinds}
    return table(
        ["source", "prompts, unharmful", "harmful", "pairs, unharmful", "harmful"],
        (
            [name, *(f"{found.get(kind, 0):,}" for kind in kinds)]
            for name, found in {**sources, "**all**": total}.items()
        ),
    )
