"""The Helm chart, rendered by Helm's own library, and its manifests, checked without a cluster."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import helm_python
import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import pytest
import yaml

from tests.deploy.crd_schemas import CRD_SCHEMAS
from tests.server_process import ROOT

CHART = ROOT / "deploy" / "helm" / "postern"
NAMESPACE = "moderation"
VALUES = {
    path.name.removesuffix("-values.yaml"): path
    for path in sorted((CHART / "ci").glob("*-values.yaml"))
}
EVERY = pytest.mark.parametrize("name", sorted(VALUES))
ALWAYS = {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "Pod"}
"""Kinds that are rendered whatever the values are."""
NEWEST = "1.37"
# Of Chart.yaml's kubeVersion.
OLDEST = "1.27"

Manifest = dict[str, Any]
_schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
kubernetes_validate.utils.schema_contents = _schema_contents  # else read for each manifest


class _OnceLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, as Kubernetes does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice in one map: {keys}"
        return super().construct_mapping(node, deep)


@functools.cache
def chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


def values_of(name: str, **changes: Any) -> dict[str, Any]:
    """The values of one file below `ci/`, with changes to whole values or within them."""
    values: dict[str, Any] = yaml.safe_load(VALUES[name].read_text())
    for key, change in changes.items():
        merges = isinstance(change, dict) and isinstance(values.get(key), dict)
        values[key] = values[key] | change if merges else change
    return values


def texts(values: dict[str, Any], *, release: str = "postern") -> dict[str, str]:
    """File of the template -> what Helm makes of it. Raises HelmError."""
    rendered = chart().render(values, name=release, namespace=NAMESPACE)
    return {name.removeprefix("postern/templates/"): text for name, text in rendered.items()}


def manifests(values: dict[str, Any], *, release: str = "postern") -> list[Manifest]:
    return [
        one
        for name, text in texts(values, release=release).items()
        if name.endswith(".yaml")
        for one in yaml.load_all(text, _OnceLoader)
        if one is not None
    ]


@functools.cache
def _rendered(name: str) -> str:
    return json.dumps(manifests(values_of(name)))


def rendered(name: str) -> list[Manifest]:
    """The manifests of one file below `ci/`."""
    found: list[Manifest] = json.loads(_rendered(name))
    return found


def kinds(found: list[Manifest]) -> set[str]:
    return {one["kind"] for one in found}


def only(found: list[Manifest], kind: str) -> Manifest:
    (one,) = (one for one in found if one["kind"] == kind)
    return one


def pod_of(found: list[Manifest]) -> Manifest:
    """The specification of the server's pods."""
    pod: Manifest = only(found, "Deployment")["spec"]["template"]["spec"]
    return pod


def container_of(found: list[Manifest]) -> Manifest:
    (container,) = pod_of(found)["containers"]
    assert isinstance(container, dict)
    return container


def check(manifest: Manifest, *, version: str) -> None:
    """Raises ValidationError if Kubernetes, or the extension that it is for, would not take it."""
    schema = CRD_SCHEMAS.get((manifest["apiVersion"], manifest["kind"]))
    if schema is None:
        kubernetes_validate.validate(manifest, version, strict=True)
    else:
        jsonschema.validate(manifest, schema)


def environment(found: list[Manifest]) -> dict[str, str]:
    """Names of environment variables -> values; of those from Secrets, a key that was made up."""
    return {one["name"]: one.get("value", "upstream-secret") for one in container_of(found)["env"]}


def mounted_files(found: list[Manifest]) -> dict[str, dict[str, str]]:
    """Paths of the files that the pod mounts -> kind, name and entry of their sources."""
    volumes = {one["name"]: one for one in pod_of(found).get("volumes", [])}
    files = {}
    for mount in container_of(found).get("volumeMounts", []):
        for source in volumes[mount["name"]].get("projected", {}).get("sources", []):
            ((kind, of),) = source.items()
            for item in of["items"]:
                path = f"{mount['mountPath']}/{item['path']}"
                files[path] = {"kind": kind, "name": of["name"], "entry": item["key"]}
    return files


def placed(found: list[Manifest], folder: Path, contents: dict[str, str]) -> dict[str, str]:
    """The environment with its mounted files in a folder. contents: by name of the file."""
    given = environment(found)
    for path in mounted_files(found):
        local = folder / Path(path).name
        local.write_text(contents[local.name])
        given = {name: str(local) if value == path else value for name, value in given.items()}
    return given


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()
