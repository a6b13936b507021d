"""Where the operator's policies are."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from postern.settings.section import Section


class PolicySettings(Section):
    """Policies: who is judged how, and lists that block or allow."""

    policies: Path | None = Field(
        None,
        description="File of policies in TOML. It is read again on SIGHUP. A file that is wrong "
        "stops the start; later, it is rejected whole, and the policies in force stay.",
    )
