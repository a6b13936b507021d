"""The dialects' handlers: each parses its own format, judges, and answers in that format."""

from __future__ import annotations

import functools

from fastapi import Request, Response

from postern.dialects.azure_content_safety import (
    analyze_text_reply,
    halted_reply,
    parse_analyze_text,
)
from postern.dialects.openai_moderations import moderation_reply, parse_moderation
from postern.dialects.perspective import analyze_reply, parse_analyze
from postern.dialects.tei_predict import parse_predict, predict_reply
from postern.endpoints import door
from postern.endpoints.services import services_of
from postern.policies.current import current_policy
from postern.policies.deciding import blocklists_named


async def moderations(request: Request) -> Response:
    """For OpenAI's clients: change only `base_url`. Images are refused."""
    received = await door.receive(request)
    exchanges = door.parsed(request, received, parse_moderation)
    moderation = await door.judge(request, received, exchanges)
    services = services_of(request)
    content = moderation_reply(
        moderation,
        request_id=request.state.request_id,
        identity=services.identity,
        head=services.categories,
    )
    return door.reply(content, moderation)


async def predict(request: Request) -> Response:
    """A text is a prompt, a pair is a prompt and its response; the scores are calibrated."""
    received = await door.receive(request)
    asked = door.parsed(request, received, parse_predict)
    moderation = await door.judge(request, received, asked.exchanges)
    return door.reply(predict_reply(moderation, asked), moderation)


async def analyze(request: Request) -> Response:
    """For callers of Perspective, which ends on 31 December 2026. Other attributes are refused."""
    received = await door.receive(request)
    parse = functools.partial(parse_analyze, head=services_of(request).categories)
    asked = door.parsed(request, received, parse)
    moderation = await door.judge(request, received, (asked.exchange,))
    return door.reply(analyze_reply(moderation, asked), moderation)


async def analyze_text(request: Request) -> Response:
    """For Azure's clients: change only the endpoint. A category that is not judged is left out,
    and refused if it is asked for by name. Blocklists are those of the caller's policy."""
    received = await door.receive(request)
    parse = functools.partial(parse_analyze_text, head=services_of(request).categories)
    asked = door.parsed(request, received, parse)
    lists = blocklists_named(current_policy(), asked.blocklists)
    hits = await door.list_hits(request, received, asked.exchange, lists)
    if hits and asked.halts:
        return door.list_blocked(request, halted_reply(hits), hits)
    moderation = await door.judge(request, received, (asked.exchange,))
    return door.reply(analyze_text_reply(moderation, asked, hits), moderation)
