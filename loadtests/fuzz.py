"""Requests that a generator makes of the server's own OpenAPI document, good ones and bad ones."""

from __future__ import annotations

import subprocess
import sys

# No 500, and every answer is one that the document tells of: status, media type and shape. Whether
# a body that the document allows is taken is not asked: it does not say that text must be visible.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


def command(
    url: str, *, seconds: int, examples: int, seed: int | None = None, without: str | None = None
) -> list[str]:
    """Of schemathesis, which is installed with the tests. without: a pattern of paths."""
    return [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
        *("--checks", ",".join(CHECKS), "--max-time", str(seconds)),
        *("--max-examples", str(examples), "--phases", "coverage,fuzzing"),
        *("--generation-database", "none", "--no-color", "--warnings", "off"),
        *(() if without is None else ("--exclude-path-regex", without)),
        *(() if seed is None else ("--seed", str(seed))),
    ]


def fuzz(url: str, *, seconds: int, examples: int) -> int:
    """0 where every answer was as documented."""
    return subprocess.run(command(url, seconds=seconds, examples=examples), check=False).returncode
