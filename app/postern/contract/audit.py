"""Audit mode: what enforcing would have done to a request that passed. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from postern.contract.decision import Verdict
from postern.contract.errors import PosternError

Mode = Literal["enforce", "audit"]
Stage = Literal["prompt", "response"]
Outcome = Literal[
    "passed", "blocked_prompt", "blocked_response", "failed", "upstream_error", "left"
]

LITELLM: Final = "/beta/litellm_basic_guardrail_api"
AGENTGATEWAY: Final[dict[Stage, str]] = {"prompt": "/request", "response": "/response"}
EXT_AUTHZ: Final = "/ext_authz"
GUARDING: Final = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/responses",
    LITELLM,
    *AGENTGATEWAY.values(),
    EXT_AUTHZ,
)
"""The routes that can block: the guarded proxy, and the hooks that a gateway obeys. All others only
report. Azure's paths count as the route with the same API."""

WOULD_BLOCK: Final = "X-Postern-Would-Block"
"""Header that names what passed and would have been blocked."""

_AZURE: Final = ("/openai/deployments/{deployment}", "/openai/v1", "/openai")


def guarding_route(path: str) -> str:
    """The route as which a path of the application counts: itself, or one of GUARDING."""
    if path.startswith(f"{EXT_AUTHZ}/"):
        return EXT_AUTHZ
    prefix = next((one for one in _AZURE if path.startswith(f"{one}/")), None)
    return path if prefix is None else f"/v1{path.removeprefix(prefix)}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A stage that would have been blocked. verdict: the one that decided."""

    stage: Stage
    verdict: Verdict
    operating_point: str


@dataclass(frozen=True, slots=True)
class Audited:
    """What is known about a request in audit mode.

    failure: why a stage has no verdict. upstream_error: the upstream answered with an error.
    left: nobody waited for the end of the answer.
    """

    findings: tuple[Finding, ...] = ()
    failure: PosternError | None = None
    upstream_error: bool = False
    left: bool = False

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that would have been blocked."""
        return tuple(one.stage for one in self.findings)

    @property
    def outcome(self) -> Outcome:
        """What enforcing would have done. A failure is never taken for a verdict."""
        if "prompt" in self.stages:
            return "blocked_prompt"
        if self.failure is not None:
            return "failed"
        if self.findings:
            return "blocked_response"
        if self.upstream_error:
            return "upstream_error"
        return "left" if self.left else "passed"
