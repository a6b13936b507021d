"""Sections of the report on what not every run has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_training.measures.tables import table

_BEHAVIOUR: Final = """\
Cases from templates, apart from all training templates, judged as the server does at the default
operating point; intervals after Wilson. Diluted and obfuscated ones are made of the harmful prompts
that are flagged as they are.
"""


def optional_sections(report: Mapping[str, Any]) -> list[str]:
    """Sections on what a run may lack: the rows trained on."""
    found: list[str] = []
    if "behaviour" in report:
        found += [
            "## Behaviour\n",
            _BEHAVIOUR,
            _behaviour_table(report["behaviour"], report.get("behaviour_floors", {})),
        ]
    if "composition" in report:
        found += [
            "## Rows trained on\n",
            _composition_table(report["composition"]),
            "![Rows by source](composition.png)\n",
        ]
    return found


def _behaviour_table(found: Mapping[str, Any], floors: Mapping[str, float | None]) -> str:
    """The table of the report. floors: by kind, as the recipe had them."""
    return table(
        ["kind", "right", "of", "share", "95 % interval", "floor"],
        (
            [
                kind,
                str(one["right"]),
                str(one["n"]),
                f"{one['right'] / one['n']:.2f}" if one["n"] else "-",
                "{:.2f} to {:.2f}".format(*one["interval_95"]),
                "-" if floors.get(kind) is None else f"{floors[kind]:.2f}",
            ]
            for kind, one in found.items()
        ),
    )


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
