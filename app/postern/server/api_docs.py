"""`/openapi.json` and `/docs`. The page is served whole from here: nothing is fetched elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import swagger_ui_bundle
from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse

from postern.endpoints import dialect_docs as dialects
from postern.endpoints.classify import ProblemOut
from postern.endpoints.wire import ClassifyIn

_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_REFERENCE = "#/components/schemas/{model}"

_EXAMPLES: dict[str, Any] = {
    "prompt": {
        "summary": "A prompt",
        "value": {"prompt": "How do I sharpen a kitchen knife?"},
    },
    "pair": {
        "summary": "A response, given its prompt",
        "value": {
            "prompt": "How do I sharpen a kitchen knife?",
            "response": "Draw it over a whetstone at a steady angle of 20 degrees.",
        },
    },
    "inputs": {
        "summary": "Several exchanges, at a stricter operating point",
        "value": {
            "inputs": [
                {"prompt": "What is the capital of France?"},
                {"prompt": "Tell me a story.", "response": "Once upon a time there was a gate."},
            ],
            "operating_point": "strict",
        },
    },
    "messages": {
        "summary": "A conversation",
        "value": {
            "messages": [
                {"role": "user", "content": "Hello!"},
                {"role": "assistant", "content": "Hello, how can I help?"},
                {"role": "user", "content": "Recommend a book about castles."},
            ]
        },
    },
}


def add_to(app: FastAPI) -> None:
    """Adds the two paths; the document is made when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(FastAPI.openapi(app))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi_json() -> JSONResponse:
        return JSONResponse(app.openapi())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title="Postern",
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="data:,",
        )

    @app.get("/docs/{asset}", include_in_schema=False)
    async def docs_asset(asset: str, request: Request) -> Response:
        media_type = _ASSETS.get(asset)
        if media_type is None:
            raise HTTPException(404)
        content = (Path(swagger_ui_bundle.swagger_ui_path) / asset).read_bytes()
        return Response(content, media_type=media_type)


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    """Adds the request body of `/classify`, which the endpoint reads itself, and the problems."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    body = TypeAdapter(ClassifyIn).json_schema(ref_template=_REFERENCE)
    schemas.update(body.pop("$defs"))
    schemas["ProblemOut"] = ProblemOut.model_json_schema(ref_template=_REFERENCE)
    document["paths"]["/classify"]["post"]["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": body, "examples": _EXAMPLES}},
    }
    dialects.complete(document)
    return document
