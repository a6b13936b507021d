"""Sections of the report that not every run has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_training.evaluation.languages import language_section
from model_training.measures.tables import table

_BEHAVIOUR: Final = """\
The cases come from templates that training does not use. They are judged like served traffic, at
the default operating point. Intervals are Wilson's. Diluted and obfuscated cases are made from the
harmful prompts that the student flags unchanged.
"""

_CATEGORIES: Final = """\
What kind of harm a text holds, told by a head on the same encoder. On validation rows, all harmful,
the question is which kind, given harm. On a test set, which holds harmless rows too, it is whether
the text holds harm of that kind. A ranking by chance has the base rate as its AUPRC. F1 is that of
`applies`.
"""


def optional_sections(report: Mapping[str, Any]) -> list[str]:
    """Sections that a run may lack: behaviour cases, kinds of harm and training rows."""
    found: list[str] = []
    if "behaviour" in report:
        found += [
            "## Behaviour\n",
            _BEHAVIOUR,
            _behaviour_table(report["behaviour"], report.get("behaviour_floors", {})),
        ]
    if "categories" in report:
        found += ["## Categories\n", _CATEGORIES, *_category_tables(report["categories"])]
    if "languages" in report:
        found.append(language_section(report["languages"]))
    if "composition" in report:
        found += [
            "## Training rows\n",
            _composition_table(report["composition"]),
            "![Rows by source](composition.png)\n",
        ]
    return found


def _behaviour_table(found: Mapping[str, Any], floors: Mapping[str, float | None]) -> str:
    """The report's table of behaviour. floors: the recipe's floors by kind."""
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


def _category_tables(found: Mapping[str, Any]) -> list[str]:
    tables: list[str] = []
    for name, one in {"validation": found["validation"], **found["test"]}.items():
        tables += [
            f"**{name}**, {one['rows']} rows\n",
            table(
                ["label", "rows", "base rate", "AUPRC", "precision", "recall", "F1"],
                (
                    [
                        label,
                        str(row["rows"]),
                        *(
                            f"{row[key]:.3f}"
                            for key in ("base_rate", "auprc", "precision", "recall", "f1")
                        ),
                    ]
                    for label, row in one["labels"].items()
                ),
            ),
        ]
    missing = found.get("too_few_rows", {})
    if missing:
        tables.append(f"Not judged for want of rows: {', '.join(missing)}.\n")
    return tables


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
