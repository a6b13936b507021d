"""LiteLLM's generic guardrail, `POST /beta/litellm_basic_guardrail_api`, <-> contract.

LiteLLM sends every text of a request, or of the answer to it, and does what `action` says. It has
no error shape of its own: it looks at the status alone, and lets nothing pass on an error unless it
is told to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from postern.contract.errors import NothingToJudge
from postern.contract.exchange import Exchange
from postern.contract.moderation import Moderation
from postern.contract.text import is_visible
from postern.dialects.bodies import (
    VerdictOut,
    exchanges_of,
    read_body,
    verdict_fields,
)
from postern.http.bodies import Text

# End users read it: no score, which would tell an attacker how close the next attempt is.
HARMFUL_REASON = "Postern judged this content harmful."
IMAGES_REASON = "Postern cannot judge images, so content with images is not let through."


class GuardrailIn(BaseModel):
    """What LiteLLM sends. Fields that say who asks are ignored, and so are those of new releases.

    `additional_provider_specific_params` is one of these: LiteLLM merges what its own callers send
    into it, and they must not choose how strictly they are judged.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    input_type: Literal["request", "response"]
    texts: tuple[Text, ...] | None = None
    images: tuple[Any, ...] | None = None
    tool_calls: tuple[Any, ...] | None = Field(
        None, description="The arguments of each are judged like a text."
    )
    structured_messages: tuple[dict[str, Any], ...] | None = Field(
        None, description="With a response: its last user turns are the prompt of every text."
    )
    tools: Any = Field(None, description="Definitions by the application: not judged.")


class Guarded(NamedTuple):
    """Exchanges to judge (none where images alone came), and whether images came with them."""

    exchanges: tuple[Exchange, ...]
    has_images: bool


def parse_guardrail(body: bytes) -> Guarded:
    """Raises MalformedBody, BodyMismatch, NothingToJudge."""
    given = read_body(GuardrailIn, body)
    texts = (*(given.texts or ()), *map(_arguments, given.tool_calls or ()))
    prompt = None
    if given.input_type == "response":
        prompt = _prompt_of(given.structured_messages or ())
    has_images = bool(given.images)
    try:
        return Guarded(exchanges_of(texts, prompt=prompt), has_images)
    except NothingToJudge:
        if has_images:
            return Guarded((), True)
        raise


def _arguments(call: Any) -> str:
    """The arguments of a tool call as text; all of a call of another shape, so none is missed.

    A call without arguments is judged by its name: there is nothing else to it, and a call that
    cannot be judged is held back.
    """
    function = call.get("function") if isinstance(call, Mapping) else None
    arguments = function.get("arguments") if isinstance(function, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if isinstance(arguments, str) and is_visible(arguments):
        return arguments
    if isinstance(name, str) and (not arguments or isinstance(arguments, str)):
        return name
    # Not orjson, which refuses numbers beyond 64 bits.
    return json.dumps(call if arguments is None else arguments, ensure_ascii=False)


def _prompt_of(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """The user turns since the last answer, joined; None where no user has said anything."""
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
    return prompt if prompt.strip() else None


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return [text for text in texts if isinstance(text, str)]


class GuardrailVerdictsOut(BaseModel):
    """For logs: LiteLLM itself does not read it."""

    results: list[VerdictOut] = Field(description="Of the texts that are not blank, in order.")
    unjudged: list[Literal["images"]] = Field(description="What came and was not judged.")


class GuardrailOut(BaseModel):
    """LiteLLM's reply. Nothing is ever rewritten, so `GUARDRAIL_INTERVENED` is not used."""

    action: Literal["BLOCKED", "NONE"]
    blocked_reason: str | None
    postern: GuardrailVerdictsOut


def guardrail_reply(
    moderation: Moderation | None, asked: Guarded, *, images_pass: bool
) -> dict[str, Any]:
    """Plain data of the shape of GuardrailOut.

    images_pass: the operator lets images through unjudged. Otherwise they are held back, and the
    reason says so instead of calling them harmful.
    """
    reason = None
    if moderation is not None and moderation.harmful:
        reason = HARMFUL_REASON
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
