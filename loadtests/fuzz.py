"""Sends valid and invalid requests that schemathesis generates from the OpenAPI document."""

from __future__ import annotations

import subprocess
import sys

# No 500, and every answer has a status, media type and shape that the document describes. We do not
# check that a body which the document allows is accepted: it does not say that text must be
# visible.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


def command(
    url: str, *, seconds: int, examples: int, seed: int | None = None, without: str | None = None
) -> list[str]:
    """Command line of schemathesis, which the `dev` extra installs. without: a pattern of paths."""
    return [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
        *("--checks", ",".join(CHECKS), "--max-time", str(seconds)),
        *("--max-examples", str(examples), "--phases", "coverage,fuzzing"),
        *("--generation-database", "none", "--no-color", "--warnings", "off"),
        *(() if without is None else ("--exclude-path-regex", without)),
        *(() if seed is None else ("--seed", str(seed))),
    ]


def fuzz(url: str, *, seconds: int, examples: int) -> int:
    """Returns 0 if every answer was as documented."""
    return subprocess.run(command(url, seconds=seconds, examples=examples), check=False).returncode
