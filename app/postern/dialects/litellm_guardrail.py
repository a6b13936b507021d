"""LiteLLM's generic guardrail, `POST /beta/litellm_basic_guardrail_api`, <-> contract.

LiteLLM sends every text of a request or of its answer, and follows the `action` in the reply. It
has no error format of its own: it looks only at the status, and blocks on an error unless
configured otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from postern.contract.audit import Audited, Stage
from postern.contract.errors import NothingToJudge
from postern.contract.exchange import Exchange
from postern.contract.moderation import Moderation
from postern.contract.text import is_visible
from postern.dialects.bodies import (
    HARMFUL_REASON,
    VerdictOut,
    exchanges_of,
    read_body,
    verdict_fields,
)
from postern.http.bodies import Text

_STAGES: Final[dict[str, Stage]] = {"request": "prompt", "response": "response"}
IMAGES_REASON = "Postern cannot judge images, so content with images is not let through."


class GuardrailIn(BaseModel):
    """The request that LiteLLM sends. Fields about the caller and fields of newer releases are
    ignored.

    So is `additional_provider_specific_params`: LiteLLM merges into it what its own callers send,
    and they must not choose how strictly they are judged.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    input_type: Literal["request", "response"]
    texts: tuple[Text, ...] | None = None
    images: tuple[Any, ...] | None = None
    tool_calls: tuple[Any, ...] | None = Field(
        None, description="The name and the arguments of each call are judged like a text."
    )
    structured_messages: tuple[dict[str, Any], ...] | None = Field(
        None, description="With a response, its last user turns are the prompt of every text."
    )
    tools: Any = Field(None, description="Definitions by the application; they are not judged.")


class Guarded(NamedTuple):
    """Exchanges to judge (none if only images came), whether there were images, and what of a chat
    they are."""

    exchanges: tuple[Exchange, ...]
    has_images: bool
    stage: Stage = "prompt"


def parse_guardrail(body: bytes, *, text_of: Callable[[Any], str]) -> Guarded:
    """Parse a request. text_of: reads the text of a tool call, of any JSON.

    Raises MalformedBody, BodyMismatch, NothingToJudge.
    """
    given = read_body(GuardrailIn, body)
    texts = (*(given.texts or ()), *(_called(call, text_of) for call in given.tool_calls or ()))
    prompt, stage = None, _STAGES[given.input_type]
    if stage == "response":
        prompt = _prompt_of(given.structured_messages or ())
    has_images = bool(given.images)
    try:
        return Guarded(exchanges_of(texts, prompt=prompt), has_images, stage)
    except NothingToJudge:
        if has_images:
            return Guarded((), True, stage)
        raise


def _called(call: Any, text_of: Callable[[Any], str]) -> str:
    """A call without any text is used as it came, because one that cannot be judged is held
    back."""
    text = text_of(call)
    # Not orjson, which refuses integers of more than 64 bits.
    return text if is_visible(text) else json.dumps(call, ensure_ascii=False)


def _prompt_of(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """The user turns since the last answer, joined; None if no user has spoken."""
    asked: list[str] = []
    answered = False
    for message in messages:
        role = message.get("role")
        if role == "assistant":
            answered = True
        elif role == "user":
            if answered:
                asked, answered = [], False
            asked += _texts(message.get("content"))
    prompt = "\n".join(asked)
    return prompt if is_visible(prompt) else None


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return [text for text in texts if isinstance(text, str)]


class GuardrailVerdictsOut(BaseModel):
    """Verdicts for logs; LiteLLM itself does not read them."""

    results: list[VerdictOut] = Field(
        description="Verdicts on the texts that are not blank, in order."
    )
    unjudged: list[Literal["images"]] = Field(description="Content that came but was not judged.")
    would_block: bool | None = Field(
        None,
        description="Only in audit mode: whether enforcing would have blocked it. null: no "
        "verdict could be reached.",
    )


class GuardrailOut(BaseModel):
    """LiteLLM's reply. Nothing is ever rewritten, so `GUARDRAIL_INTERVENED` is not used."""

    action: Literal["BLOCKED", "NONE"]
    blocked_reason: str | None
    postern: GuardrailVerdictsOut


def guardrail_reply(
    moderation: Moderation | None, asked: Guarded, *, images_pass: bool
) -> dict[str, Any]:
    """The reply as plain data in the shape of GuardrailOut.

    images_pass: the operator lets images through unjudged. Otherwise they are held back, and the
    reason says so instead of calling them harmful.
    """
    reason = None
    if moderation is not None and moderation.blocks:
        reason = _reason_of(moderation)
    elif asked.has_images and not images_pass:
        reason = IMAGES_REASON
    return {
        "action": "NONE" if reason is None else "BLOCKED",
        "blocked_reason": reason,
        "postern": {
            "results": [] if moderation is None else list(map(verdict_fields, moderation.judged)),
            "unjudged": ["images"] if asked.has_images else [],
        },
    }


def _reason_of(moderation: Moderation) -> str:
    """The operator's own words if a list decided, and gives some."""
    matches = [one.list_match for one in moderation.judged if one.blocks]
    own = [one.reason for one in matches if one is not None and one.reason is not None]
    return own[0] if own and None not in matches else HARMFUL_REASON


def audited_guardrail_reply(
    moderation: Moderation | None, asked: Guarded | None, audited: Audited
) -> dict[str, Any]:
    """The reply in audit mode, as plain data in the shape of GuardrailOut: it blocks nothing.

    asked: None if the request could not be read. moderation: None if there is no verdict.
    """
    results = [] if moderation is None else list(map(verdict_fields, moderation.judged))
    unknown = audited.failure is not None and not audited.stages
    return {
        "action": "NONE",
        "blocked_reason": None,
        "postern": {
            "results": results,
            "unjudged": ["images"] if asked is not None and asked.has_images else [],
            "would_block": None if unknown else bool(audited.stages),
        },
    }
