"""What the Helm chart takes over from elsewhere: the settings, the alerts; and its page.

Comments of `values.yaml` say what each value means. `values.schema.json` is written by hand, except
its definition of the settings.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Union

import annotated_types
import yaml
from pydantic.fields import FieldInfo

from scripts.reference import sources
from scripts.reference.markdown import NOTE, page, table

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "deploy" / "helm" / "postern"
ALERTS: Final = ROOT / "deploy" / "prometheus" / "alerts.yaml"

FIXED: Final = ("port", "uds")
"""Settings that the chart leaves no choice of: the pods listen on port 8000."""

ELSEWHERE: Final = {
    "host": "listenAddress",
    "root_path": "ingress.path",
    "api_keys": "keys",
    "api_keys_file": "keys",
    "allow_anonymous": "allowAnonymous",
    "allowed_hosts": "allowedHosts",
    "artifact": "artifact.path",
    "policies": "policies",
    "teacher_url": "teacher.url",
    "teacher_kind": "teacher.kind",
    "teacher_model": "teacher.model",
    "teacher_api_key_file": "teacher.keySecret",
    "teacher_ca_file": "teacher.ca",
    "upstream_url": "upstream.url",
    "upstream_api_key": "upstream.keySecret",
    "upstream_api_key_file": "upstream.keySecret",
    "upstream_ca_file": "upstream.ca",
}
"""Settings with a value of their own, because other parts of the chart depend on them."""


class Value(NamedTuple):
    """A value of the chart. name: dotted path."""

    name: str
    default: Any
    meaning: str


def chart_files() -> dict[str, str]:
    """Path below the chart -> content of every file of the chart that is made from others."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    schema["definitions"]["settings"] = settings_schema()
    return {
        "values.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        "files/alerts.yaml": ALERTS.read_text("utf-8"),
    }


def settings_schema() -> dict[str, Any]:
    """JSON schema of the settings that stand under `settings` in the chart's values."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"description": field.description} | _schema(field.annotation, field.metadata)
            for name, (_, field) in sources.settings().items()
            if name not in (*ELSEWHERE, *FIXED)
        },
    }


def values_page() -> str:
    """The page about the chart's values."""
    rows = [
        (f"`{one.name}`", f"`{json.dumps(one.default)}`", one.meaning) for one in chart_values()
    ]
    others = [(f"`POSTERN_{name.upper()}`", f"`{value}`") for name, value in ELSEWHERE.items()]
    return page(
        [
            "# Values of the Helm chart",
            NOTE,
            "The chart is in `deploy/helm/postern`; [Kubernetes](../guides/kubernetes.md) says how "
            "to use it. A name that is not in this table, or a value of another type, stops "
            "`helm install` with one message. So do values that contradict each other.",
            table(("value", "default", "meaning"), rows),
            "## Settings",
            "Each [setting](settings.md) of the server stands under `settings`, in lower case and "
            "without `POSTERN_`: `POSTERN_MAX_ITEMS` is `settings.max_items`. A list is a YAML "
            "list. The pods always listen on port 8000. These settings have a value of their own:",
            table(("setting", "value"), others),
        ]
    )


def chart_values() -> list[Value]:
    """Every value that is documented, in the order of `values.yaml`."""
    return list(_documented((CHART / "values.yaml").read_text("utf-8")))


def _documented(text: str) -> Iterator[Value]:
    """The keys below a comment, with their comments. Blank lines end comments."""
    defaults = yaml.safe_load(text)
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        found = re.match(r"(?P<indent> *)(?:# ?(?P<comment>.*)|(?P<key>[\w.]+):)", line)
        if found is None:
            comment = []
        elif found["key"] is None:
            comment.append(found["comment"])
        else:
            path = [*path[: len(found["indent"]) // 2], found["key"]]
            if comment:
                default = defaults
                for key in path:
                    default = default[key]
                if path != ["settings"]:
                    yield Value(".".join(path), default, " ".join(comment))
            comment = []


def _schema(annotation: Any, metadata: Sequence[Any] = ()) -> dict[str, Any]:
    """Raises KeyError for a secret, which has no place among plain values."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _schema(arguments[0], [*arguments[1:], *metadata])
    if origin in (Union, types.UnionType):
        (kind,) = (one for one in arguments if one is not type(None))
        return _schema(kind, metadata)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if origin is tuple:
        return {"type": "array", "items": {"type": "string"}}
    words = {int: "integer", float: "number", bool: "boolean", str: "string", Path: "string"}
    return {"type": words[annotation]} | _bounds(metadata)


def _bounds(metadata: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in metadata:
        match one:
            case annotated_types.Ge(ge=value):
                found["minimum"] = value
            case annotated_types.Gt(gt=value):
                found["exclusiveMinimum"] = value
            case annotated_types.Le(le=value):
                found["maximum"] = value
            case FieldInfo(metadata=inner):
                found |= _bounds(inner)
            case _:
                pass
    return found
