"""The queries of the guide "Try it before it decides" are PromQL about metrics that exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml
from postern.metrics import Metrics

from tests.deploy.test_monitoring import ALERTS
from tests.documents import code_of
from tests.server_process import ROOT
from tests.system_packages import require

QUERIES = code_of((ROOT / "docs/guides/trial.md").read_text(), "text")


def test_prometheus_understands_them(tmp_path: Path) -> None:
    (promtool,) = require("promtool")
    rules = [{"record": f"trial:{n}", "expr": query} for n, query in enumerate(QUERIES)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "trial", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{len(QUERIES)} rules found" in done.stdout
    assert len(QUERIES) > 5


def test_their_metrics_and_labels_exist() -> None:
    metrics = [one for one in vars(Metrics()).values() if hasattr(one, "_labelnames")]
    known = {f"{one._name}_total": set(one._labelnames) for one in metrics}
    for query in QUERIES:
        for name, labels in re.findall(r"(postern_\w+)(?:\{([^}]*)\})?", query):
            used = set(re.findall(r"(\w+)=", labels))
            assert used <= known[name], name


def test_a_policy_that_only_audits_for_a_day_is_named(tmp_path: Path) -> None:
    """Whole, or for a category; one that enforces, or has audited for hours, is not."""
    (promtool,) = require("promtool")
    state = 'postern_policy_mode_state{instance="a", policy="%s", category="%s"}'
    series = [
        {"series": state % ("newcomer", ""), "values": "1x200"},
        {"series": state % ("sorted", "hate"), "values": "1x200"},
        {"series": state % ("strict", ""), "values": "0x200"},
        {"series": state % ("late", ""), "values": "0x100 1x100"},
    ]
    expected = [
        {
            "exp_labels": {"severity": "info", "instance": "a", "policy": policy} | category,
            "exp_annotations": {
                "summary": f"Policy {policy} of a blocks nothing{which}",
                "description": 'It has mode = "audit" in the file of policies, whatever '
                "POSTERN_MODE says. Remove that when the trial is over.",
            },
        }
        for policy, category, which in (
            ("newcomer", {}, ""),
            ("sorted", {"category": "hate"}, " for hate alone"),
        )
    ]
    asked = {
        "alertname": "PosternPolicyOnlyAudits",
        "eval_time": "1500m",
        "exp_alerts": expected,
    }
    case = {"interval": "10m", "input_series": series, "alert_rule_test": [asked]}
    file = tmp_path / "test.yaml"
    tests = {"rule_files": [str(ALERTS)], "evaluation_interval": "10m", "tests": [case]}
    file.write_text(yaml.safe_dump(tests))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
