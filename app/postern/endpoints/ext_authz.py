"""The route of Envoy's `ext_authz`: every path below its prefix, with every method."""

from __future__ import annotations

import inspect
from typing import Any, Final

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from postern.contract import errors
from postern.contract.audit import EXT_AUTHZ
from postern.dialects.openai_errors import OPENAI_SHAPE
from postern.endpoints.access import OWN_KEYS
from postern.endpoints.gateways import FORBIDDEN, ext_authz
from postern.endpoints.verdicts import JUDGING_ERRORS, READING_ERRORS
from postern.http.errors import openapi_responses

# Envoy puts the prefix before the path of its client.
_PATH: Final = f"{EXT_AUTHZ}/{{path:path}}"
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {},
            "example": {
                "model": "any",
                "messages": [{"role": "user", "content": "How do I bake bread?"}],
            },
        },
        "text/plain": {"schema": {"type": "string"}, "example": "How do I bake bread?"},
    },
}


async def _documented(request: Request, path: str) -> Response:
    return await ext_authz(request)


def add_to(app: FastAPI) -> None:
    """Add the documented route, and the direct one before all others."""
    app.add_api_route(
        _PATH,
        _documented,
        methods=["POST"],
        dependencies=[Depends(OWN_KEYS.dependency)],
        summary="Envoy's external authorization over HTTP",
        description=inspect.getdoc(ext_authz),
        openapi_extra={"requestBody": _BODY},
        responses={
            200: {"description": "The request may pass."},
            FORBIDDEN: {
                "description": "The request was judged harmful.",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/OpenAiErrorOut"}}
                },
            },
            **openapi_responses(
                *READING_ERRORS,
                errors.UnsupportedContent,
                errors.NothingToJudge,
                errors.UnreadableContent,
                errors.UnknownOperatingPoint,
                *JUDGING_ERRORS,
                shape=OPENAI_SHAPE,
            ),
        },
    )

    async def answer(request: Request) -> Response:
        """Raises Unauthorized if a key is missing."""
        request.scope["route"] = route
        OWN_KEYS.check(request)
        return await ext_authz(request)

    route = Route(_PATH, answer, methods=_METHODS, include_in_schema=False)
    app.router.routes.insert(0, route)
