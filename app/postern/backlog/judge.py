"""The server's own parts without a server: what `postern classify` asks for verdicts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from postern import __version__
from postern.clock import now
from postern.composition.services import build_services
from postern.composition.student import load_student
from postern.contract.exchange import Exchange
from postern.contract.moderation import Options
from postern.endpoints.classify_body import Asked
from postern.endpoints.classify_reply import classify_reply
from postern.endpoints.services import Services
from postern.settings.settings import Settings

_NO_DEADLINE_S: Final = 3600.0


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Services]:
    """The parts, started. Raises ArtifactInvalid, SettingsInvalid."""
    services, batcher = build_services(settings, load_student(settings))
    batcher.start()
    services.pipeline.cascade.start()
    try:
        yield services
    finally:
        await services.pipeline.cascade.close()
        await batcher.close()


async def judge(
    services: Services, exchanges: Sequence[Exchange], options: Options
) -> list[dict[str, Any]]:
    """Results as `POST /classify` gives them, each with the model and the operating point.

    Raises what `Pipeline.moderate` raises.
    """
    moderation = await services.pipeline.moderate(
        exchanges, options, deadline=now() + _NO_DEADLINE_S
    )
    asked = Asked(tuple(exchanges), (None,) * len(exchanges), options)
    reply = classify_reply(moderation, asked, request_id="", identity=services.identity)
    shared = {"model": reply["model"], "operating_point": reply["operating_point"]}
    for result in reply["results"]:
        del result["index"]
    return [shared | result for result in reply["results"]]


def what_decides(services: Services, settings: Settings, options: Options) -> dict[str, Any]:
    """Everything that a verdict depends on, by the name that a message gives it; plain JSON."""
    return {
        "version of Postern": __version__,
        "artifact": services.identity.sha256,
        "artifacts for other languages": [
            one.model.sha256 for one in services.info.language_models
        ],
        "operating point": options.operating_point,
        "threshold": options.threshold,
        "limits": [settings.limits.max_exchange_chars, settings.limits.max_exchange_tokens],
        "teacher": services.info.teacher | {"triggers": settings.teacher.triggers},
        "policy for other languages": [
            settings.engine.on_unsupported_language,
            *sorted(settings.teacher.languages),
        ],
        "policy for categories": settings.engine.category_thresholds,
    }
