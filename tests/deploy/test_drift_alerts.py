"""The alerts of drift fire when they should and only then, by Prometheus' own rule tests."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.test_monitoring import ALERTS
from tests.server_process import ROOT
from tests.system_packages import require

PSI = 'postern_probability_psi{{instance="a", slice="{slice}", window="{window}"}}'
AUDITS = 'postern_teacher_audits_total{{instance="a", student="{student}", teacher="{teacher}"}}'


def psi(window: str, value: float) -> dict[str, str]:
    # Their shorthand knows no NaN.
    values = " ".join(["NaN"] * 40) if math.isnan(value) else f"{value}x3000"
    return {"series": PSI.format(slice="prompt", window=window), "values": values}


def audits(student: str, teacher: str, per_minute: float) -> dict[str, str]:
    return {
        "series": AUDITS.format(student=student, teacher=teacher),
        "values": f"0+{per_minute}x3000",
    }


def fires(alert: str, minutes: int, series: list[dict[str, str]], folder: Path) -> bool:
    """Whether it is raised after so many minutes of these series."""
    slice_ = ', slice="prompt"' if "slice" in series[0]["series"] else ""
    labels = f'alertname="{alert}", alertstate="firing", instance="a", severity="warning"{slice_}'
    raised = holds(alert, minutes, series, [{"labels": f"ALERTS{{{labels}}}", "value": 1}], folder)
    assert raised is not holds(alert, minutes, series, [], folder)
    return raised


def holds(
    alert: str,
    minutes: int,
    series: list[dict[str, str]],
    expected: list[dict[str, Any]],
    folder: Path,
) -> bool:
    """Whether just these alerts are raised then, says promtool."""
    (promtool,) = require("promtool")
    asked = {
        "expr": f'ALERTS{{alertname="{alert}", alertstate="firing"}}',
        "eval_time": f"{minutes}m",
        "exp_samples": expected,
    }
    case = {"interval": "1m", "input_series": series, "promql_expr_test": [asked]}
    rules = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [case]}
    path = folder / "rules.json"
    path.write_text(json.dumps(rules))
    done = subprocess.run(
        [promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or "FAILED" in done.stdout + done.stderr, done.stderr
    return done.returncode == 0


@pytest.mark.parametrize(
    ("alert", "minutes", "series", "raised"),
    [
        ("PosternTrafficShifted", 20, [psi("1h", 0.6)], True),
        ("PosternTrafficShifted", 10, [psi("1h", 0.6)], False),  # not for long enough
        ("PosternTrafficShifted", 20, [psi("1h", 0.4)], False),
        ("PosternTrafficShifted", 20, [psi("1d", 0.6)], False),
        ("PosternTrafficShifted", 20, [psi("1h", math.nan)], False),  # too few exchanges to say
        ("PosternDrifted", 70, [psi("1d", 0.3)], True),
        ("PosternDrifted", 70, [psi("1d", 0.2)], False),
        ("PosternDrifted", 70, [psi("1h", 0.3)], False),
        (
            "PosternTeacherDisagrees",
            1600,
            [
                audits("unharmful", "unharmful", 1),
                audits("unharmful", "harmful", 0.5),
                audits("harmful", "unharmful", 0),
            ],
            True,
        ),
        (
            "PosternTeacherDisagrees",
            1600,
            [
                audits("harmful", "harmful", 1),
                audits("harmful", "unharmful", 0.5),
                audits("unharmful", "harmful", 0),
            ],
            True,
        ),
        (
            "PosternTeacherDisagrees",
            1600,
            [
                audits("unharmful", "unharmful", 1),
                audits("unharmful", "harmful", 0.1),
                audits("harmful", "unharmful", 0),
            ],
            False,
        ),
        (  # two of three, on a day with three
            "PosternTeacherDisagrees",
            1600,
            [
                audits("unharmful", "unharmful", 0.0007),
                audits("unharmful", "harmful", 0.0014),
                audits("harmful", "unharmful", 0),
            ],
            False,
        ),
    ],
)
def test_an_alert_of_drift_is_raised_when_it_should_be(
    alert: str, minutes: int, series: list[dict[str, str]], raised: bool, tmp_path: Path
) -> None:
    assert bool(fires(alert, minutes, series, tmp_path)) is raised


def test_every_alert_of_drift_is_documented() -> None:
    pages = (ROOT / "docs/guides/calibration.md").read_text()
    pages += (ROOT / "docs/guides/teacher.md").read_text()
    for alert in ("PosternTrafficShifted", "PosternDrifted", "PosternTeacherDisagrees"):
        assert f"`{alert}`" in pages
        assert f"alert: {alert}\n" in ALERTS.read_text()
