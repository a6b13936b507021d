"""`POST /classify`: Postern's own format."""

from __future__ import annotations

import orjson
from fastapi import Request, Response

from postern.endpoints import door
from postern.endpoints.classify_body import parse_classify
from postern.endpoints.classify_reply import classify_reply
from postern.endpoints.services import JSON, services_of


async def classify(request: Request) -> Response:
    """Score each exchange in windows that cover all of its text. The most harmful one counts.

    The body has one of three forms: one exchange, `inputs`, or `messages`.
    """
    received = await door.receive(request)
    asked = door.parsed(request, received, parse_classify)
    in_parts = asked.turns[0] is not None  # a conversation may be of any length
    moderation = await door.judge(
        request, received, asked.exchanges, asked.options, in_parts=in_parts
    )
    identity = services_of(request).identity
    reply = classify_reply(
        moderation, asked, request_id=request.state.request_id, identity=identity
    )
    return Response(orjson.dumps(reply), media_type=JSON)
