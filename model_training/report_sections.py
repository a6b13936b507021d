"""Sections of the report on what not every run has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_training.tables import table

_BEHAVIOUR: Final = """\
Cases from templates, apart from all training templates, judged as the server does at the default
operating point; intervals after Wilson. Diluted and obfuscated ones are made of the harmful prompts
that are flagged as they are.
"""


def optional_sections(report: Mapping[str, Any]) -> list[str]:
    """Sections on what a run may lack: the rows trained on, and what kinds of them are worth."""
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
    if "ablation" in report:
        found += [
            "## What each kind of rows is worth\n",
            "Other students than this one: small, and alike but for their rows.\n",
            ablation_section(report["ablation"]),
            "![Ablation](ablation.png)\n",
        ]
        if has_curve(report["ablation"]):
            found += ["![Over the number of generated rows](ablation_curve.png)\n"]
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


def has_curve(ablation: Mapping[str, Any]) -> bool:
    """Whether two arms or more that differ in the number of generated rows share a seed."""
    seeds = [set(arm["runs"]) for arm in ablation["arms"] if arm["name"] in ablation["curve"]]
    return len(seeds) > 1 and bool(set.intersection(*seeds))


def ablation_section(found: Mapping[str, Any]) -> str:
    """The table of `ablate`: mean and deviation of each figure by arm, and how it was made."""
    if not found["arms"]:
        return "No student is finished yet.\n"
    names = list(found["arms"][0]["mean"])
    measured = table(
        ["arm", "rows", "seeds", *names],
        (
            [
                arm["about"],
                f"{arm['rows']:,}",
                str(len(arm["runs"])),
                *(_plus_minus(arm["mean"][name], arm["sd"][name]) for name in names),
            ]
            for arm in found["arms"]
        ),
    )
    steps = ", ".join(f"{count:,}" for count in found["steps"])
    graphs = ", ".join(found["graph"])
    return f"""\
Mean ± standard deviation over seeds; students of {steps} steps each, which read windows of
{found["window_tokens"]} tokens, measured through the serving code (quantization: {graphs}). F1 and
over-refusal are those of the `balanced` point, set on the calibration split. Over-refusal is the
share of harmless held-out look-alikes that are flagged. Test sets took part in no choice.

{measured}"""


def _plus_minus(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return "-"
    return f"{mean:.3f}" if deviation is None else f"{mean:.3f} ± {deviation:.3f}"
