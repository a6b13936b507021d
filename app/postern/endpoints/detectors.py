"""The detector API's handlers, for TrustyAI and the FMS guardrails orchestrator."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import Request, Response

from postern.contract.exchange import Exchange
from postern.contract.moderation import Moderation, Options
from postern.dialects.detectors import (
    Span,
    contents_reply,
    detections_reply,
    parse_chat_params,
    parse_contents,
    parse_generation,
)
from postern.endpoints import door
from postern.endpoints.door import Received
from postern.endpoints.hook_bodies import Heard, parse_detector_chat
from postern.endpoints.services import reading_of, services_of


async def contents(request: Request) -> Response:
    """Judge each content as a prompt. Its most harmful window is the span of what is found."""
    received = await door.receive(request)
    asked = door.parsed(request, received, parse_contents)
    moderation = await _judged(request, received, asked.exchanges, asked.threshold)
    spans = await _spans(request, asked.exchanges, moderation)
    return door.reply(contents_reply(moderation, asked, spans), moderation)


async def generation(request: Request) -> Response:
    """Judge a generated text, given its prompt."""
    received = await door.receive(request)
    exchange, threshold = door.parsed(request, received, parse_generation)
    moderation = await _judged(request, received, (exchange,), threshold)
    return door.reply(detections_reply(moderation), moderation)


async def chat(request: Request) -> Response:
    """Judge a chat as the guarded proxy does; what is found is that of its worst part."""
    received = await door.receive(request)
    reading = reading_of(services_of(request).settings)

    def parse(body: bytes) -> tuple[Heard, float | None]:
        return parse_detector_chat(body, reading), parse_chat_params(body)

    heard, threshold = await door.parsed_apart(request, received, parse)
    moderation = await _judged(request, received, heard.exchanges, threshold)
    return door.reply(detections_reply(moderation), moderation)


async def _judged(
    request: Request,
    received: Received,
    exchanges: Sequence[Exchange],
    threshold: float | None,
) -> Moderation:
    options = Options(operating_point=door.operating_point(request), threshold=threshold)
    return await door.judge(request, received, exchanges, options, in_parts=True)


async def _spans(
    request: Request, exchanges: Sequence[Exchange], moderation: Moderation
) -> list[Span]:
    pipeline = services_of(request).pipeline

    def found() -> list[Span]:
        return [
            pipeline.worst_part(exchange.prompt, one) if one.verdict.harmful else (0, 0)
            for exchange, one in zip(exchanges, moderation.judged, strict=True)
        ]

    long = any(one.verdict.harmful and one.worst_window for one in moderation.judged)
    return await asyncio.to_thread(found) if long else found()
