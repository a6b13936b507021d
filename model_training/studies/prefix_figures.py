"""Figures of what models wrote with and without a prefix. No I/O, and no text in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from model_training.augmentation.instructions import Instruction
from model_training.data.rows import normalized_key
from model_training.evaluation.behaviour.gate import wilson_interval
from model_training.measures.tables import number, table

Judge = Callable[[Collection[str]], Mapping[str, bool]]
"""Prompts -> whether the teacher calls them harmful."""


def figures(rows: Sequence[Instruction], judge: Judge) -> dict[str, Any]:
    """Shares of the calls: well-formed, harmful to the teacher, refused; and every complaint."""
    good = [row for row in rows if row.complaint is None]
    verdicts = judge({row.text for row in good})
    harmful = [row for row in good if verdicts[row.text]]
    ended = [row for row in harmful if row.finish != "length"]
    complaints = Counter(row.complaint for row in rows if row.complaint is not None)
    n = len(rows)
    return {
        "calls": n,
        "well_formed": share(len(good), n),
        "harmful": share(len(harmful), n),
        "refusals": share(complaints["refusal"], n),
        "complaints": dict(sorted(complaints.items())),
        "cut_off": share(sum(row.finish == "length" for row in good), len(good)),
        "distinct": share(len({normalized_key(row.text) for row in good}), len(good)),
        # An instruction to learn from: the filter also drops what was cut off, and repetitions.
        "usable": share(len({normalized_key(row.text) for row in ended}), n),
    }


def share(count: int, n: int) -> dict[str, Any]:
    """A count of n, with the 95 % score interval of its share."""
    return {"count": count, "n": n, "interval_95": list(wilson_interval(count, n))}


def seconds_of_each(cell: Mapping[str, Any]) -> float | None:
    """Processor seconds of one usable instruction. None if there is none, or nothing was timed."""
    spent, usable = cell["spent"], cell["usable"]
    if not spent["calls"] or not usable["count"]:
        return None
    return float(spent["processor_seconds"] / spent["calls"] * usable["n"] / usable["count"])


def markdown(found: Mapping[str, Any]) -> str:
    """A table with a line for each model and cell. Shares have 95 % score intervals."""
    head = ["model", "prefix", "exemplars", "well-formed", "harmful", "refusals", "cut off"]
    head += ["distinct", "clusters", "alone", "tokens/s", "s per usable"]
    lines = []
    for name, cells in found["models"].items():
        for cell in cells:
            spent, diversity = cell["spent"], cell["diversity"] or {}
            rate = spent["written_tokens"] / (spent["processor_seconds"] or 1.0)
            lines.append(
                [
                    name,
                    "yes" if cell["prefix"] else "no",
                    str(cell["exemplars"]),
                    *(_percent(cell[one], True) for one in ("well_formed", "harmful", "refusals")),
                    *(_percent(cell[one], False) for one in ("cut_off", "distinct")),
                    str(diversity.get("clusters", "-")),
                    f"{diversity['alone']:.0%}" if diversity else "-",
                    number(rate, 1) if spent["written_tokens"] else "-",
                    number(seconds_of_each(cell), 1),
                ]
            )
    return table(head, lines)


def _percent(one: Mapping[str, Any], with_interval: bool) -> str:
    if not one["n"]:
        return "-"
    low, high = one["interval_95"]
    text = f"{one['count'] / one['n']:.0%}"
    return f"{text} ({low:.0%} to {high:.0%})" if with_interval else text
