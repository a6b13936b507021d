"""The dialects' handlers: each parses its own format, judges, and answers in that format."""

from __future__ import annotations

import functools

from fastapi import Request, Response

from postern.contract.audit import LITELLM, WOULD_BLOCK, Audited, Finding
from postern.contract.errors import PosternError, UnreadableContent
from postern.contract.moderation import Moderation
from postern.dialects.litellm_guardrail import (
    Guarded,
    audited_guardrail_reply,
    guardrail_reply,
    parse_guardrail,
)
from postern.dialects.openai_moderations import moderation_reply, parse_moderation
from postern.dialects.perspective import analyze_reply, parse_analyze
from postern.dialects.tei_predict import parse_predict, predict_reply
from postern.endpoints import door
from postern.endpoints.auditing import audits, reporter
from postern.endpoints.services import services_of
from postern.http.audit_headers import audit_headers
from postern.http.request import ClientLeft
from postern.policies.current import tell_audited


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


async def litellm_guardrail(request: Request) -> Response:
    """Judge every text and the arguments of every tool call; an answer beside its prompt.

    Images cannot be judged: content with images is blocked, unless `X-Postern-Images: pass` lets
    them through unjudged.
    """
    if audits(request, LITELLM):
        return await _audited_guardrail(request)
    received = await door.receive(request)
    may_pass = door.images_pass(request)
    asked = door.parsed(request, received, parse_guardrail)
    moderation = None
    if asked.exchanges:
        moderation = await door.judge(request, received, asked.exchanges, in_parts=True)
    response = door.reply(guardrail_reply(moderation, asked, images_pass=may_pass), moderation)
    if moderation is not None and moderation.harmful and not moderation.blocks:
        for one in moderation.judged:
            tell_audited(asked.stage, one, moderation.operating_point)
        response.headers[WOULD_BLOCK] = asked.stage
    return response


async def _audited_guardrail(request: Request) -> Response:
    """Nothing is blocked, whatever is judged and whatever fails: LiteLLM blocks on an error."""
    request.state.log["mode"] = "audit"
    asked: Guarded | None = None
    moderation: Moderation | None = None
    failure: PosternError | None = None
    try:
        received = await door.receive(request)
        may_pass = door.images_pass(request)
        asked = door.parsed(request, received, parse_guardrail)
        if asked.exchanges:
            moderation = await door.judge(request, received, asked.exchanges, in_parts=True)
        if asked.has_images and not may_pass:
            failure = UnreadableContent()
    except PosternError as exc:
        failure = exc
    except ClientLeft:
        reporter(services_of(request), LITELLM, request_id=request.state.request_id)(
            Audited(left=True)
        )
        raise
    findings = [] if asked is None or moderation is None else _findings(asked, moderation)
    audited = Audited(tuple(findings), failure)
    reporter(services_of(request), LITELLM, request_id=request.state.request_id)(audited)
    content = audited_guardrail_reply(moderation, asked, audited)
    response = door.reply(content, moderation)
    response.headers.update(audit_headers(audited))
    return response


def _findings(asked: Guarded, moderation: Moderation) -> list[Finding]:
    harmful = [one.verdict for one in moderation.judged if one.verdict.harmful]
    worst = max(harmful, key=lambda verdict: verdict.probability, default=None)
    return [] if worst is None else [Finding(asked.stage, worst, moderation.operating_point)]


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
