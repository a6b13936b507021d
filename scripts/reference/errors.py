"""The page of errors."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from scripts.reference import sources
from scripts.reference.markdown import NOTE, page, table

_HEALTH: Final = frozenset({"/healthz", "/readyz"})
_KEYED: Final = frozenset({"/metrics", "/info", "/v1/models", "/feedback"})
_JUDGING: Final = frozenset(sources.openapi()["paths"]) - _HEALTH - _KEYED


def errors_page() -> str:
    over_http, elsewhere = [], []
    paths = _paths_by_slug()
    for kind, problem in sources.problems().items():
        when = _summary(kind)
        if sources.is_never_over_http(kind):
            elsewhere.append((f"`{kind.__name__}`", problem.title, when))
        else:
            known = _in_words(paths.get(problem.slug, ()))
            over_http.append((problem.status, f"`{problem.slug}`", problem.title, when, known))
    over_http.sort(key=lambda row: row[0])
    return page(
        [
            "# Errors",
            NOTE,
            "An error is a problem document (RFC 9457, `application/problem+json`). Its `type` is "
            "`urn:postern:problem:` and the slug below. Match on `type` in programs; `title` and "
            "`detail` are for people. The `detail` never repeats user text. If a request "
            "holds several exchanges, `index` says which one is to blame.",
            "```json\n" + json.dumps(_example_problem(), indent=2) + "\n```",
            "[Dialects](../guides/dialects.md) put the same errors into the shape of their "
            "system, with the same status; some turn a 422 into a 400. A 429 has a `Retry-After` "
            "header in seconds. No error holds a verdict.",
            "## Over HTTP",
            "The last column lists the paths whose API description names the error; *any* marks "
            "an error that is raised before a path is chosen, or that stands for what no "
            "narrower error names.",
            table(
                ("status", "slug", "title", "when", "paths"),
                over_http,
            ),
            "## At the start, and in commands",
            "These errors stop the start of a server, or a command. They are one line on standard "
            "error and exit code 2; no client ever sees them.",
            table(("error", "title", "when"), elsewhere),
        ]
    )


def _in_words(paths: Sequence[str]) -> str:
    """The paths that can answer with an error, in words; known sets of paths by their name."""
    named = {
        "every path that judges": _JUDGING,
        "every path that needs a key": _JUDGING | _KEYED,
        "every path that judges, `/healthz`, `/readyz`": _JUDGING | _HEALTH,
    }
    for name, members in named.items():
        if set(paths) == members:
            return name
    return ", ".join(f"`{path}`" for path in paths) or "any"


def _paths_by_slug() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, methods in sources.openapi()["paths"].items():
        for operation in methods.values():
            for _, slugs, _ in problems_of(operation):
                for slug in slugs:
                    found.setdefault(slug, []).append(path)
    return found


def _example_problem() -> dict[str, Any]:
    response = sources.openapi()["paths"]["/classify"]["post"]["responses"]["422"]
    (content,) = response["content"].values()
    example: dict[str, Any] = content["examples"]["empty-prompt"]["value"]
    return example


def _summary(kind: type) -> str:
    """The first sentence of an error's docstring; further sentences are for callers in the code."""
    first, dot, _ = " ".join((inspect.getdoc(kind) or "").split()).partition(". ")
    return f"{first}{dot}".strip()


def problems_of(operation: dict[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    """(status, slugs, media type) of each error status."""
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if str(status) != "200" and content.get("examples"):
                yield str(status), list(content["examples"]), media_type
