"""Figures of all arms and seeds -> means, deviations, a table and plots. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from model_training.measures.png import DPI, png
from model_training.measures.tables import table
from model_training.recipe.config import RunConfig
from model_training.studies.config import AblationConfig

ABLATION: Final = "ablation.json"
ABLATION_TEXT: Final = "ablation.md"
ABLATION_PLOT: Final = "ablation.png"
ABLATION_CURVE_PLOT: Final = "ablation_curve.png"

Record = Mapping[str, Any]


def summary(config: AblationConfig, records: Sequence[Record], run: RunConfig) -> dict[str, Any]:
    """records: contents of the trials' figures.json. Arms without a finished trial are left out."""
    arms = []
    for arm in config.arms:
        own = [record for record in records if record["arm"] == arm.name]
        if own:
            runs = {str(record["seed"]): metrics(record) for record in own}
            arms.append(
                {
                    "name": arm.name,
                    "about": arm.about or arm.name,
                    "rows": own[0]["rows"],
                    "instructions": arm.instructions,
                    "runs": runs,
                    **spread(list(runs.values())),
                    "behaviour": spread([behaviour_by_group(record) for record in own]),
                }
            )
    return {
        "recipe": f"{run.name} {run.version}",
        "seeds": sorted({seed for _, seed in config.trials()}),
        "graph": sorted({record["graph"] for record in records}),
        "steps": sorted({record["steps"] for record in records}),
        "window_tokens": run.windows.window_tokens,
        "arms": arms,
        "curve": [name for name in config.curve if any(arm["name"] == name for arm in arms)],
    }


def metrics(record: Record) -> dict[str, float | None]:
    """The table's figures for one student.

    ECE over 15 bins; over-refusal: the share of harmless look-alikes flagged at `balanced`, mean
    over sources.
    """
    tests = {
        name.removeprefix("test, "): found
        for name, found in record["sets"].items()
        if name.startswith("test, ")
    }
    held_out = list(record["validation"].values())
    found: dict[str, float | None] = {}
    for name, one in tests.items():
        found[f"F1, {name}"] = one["at"]["balanced"].get("f1")
        found[f"AUPRC, {name}"] = one.get("auprc")
    return found | {
        "AUPRC, mean of tests": _mean(one.get("auprc") for one in tests.values()),
        "AUPRC, validation": _mean(one.get("auprc") for one in held_out),
        "over-refusal": record["look_alikes"].get("pooled", {}).get("balanced"),
        "ECE, validation": _mean(one.get("ece_15") for one in held_out),
        "ECE, mean of tests": _mean(one.get("ece_15") for one in tests.values()),
    }


def behaviour_by_group(record: Record) -> dict[str, float | None]:
    """Share of right verdicts at `balanced` by group of kinds; a group's kinds count equally."""
    shares: dict[str, list[float]] = {}
    for kind, found in record.get("behaviour", {}).items():
        if found["n"]:
            group = kind.partition("/")[0].replace("_", " ")
            shares.setdefault(group, []).append(found["right"] / found["n"])
    return {group: float(np.mean(some)) for group, some in shares.items()}


def spread(runs: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, float | None]]:
    """`mean` and `sd` of each figure over seeds; sd is the sample deviation (n - 1)."""
    mean: dict[str, float | None] = {}
    deviation: dict[str, float | None] = {}
    for name in runs[0]:
        values = [value for run in runs if (value := run[name]) is not None]
        mean[name] = float(np.mean(values)) if values else None
        deviation[name] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": mean, "sd": deviation}


def ablation_markdown(found: Mapping[str, Any]) -> str:
    """The table, how it was made, and the plots."""
    return "\n".join(
        [
            f"# What each kind of rows is worth: {found['recipe']}\n",
            ablation_section(found),
            f"![Figures by arm]({ABLATION_PLOT})\n",
            *(
                [f"![Over the number of generated rows]({ABLATION_CURVE_PLOT})\n"]
                if has_curve(found)
                else []
            ),
        ]
    )


