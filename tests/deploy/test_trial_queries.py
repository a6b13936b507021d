"""The queries of the guide "Try it before it decides" are PromQL about metrics that exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml
from postern.metrics import Metrics

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
