"""The Helm chart as a package: versions, copies, values, notes, and its guide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import helm_python
import jsonschema
import pytest
import yaml
from postern import __version__

from scripts.reference.chart import ELSEWHERE, FIXED, chart_files, chart_values
from tests.deploy.helm_chart import (
    ALWAYS,
    CHART,
    NAMESPACE,
    NEWEST,
    chart,
    check,
    kinds,
    manifests,
    texts,
    values_of,
)
from tests.documents import code_of
from tests.server_process import ROOT


def test_the_chart_has_the_version_of_the_package() -> None:
    assert chart().metadata["appVersion"] == chart().version == __version__


def test_copies_in_the_chart_are_those_of_the_code() -> None:
    for name, content in chart_files().items():
        assert (CHART / name).read_text() == content, "run `python -m scripts.reference`"


def test_helm_finds_no_fault() -> None:
    report = helm_python.lint(CHART, values_of("minimal"), strict=True)
    assert report["errors"] == []


def test_the_package_has_no_values_of_tests(tmp_path: Path) -> None:
    archive = helm_python.package(CHART, destination=tmp_path)
    assert Path(archive).name == f"postern-{__version__}.tgz"
    with helm_python.Chart.load(archive) as packed:
        names = {one["name"] for one in packed.files}
        assert {"files/alerts.yaml", "files/verdict.py"} <= names
        assert not any(name.startswith("ci/") for name in names)


def leaves(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> set[str]:
    """Dotted names of the values for which the schema names no parts."""
    found = set()
    for key, value in values.items():
        part = schema["properties"][key]
        if "properties" in part:
            found |= leaves(value, part, f"{path}{key}.")
        else:
            found.add(f"{path}{key}")
    return found


def test_every_value_is_documented_and_has_a_type() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    settings = {f"settings.{name}" for name in chart().values["settings"]}
    documented = {one.name for one in chart_values()}
    assert documented == (leaves(chart().values, schema) - {"settings"}) | settings
    jsonschema.validate(chart().values, schema)
    for name in {*ELSEWHERE.values()}:
        assert any(one == name or one.startswith(f"{name}.") for one in documented), name
    assert set(FIXED) & set(ELSEWHERE) == set()


def test_the_notes_say_how_to_go_on() -> None:
    keyed = texts(values_of("existing-secret"))["NOTES.txt"]
    assert f"helm test postern --namespace {NAMESPACE}" in keyed
    assert "kubectl rollout restart deployment/postern" in keyed
    route = {"enabled": True, "host": "a.example.org"}
    opened = texts(values_of("minimal", ingress=route))["NOTES.txt"]
    assert "/metrics and /info" in opened


def test_every_values_block_of_the_guide_is_taken() -> None:
    """The first is where each other one is added."""
    first, *others = (
        yaml.safe_load(one)
        for one in code_of((ROOT / "docs/guides/kubernetes.md").read_text(), "yaml")
    )
    assert kinds(manifests(first)) == ALWAYS
    for other in others:
        for one in manifests(first | other):
            check(one, version=NEWEST)


def test_the_refusals_of_the_guide_are_those_of_helm() -> None:
    (shown,) = (
        one
        for one in code_of((ROOT / "docs/guides/kubernetes.md").read_text(), "text")
        if "max_itms" in one
    )
    misspelt, keyless = shown.splitlines()
    for values, line in (
        (values_of("minimal", settings={"max_itms": 1}), misspelt),
        (values_of("minimal", allowAnonymous=False), keyless),
    ):
        with pytest.raises(helm_python.HelmError) as caught:
            manifests(values)
        assert str(caught.value).strip().endswith(line)
