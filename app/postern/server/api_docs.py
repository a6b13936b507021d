"""`/openapi.json` and `/docs`. The page is served whole from here: nothing is fetched elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import swagger_ui_bundle
from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse

from postern.endpoints import verdicts

_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


def add_to(app: FastAPI) -> None:
    """Adds the two paths; the document is made when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = FastAPI.openapi(app)
            verdicts.complete(app.openapi_schema)
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
