"""report.json -> report.md. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_training.evaluation.report_sections import optional_sections
from model_training.measures.tables import number, table

# From the HarmAug paper (arXiv 2410.01524v3), F1 / AUPRC; the sets of the same names.
_PEERS: Final = (
    ("HarmAug student, DeBERTa 435M", ".724 / .879", ".833 / .884"),
    ("DeBERTa 435M without augmentation", ".709 / .787", ".838 / .881"),
    ("HateBERT 110M", ".644 / .744", ".142 / .667"),
    ("Llama-Guard-3 8B", ".806 / .887", ".855 / .900"),
    ("WildGuard 7B", ".727 / -", ".860 / -"),
    ("OpenAI Moderation", ".744 / .875", "- / -"),
)

_METHOD: Final = """\
Every figure comes from the published files through the serving code: the same text format, the
same tokenizer with its windows, the same graph in ONNX Runtime. An exchange has the margin of
its most harmful window. No row of the test sets took part in training, in the choice of a
checkpoint, or in calibration. If a test figure led to a change of the mix, the research log
says so. Thresholds were fixed on the calibration split. Intervals are 95 % bootstrap
intervals over rows (1,000 resamples within each label). `ece_15` is the expected calibration error
over 15 equal-width bins. F1, precision, recall and false-positive rate are those of the `balanced`
operating point unless the table names another.
"""

_LIMITS: Final = """\
- The thresholds come from this project's own mix of sources. The test sets have other rates of
  harm and other styles, so F1 at a fixed threshold is below the best possible F1.
- The peers' figures are quoted from the paper, not measured here; their F1 is at argmax.
- Most prompt labels of the pool are by construction, and validation rows come from the same
  sources as training rows, so figures on validation are optimistic for traffic of other styles.
- Verdicts on responses are weaker: few harmful answers are permissively licensed.
- The intervals do not include differences between runs.
"""
_ENGLISH_ONLY: Final = "- English text only.\n"
_TESTS_ARE_ENGLISH: Final = """\
- The test sets and all pairs are English. Unless the section on languages lists English, 200 rows
  of each test set were measured, to show what the student does there.
"""


_IMPORTED_LIMITS: Final = """\
- This classifier was trained elsewhere. We do not know whether its training data contained rows of
  the sets above; the statements about separate rows hold only for calibration.
"""


def report_markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown. report: what `evaluate` writes to report.json."""
    return "\n".join(
        [
            f"# {report['name']} {report['version']}: evaluation\n",
            "## How the figures were measured\n",
            _METHOD,
            "## Test sets\n",
            _figures_table(report["test"]),
            _intervals_table(report["test"]),
            "## Comparison with other models\n",
            _peers_table(report),
            "## Harmless look-alikes\n",
            "False-positive rate on unharmful validation rows that look harmful.\n",
            _look_alikes_table(report["look_alikes"]),
            "## Validation split\n",
            _figures_table(report["validation"]),
            "![Precision and recall](precision_recall.png)\n",
            "## Calibration\n",
            _calibration_table(report),
            "![Reliability](reliability.png)\n",
            "## Operating points\n",
            _points_table(report),
            "## Served graph against the float model\n",
            _parity_text(report),
            "## Validation by source\n",
            _figures_table(report["validation_sources"]),
            *optional_sections(report),
            "## Limits of these figures\n",
            _IMPORTED_LIMITS if report.get("imported") else "",
            _LIMITS + (_TESTS_ARE_ENGLISH if "languages" in report else _ENGLISH_ONLY),
        ]
    )


def _figures_table(sets: Mapping[str, Any]) -> str:
    head = ["set", "rows", "harmful", "AUPRC", "F1", "precision", "recall"]
    return table(
        [*head, "recall at 5 % FPR", "FPR", "FPR strict", "FPR permissive"],
        (
            [
                name,
                str(found["rows"]),
                str(found["harmful_rows"]),
                number(found.get("auprc")),
                *(
                    number(found["at"]["balanced"].get(key))
                    for key in ("f1", "precision", "recall")
                ),
                number(found.get("recall_at_fpr_5")),
                *(
                    number(found["at"][point].get("false_positive_rate"))
                    for point in ("balanced", "strict", "permissive")
                ),
            ]
            for name, found in sets.items()
        ),
    )


