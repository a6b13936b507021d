"""The page of the HTTP API, from the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scripts.reference import sources
from scripts.reference.errors import problems_of
from scripts.reference.markdown import NOTE, page, paragraphs, sentence, several, table

_LONGEST_LINE = 80


def http_page() -> str:
    document = sources.openapi()
    parts = [
        "# HTTP API",
        NOTE,
        "A running server describes the same API as OpenAPI 3.1 at `/openapi.json`, and as a page "
        "to try at `/docs`. Both work offline.",
        "If API keys are set, send one as `Authorization: Bearer …` or as `X-API-Key`. "
        "`X-Request-Timeout-Ms` asks for a shorter deadline than the server's own. "
        "`X-Request-Id` gives a request an id, and the reply repeats it; without this header, the "
        "server makes an id. Bodies are JSON in UTF-8. Unknown fields are refused, except where an "
        "object below says that it ignores them.",
        table(
            ("path", "what"),
            [
                (f"[`{method.upper()} {path}`](#{_anchor(method, path)})", operation["summary"])
                for path, methods in document["paths"].items()
                for method, operation in methods.items()
            ],
        ),
    ]
    used: list[str] = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += _operation(method, path, operation, used)
    parts += ["## Objects", "The objects that requests and replies hold."]
    schemas = document["components"]["schemas"]
    for name in used:  # grows during the loop
        schema = schemas[name]
        parts.append(f"### {name}")
        if schema.get("description"):
            parts.append(paragraphs(schema["description"]))
        parts.append(_properties(schema, used))
    return page(parts)


def _anchor(method: str, path: str) -> str:
    letters = f"{method} {path}".lower()
    return (
        "".join(one if one.isalnum() or one in " -_" else "" for one in letters)
        .strip()
        .replace(" ", "-")
    )


def _operation(method: str, path: str, operation: dict[str, Any], used: list[str]) -> Iterator[str]:
    yield f"## {method.upper()} {path}"
    yield sentence(operation["summary"])
    if operation.get("description"):
        yield paragraphs(operation["description"])
    if not operation.get("security"):
        guarded = path not in ("/healthz", "/readyz", "/health")
        yield "Needs an API key where keys are set." if guarded else "Needs no API key."
    else:
        yield "Needs an API key where keys are set."
    body = operation.get("requestBody")
    if body is not None:
        content = body["content"]["application/json"]
        yield f"**Body:** {_schema_words(content['schema'], used)}"
        examples = dict(content.get("examples", {}))
        if "example" in content:
            examples["example"] = {"value": content["example"]}
        for example in examples.values():
            title = f"{example['summary']}:\n\n" if "summary" in example else ""
            shown = json.dumps(example["value"], ensure_ascii=False)
            if len(shown) > _LONGEST_LINE:
                shown = json.dumps(example["value"], ensure_ascii=False, indent=2)
            yield f"{title}```json\n{shown}\n```"
    for status, response in operation["responses"].items():
        if str(status) == "200":
            said = sentence(response.get("description", ""))
            kinds = [
                _schema_words(one["schema"], used)
                for one in response.get("content", {}).values()
                if one.get("schema")
            ]
            said = "" if said == "Successful Response." else said
            yield f"**Reply (200):** {said} {' '.join(kinds)}"
    rows = [
        (status, ", ".join(f"[`{slug}`](errors.md#over-http)" for slug in slugs))
        for status, slugs, _ in problems_of(operation)
    ]
    if rows:
        yield table(("status", "errors"), rows)


def _properties(schema: dict[str, Any], used: list[str]) -> str:
    if "properties" not in schema:
        return f"{_schema_words(schema, used)}"
    required = set(schema.get("required", ()))
    rows = []
    for name, one in schema["properties"].items():
        default = one.get("default")
        said = one.get("description", "")
        if default not in (None, [], {}):
            said = f"{said} Default: `{json.dumps(default)}`.".strip()
        rows.append(
            (f"`{name}`", _schema_words(one, used), "yes" if name in required else "", said)
        )
    return table(("field", "type", "required", "meaning"), rows)


def _schema_words(schema: dict[str, Any], used: list[str]) -> str:
    """A JSON schema in plain words; objects become links and are added to `used`."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name not in used:
            used.append(name)
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_schema_words(one, used) for one in schema[key]))
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(one)}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema:
            return "[" + ", ".join(_schema_words(one, used) for one in schema["prefixItems"]) + "]"
        return f"list of {several(_schema_words(schema.get('items', {}), used))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map to {several(_schema_words(schema['additionalProperties'], used))}"
    bounds = "".join(
        f", {sign} {schema[key]:g}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"))
        if key in schema
    )
    return f"{'any value' if kind is None else kind}{bounds}"
