"""The dialects' handlers: each parses its own format, judges, and answers in that format."""

from __future__ import annotations

from fastapi import Request, Response

from postern.dialects.litellm_guardrail import guardrail_reply, parse_guardrail
from postern.dialects.openai_moderations import moderation_reply, parse_moderation
from postern.dialects.perspective import analyze_reply, parse_analyze
from postern.dialects.tei_predict import parse_predict, predict_reply
from postern.endpoints import door
from postern.endpoints.services import services_of


async def moderations(request: Request) -> Response:
    """For OpenAI's clients: change only `base_url`. Images are refused."""
    received = await door.receive(request)
    exchanges = door.parsed(request, received, parse_moderation)
    moderation = await door.judge(request, received, exchanges)
    identity = services_of(request).identity
    content = moderation_reply(moderation, request_id=request.state.request_id, identity=identity)
    return door.reply(content, moderation)


async def litellm_guardrail(request: Request) -> Response:
    """Judge every text and the arguments of every tool call; an answer beside its prompt.

    Images cannot be judged: content with images is blocked, unless `X-Postern-Images: pass` lets
    them through unjudged.
    """
    received = await door.receive(request)
    may_pass = door.images_pass(request)
    asked = door.parsed(request, received, parse_guardrail)
    moderation = None
    if asked.exchanges:
        moderation = await door.judge(request, received, asked.exchanges, in_parts=True)
    return door.reply(guardrail_reply(moderation, asked, images_pass=may_pass), moderation)


async def predict(request: Request) -> Response:
    """A text is a prompt, a pair is a prompt and its response; the scores are calibrated."""
    received = await door.receive(request)
    asked = door.parsed(request, received, parse_predict)
    moderation = await door.judge(request, received, asked.exchanges)
    return door.reply(predict_reply(moderation, asked), moderation)


async def analyze(request: Request) -> Response:
    """For callers of Perspective, which ends on 31 December 2026. Other attributes are refused."""
    received = await door.receive(request)
    asked = door.parsed(request, received, parse_analyze)
    moderation = await door.judge(request, received, (asked.exchange,))
    return door.reply(analyze_reply(moderation, asked), moderation)