def has_curve(ablation: Mapping[str, Any]) -> bool:
    """Whether at least two arms with different numbers of generated rows share a seed."""
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

{measured}{_behaviour(found["arms"])}"""


def _behaviour(arms: Sequence[Mapping[str, Any]]) -> str:
    """Arms side by side, a line for each group of kinds that all of them have."""
    means = [arm.get("behaviour", {}).get("mean", {}) for arm in arms]
    groups = [group for group in means[0] if all(group in one for one in means)]
    if not groups:
        return ""
    lines = (
        [
            group,
            *(
                _plus_minus(arm["behaviour"]["mean"][group], arm["behaviour"]["sd"][group])
                for arm in arms
            ),
        ]
        for group in groups
    )
    head = ["behaviour: share of right verdicts", *(arm["about"] for arm in arms)]
    return f"\n{table(head, lines)}"


def _plus_minus(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return "-"
    return f"{mean:.3f}" if deviation is None else f"{mean:.3f} ± {deviation:.3f}"


def plot_arms(found: Mapping[str, Any]) -> bytes:
    """PNG: AUPRC of each test set and of validation, F1 and over-refusal by arm; bars: one sd."""
    names = list(found["arms"][0]["mean"]) if found["arms"] else []
    shown = [name for name in names if name.startswith(("AUPRC, ", "F1, ")) or name == _REFUSAL]
    columns = 3
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(3.6 * columns, 2.6 * rows), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid[len(shown) :]:
        axes.axis("off")
    for axes, name in zip(grid, shown, strict=False):
        _bars(axes, found["arms"], name)
    return png(figure)


def plot_curve(found: Mapping[str, Any]) -> bytes:
    """PNG: AUPRC and over-refusal over the number of generated rows, for the arms of `curve`.

    found: one for which `has_curve` holds. Means over the seeds that all of these arms share;
    otherwise points would also differ by their seeds.
    """
    by_name = {arm["name"]: arm for arm in found["arms"]}
    arms = [by_name[name] for name in found["curve"]]
    seeds = [seed for seed in arms[0]["runs"] if all(seed in arm["runs"] for arm in arms)]
    arms = [{**arm, **spread([arm["runs"][seed] for seed in seeds])} for arm in arms]
    counts = [arm["rows"] - arms[0]["rows"] for arm in arms]
    figure = Figure(figsize=(8, 3.6), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in arms[0]["mean"]:
        axes = left if name.startswith("AUPRC, ") else right if name == _REFUSAL else None
        points = [(c, arm) for c, arm in zip(counts, arms, strict=True) if arm["mean"][name]]
        if axes is not None and points:
            axes.errorbar(
                [count for count, _ in points],
                [arm["mean"][name] for _, arm in points],
                yerr=[arm["sd"][name] or 0.0 for _, arm in points],
                marker="o", markersize=3, capsize=2, linewidth=1.2,
                label=name.removeprefix("AUPRC, "),
            )  # fmt: skip
    for axes, title in ((left, "AUPRC"), (right, _REFUSAL)):
        axes.set(title=title, xlabel="generated rows")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    return png(figure)


_REFUSAL: Final = "over-refusal"


def _bars(axes: Any, arms: Sequence[Mapping[str, Any]], name: str) -> None:
    known = [arm for arm in arms if arm["mean"][name] is not None]
    places = np.arange(len(known))
    values = [arm["mean"][name] for arm in known]
    errors = [arm["sd"][name] or 0.0 for arm in known]
    axes.barh(places, values, xerr=errors, height=0.7, capsize=2, color="0.55")
    axes.set_yticks(places, [arm["name"] for arm in known], fontsize=7)
    axes.invert_yaxis()
    axes.set_title(name, fontsize=9)
    if values and name != _REFUSAL:
        # The axis starts just below the lowest value, as its label says, because differences of a
        # hundredth must be visible.
        lowest = min(v - e for v, e in zip(values, errors, strict=True))
        axes.set_xlim(left=max(0.0, lowest - 0.05))
    axes.tick_params(axis="x", labelsize=7)
    axes.grid(axis="x", alpha=0.3)


def _mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
