"""Every name that a trace can hold: of spans, of attributes, of their fixed values. No I/O.

HTTP names follow the stable conventions of OpenTelemetry. Those of chats and guardrails follow the
GenAI conventions as they stood in November 2026, when the guardrail's were still a proposal
(semantic-conventions-genai, pull request 427): they change here alone. What no convention names
begins with `postern.`.
"""

from __future__ import annotations

import enum
from typing import Final


class Step(enum.StrEnum):
    """Names of spans. The span of a request has its method and route instead."""

    GUARDRAIL = "run_guardrail"
    PARSE = "parse"
    TOKENIZE = "tokenize"
    QUEUE = "queue"
    INFER = "infer"
    TEACHER = "teacher"
    TEACHER_CALL = "teacher_call"
    UPSTREAM = "upstream"
    RELEASE = "release"


class Attribute(enum.StrEnum):
    """Names of attributes. None of them holds text, a key, an address or a model that a caller
    names."""

    METHOD = "http.request.method"
    ROUTE = "http.route"
    STATUS = "http.response.status_code"
    ERROR = "error.type"
    """Slug of a problem, or name of a class."""

    OPERATION = "gen_ai.operation.name"
    PROVIDER = "gen_ai.provider.name"
    STREAM = "gen_ai.request.stream"
    GUARDRAIL_NAME = "gen_ai.security.guardrail.name"
    """Of the artifact."""
    GUARDRAIL_VERSION = "gen_ai.security.guardrail.version"
    TARGET = "gen_ai.security.target.type"
    VERDICT = "gen_ai.security.verdict.type"
    POLICY = "gen_ai.security.policy.name"
    """The operating point."""
    RISK = "gen_ai.security.risk.score"
    """Probability of the most harmful exchange."""

    REQUEST_ID = "postern.request_id"
    EXCHANGES = "postern.exchanges"
    HARMFUL = "postern.harmful"
    DEFERRED = "postern.deferred"
    DEGRADED = "postern.degraded"
    TOKENS = "postern.tokens"
    WINDOWS = "postern.windows"
    REASON = "postern.deferral_reason"
    OUTCOME = "postern.teacher_outcome"


Value = str | int | float | bool

RUN_GUARDRAIL: Final = "run_guardrail"
OPERATIONS: Final = {
    "chat_completions": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "messages": "chat",
    "responses": "chat",
}
"""What a model is asked for, by guarded API."""
OPENAI, AZURE_OPENAI, ANTHROPIC = "openai", "azure.ai.openai", "anthropic"
"""Whose API the upstream speaks, whoever serves it."""
ALLOW, DENY = "allow", "deny"
LLM_INPUT, LLM_OUTPUT = "llm_input", "llm_output"
OTHER_METHOD: Final = "_OTHER"
METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
