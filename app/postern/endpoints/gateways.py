"""The hooks of LiteLLM, agentgateway and Envoy: how each is read, and how each is answered."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final

from fastapi import Request, Response

from postern.chat_guard.completions import CONTENT_FILTER
from postern.chat_guard.readable import text_of
from postern.chat_guard.replies import unjudged
from postern.chat_guard.shape import Reading
from postern.contract.audit import AGENTGATEWAY, EXT_AUTHZ, LITELLM, Audited, Stage
from postern.contract.errors import (
    InvalidHeader,
    NothingToJudge,
    PosternError,
    UnreadableContent,
    UnsupportedContent,
    UnsupportedMediaType,
)
from postern.contract.moderation import Moderation
from postern.dialects.agentgateway import (
    AUDIT_REASON,
    NO_TEXT_REASON,
    UNHARMFUL_REASON,
    passes,
    rejects,
)
from postern.dialects.litellm_guardrail import (
    Guarded,
    audited_guardrail_reply,
    guardrail_reply,
    parse_guardrail,
)
from postern.endpoints import door, hooks
from postern.endpoints.door import Received
from postern.endpoints.hook_bodies import Heard, parse_choices, parse_forwarded, parse_prompts
from postern.endpoints.hooks import Known
from postern.endpoints.policies import timeout_ms_of
from postern.endpoints.services import reading_of, services_of
from postern.http.request import JSON_TYPE, deadline_of, has_body, header, media_type_of
from postern.policies.current import current_policy

_TEXT: Final = "text/plain"
_TEXT_CHARSETS: Final = ("utf-8", "utf8", "us-ascii")
# Old clients name them for JSON in ASCII.
_JSON_CHARSETS: Final = ("iso-8859-1", "latin1", "windows-1252")
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
FORBIDDEN: Final = 403
PARTIAL: Final = "X-Envoy-Auth-Partial-Body"


class LiteLlmHook:
    """`POST /beta/litellm_basic_guardrail_api`."""

    route: str = LITELLM

    async def hear(self, request: Request) -> tuple[Received, Guarded]:
        received = await door.receive(request)
        door.images_pass(request)
        return received, door.parsed(request, received, _parse_guardrail)

    def unjudged(self, request: Request, asked: Guarded) -> PosternError | None:
        held = asked.has_images and not door.images_pass(request)
        return UnreadableContent() if held else None

    def reply(self, request: Request, asked: Guarded, moderation: Moderation | None) -> Response:
        may_pass = door.images_pass(request)
        return door.reply(guardrail_reply(moderation, asked, images_pass=may_pass), moderation)

    def audited_reply(self, known: Known[Guarded], audited: Audited) -> Response:
        content = audited_guardrail_reply(known.moderation, known.asked, audited)
        return door.reply(content, known.moderation)


@dataclass(frozen=True)
class AgentGatewayHook:
    """`POST /request` or `POST /response`."""

    stage: Stage
    parse: Callable[[bytes, Reading], Heard]

    @property
    def route(self) -> str:
        return AGENTGATEWAY[self.stage]

    async def hear(self, request: Request) -> tuple[Received, Heard]:
        received = await door.receive(request)
        reading = reading_of(services_of(request).settings)
        asked = await door.parsed_apart(request, received, lambda body: self.parse(body, reading))
        return received, asked

    def unjudged(self, request: Request, asked: Heard) -> PosternError | None:
        return None

    def reply(self, request: Request, asked: Heard, moderation: Moderation | None) -> Response:
        if moderation is None:
            content = passes(NO_TEXT_REASON)
        elif moderation.blocks:
            content = rejects(json.dumps(_refusal(request)), current_policy().block.status)
        else:
            content = passes(AUDIT_REASON if moderation.harmful else UNHARMFUL_REASON)
        return _marked(door.reply(content, moderation), asked)

    def audited_reply(self, known: Known[Heard], audited: Audited) -> Response:
        return door.reply(passes(AUDIT_REASON), known.moderation)


class ExtAuthzHook:
    """Envoy's `ext_authz` over HTTP: 200 lets the client's request pass, all else does not."""

    route: str = EXT_AUTHZ

    async def hear(self, request: Request) -> tuple[Received, Heard]:
        """Raises NothingToJudge where a body is missing: Envoy may not be told to send it."""
        if not has_body(request.scope):
            if request.method not in _WITHOUT_BODY:
                raise NothingToJudge
            timeout_ms = timeout_ms_of(services_of(request))
            return Received(b"", deadline_of(request.scope, timeout_ms=timeout_ms)), Heard(())
        is_json = media_type_of(request.scope) != _TEXT
        _check_charset(request, is_json=is_json)
        received = await door.receive(request, (JSON_TYPE, _TEXT))
        _check_whole(request)
        reading = reading_of(services_of(request).settings)
        parse = functools.partial(parse_forwarded, reading=reading, is_json=is_json)
        return received, await door.parsed_apart(request, received, parse)

    def unjudged(self, request: Request, asked: Heard) -> PosternError | None:
        return None

    def reply(self, request: Request, asked: Heard, moderation: Moderation | None) -> Response:
        blocks = moderation is not None and moderation.blocks
        response = door.reply(_refusal(request) if blocks else {}, moderation)
        response.status_code = FORBIDDEN if blocks else response.status_code
        return _marked(response, asked)

    def audited_reply(self, known: Known[Heard], audited: Audited) -> Response:
        return door.reply({}, known.moderation)


# The guarded proxy reads tool calls in the same way.
_parse_guardrail: Final = functools.partial(parse_guardrail, text_of=text_of)

_LITELLM: Final = LiteLlmHook()
_PROMPTS: Final = AgentGatewayHook("prompt", parse_prompts)
_CHOICES: Final = AgentGatewayHook("response", parse_choices)
_EXT_AUTHZ: Final = ExtAuthzHook()


async def litellm_guardrail(request: Request) -> Response:
    """Judge every text and the arguments of every tool call; an answer beside its prompt.

    Images cannot be judged: content with images is blocked, unless `X-Postern-Images: pass` lets
    them through unjudged.
    """
    return await hooks.answered(request, _LITELLM)


async def agentgateway_request(request: Request) -> Response:
    """Judge the conversation as the guarded proxy does; reject it if anything in it is harmful."""
    return await hooks.answered(request, _PROMPTS)


async def agentgateway_response(request: Request) -> Response:
    """Judge every choice alone; reject the answer if any is harmful. No text: it passes."""
    return await hooks.answered(request, _CHOICES)


async def ext_authz(request: Request) -> Response:
    """Judge the body that Envoy forwards: a chat, other JSON, or plain text.

    200 lets the request pass, and 403 is a block. Every other status lets nothing pass either: a
    body that Envoy cut, that is missing, or that cannot be read.
    """
    return await hooks.answered(request, _EXT_AUTHZ)


def _refusal(request: Request) -> dict[str, Any]:
    """OpenAI's error object for a block, which reaches the gateway's client."""
    own = current_policy().block.text
    message = services_of(request).settings.guard.refusal_text if own is None else own
    error = {
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": CONTENT_FILTER,
    }
    return {"error": error}


def _marked(response: Response, asked: Heard) -> Response:
    """Say what passes unjudged."""
    if asked.media:
        response.headers.update(unjudged("media"))
    if not asked.exchanges:
        response.headers["X-Postern-Verdict"] = "none"
    return response


def _check_charset(request: Request, *, is_json: bool) -> None:
    """Some readers decode JSON as its charset says, too, against RFC 8259, 8.1.

    Raises UnsupportedMediaType.
    """
    known = _TEXT_CHARSETS + (_JSON_CHARSETS if is_json else ())
    message = Message()
    message["Content-Type"] = header(request.scope, b"content-type") or ""
    given = [value for name, value in message.get_params([]) if name.lower() == "charset"]
    if not all(isinstance(one, str) and one.strip().lower() in known for one in given):
        raise UnsupportedMediaType("text must be UTF-8")


def _check_whole(request: Request) -> None:
    """Raises UnsupportedContent for a body that Envoy cut, InvalidHeader."""
    partial = (header(request.scope, PARTIAL.lower().encode()) or "false").lower()
    if partial not in ("true", "false"):
        raise InvalidHeader(PARTIAL, "true or false")
    if partial == "true":
        raise UnsupportedContent(
            "only a part of the body was sent, so it cannot be judged; do not set "
            "allow_partial_message"
        )
