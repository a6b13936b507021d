"""The cascade's figures as Markdown and as a plot. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_training.measures.tables import number, table

_BAR_RATE: Final = "0.1"
_BAR_SHARE: Final = 0.6
_STYLES: Final[Mapping[str, dict[str, Any]]] = {
    "oracle": {"color": "#2e7d32", "linestyle": ":"},
    "band": {"color": "#1f4e99", "linewidth": 2.0},
    "override": {"color": "#8a6d3b", "linestyle": "-."},
    "random": {"color": "0.5", "linestyle": "--"},
}


def cascade_markdown(report: Mapping[str, Any]) -> str:
    """Tables of all sets, and whether each meets the bar at 10 % deferral."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    sets: Mapping[str, Any] = report["sets"]
    teachers = ", ".join(report.get("teachers", ())) or "given as probabilities"
    yield "# The cascade, measured"
    yield ""
    yield f"Student: {report.get('student', 'given as margins')}. Teacher: {teachers}."
    yield (
        "Weights and the teacher's threshold were fitted on one half of the validation rows; all "
        "figures are from the other half and from the test sets. Intervals: 95 %, bootstrap."
    )
    for rate in next(iter(sets.values()))["at"]:
        yield from ("", f"## F1 at {float(rate):.0%} deferral", "", *_f1(sets, rate))
        yield from ("", f"### Benefit and harm among those {float(rate):.0%}", "")
        yield from _deferred(sets, rate)
    yield from ("", f"## The bar, at {float(_BAR_RATE):.0%} deferral", "", *_bar(sets))
    yield from ("", "## Doubt", "", *_doubt(sets), "", "## Calibration", "", *_calibration(sets))
    yield from ("", "![F1 over deferral rate](cascade.png)")


def _f1(sets: Mapping[str, Any], rate: str) -> Iterator[str]:
    rows = []
    lines = ["random", "override", "band", "oracle"]
    for name, one in sets.items():
        at, low_high = one["at"][rate], one["at"][rate]["interval_95"]["band"]
        rows.append(
            [
                name,
                str(one["rows"]),
                number(one["curves"]["student"]),
                number(one["curves"]["teacher"]),
                *(number(at["f1"][line]) for line in lines),
                f"{number(low_high[0])} to {number(low_high[1])}",
                _share(at["gain_share_of_oracle"]),
            ]
        )
    head = ["set", "rows", "student", "teacher", *lines]
    yield table([*head, "band, interval", "of the oracle's gain"], rows)


def _deferred(sets: Mapping[str, Any], rate: str) -> Iterator[str]:
    keys = ("deferred", "student_errors", "benefit", "harm")
    rows = [
        [name, *(str(one["at"][rate]["deferred"][key]) for key in keys)]
        for name, one in sets.items()
    ]
    yield table(["set", "deferred", "student wrong", "benefit", "harm"], rows)


def _bar(sets: Mapping[str, Any]) -> Iterator[str]:
    for name, one in sets.items():
        at = one["at"][_BAR_RATE]
        best = max(one["curves"]["student"], one["curves"]["teacher"])
        share = at["gain_share_of_oracle"]
        reaches = "at least" if at["f1"]["band"] >= best else "below"
        enough = "met" if share is not None and share >= _BAR_SHARE else "not met"
        yield (
            f"- {name}: F1 {number(at['f1']['band'])} is {reaches} the better of the two alone "
            f"({number(best)}); {_share(share)} of the oracle's gain, where {_BAR_SHARE:.0%} is "
            f"asked for: {enough}"
        )


def _doubt(sets: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        [name, number(one["aurc"], 4), number(one["aurc_of_perfect_doubt"], 4)]
        for name, one in sets.items()
    ]
    yield table(["set", "AURC of the student", "if its doubt were perfect"], rows)


def _calibration(sets: Mapping[str, Any]) -> Iterator[str]:
    keys = ("ece_15_equal_mass", "brier", "nll")
    rows = [
        [name, who, *(number(figures[key]) for key in keys)]
        for name, one in sets.items()
        for who, figures in one["calibration"].items()
    ]
    yield table(["set", "probabilities", *keys], rows)


def _share(value: float | None) -> str:
    return "none possible" if value is None else f"{value:.0%}"


def plot_curves(sets: Mapping[str, Any]) -> bytes:
    """PNG: F1 over the deferral rate, one panel for each set."""
    columns = min(3, len(sets))
    rows = -(-len(sets) // columns)
    from matplotlib.figure import Figure  # serving does not install it

    from model_training.measures.png import png

    figure = Figure(figsize=(4.6 * columns, 3.6 * rows), dpi=90, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, one) in zip(panels, sets.items(), strict=False):
        found = one["curves"]
        for judge, colour in (("student", "#4878a8"), ("teacher", "#b03030")):
            axes.axhline(found[judge], color=colour, linewidth=0.9, label=f"{judge} only")
        for line, style in _STYLES.items():
            axes.plot(found["rates"], found[line], label=line, **style)
        axes.set(title=name, xlabel="deferral rate", xlim=(0, 1))
        axes.title.set_fontsize(9)
        axes.grid(alpha=0.3)
    for axes in panels[len(sets) :]:
        axes.set_axis_off()
    panels[0].set_ylabel("F1")
    panels[0].legend(fontsize=7)
    return png(figure)