def _intervals_table(sets: Mapping[str, Any]) -> str:
    def interval(found: Mapping[str, Any], key: str) -> str:
        low, high = found["interval_95"][key]
        return f"{low:.3f} to {high:.3f}"

    return table(
        ["95 % interval", "AUPRC", "F1", "recall at 5 % FPR"],
        (
            [name, *(interval(found, key) for key in ("auprc", "f1", "recall_at_fpr_5"))]
            for name, found in sets.items()
            if "interval_95" in found
        ),
    )


def _peers_table(report: Mapping[str, Any]) -> str:
    def own(name: str) -> str:
        found = report["test"].get(name)
        if found is None or "auprc" not in found:
            return "- / -"
        return f"**{number(found['at']['balanced']['f1'])} / {number(found['auprc'])}**".replace(
            "0.", "."
        )

    mine = [
        f"**{report['name']} {report['version']}**",
        own("openai_moderation"),
        own("harmbench_eval"),
    ]
    return table(
        ["F1 / AUPRC", "OpenAI moderation (prompts)", "HarmBench (responses)"], [mine, *_PEERS]
    )


def _look_alikes_table(found: Mapping[str, Any]) -> str:
    points = ("balanced", "strict", "permissive")
    return table(
        ["source", "rows", *points],
        (
            [
                "mean over sources" if name == "pooled" else name,
                str(entry["rows"]),
                *(number(entry[point]) for point in points),
            ]
            for name, entry in found.items()
        ),
    )


def _calibration_table(report: Mapping[str, Any]) -> str:
    fitted = [
        [
            f"calibration split, {name} ({found['method']})",
            number(found["ece_15_before"]),
            number(found["ece_15_after"]),
            number(found["nll_after"]),
        ]
        for name, found in report["calibration"].items()
    ]
    measured = [
        [name, number(found["ece_15_uncalibrated"]), number(found["ece_15"]), number(found["nll"])]
        for sets in (report["validation"], report["test"])
        for name, found in sets.items()
        if "ece_15" in found
    ]
    return table(["set", "ece_15 before", "ece_15 after", "NLL after"], [*fitted, *measured])


def _points_table(report: Mapping[str, Any]) -> str:
    return table(
        [
            "slice",
            "point",
            "threshold",
            "deferral band",
            "recall",
            "FPR",
            "deferred",
            "errors caught",
        ],
        (
            [
                name,
                point,
                number(found["threshold"]),
                f"{found['deferral_band'][0]:.3f} to {found['deferral_band'][1]:.3f}",
                number(found["recall"]),
                number(found["false_positive_rate"]),
                number(found["deferred_share"]),
                number(found["errors_deferred_share"]),
            ]
            for name, slice_ in report["calibration"].items()
            for point, found in slice_["operating_points"].items()
        ),
    )


def _parity_text(report: Mapping[str, Any]) -> str:
    parity, model = report["parity"], report["model"]
    lines = [
        f"- graph: {model['quantization']}, {model['size_bytes'] / 1e6:.1f} MB",
        *(
            f"- not {quantization}: {reason}"
            for quantization, reason in model.get("refused", {}).items()
        ),
        *(
            f"- AUPRC, {name}: {number(expected, 4)} in float32, "
            f"{number(parity['auprc_served'][name], 4)} served"
            for name, expected in parity["auprc_fp32"].items()
        ),
        f"- clear verdicts that agree: {parity['verdict_agreement']:.2%}",
        f"- batch neighbours move a probability by at most {parity['max_neighbour_shift']:.1e}",
    ]
    return "\n".join(lines) + "\n"
