"""`/openapi.json` and `/docs`.

The page is served entirely from here: nothing is fetched elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import swagger_ui_bundle
from fastapi import FastAPI, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from postern.contract import errors
from postern.endpoints import verdicts
from postern.endpoints.error_shapes import error_shape_of
from postern.http.errors import openapi_responses
from postern.server.browsers import policy_headers

_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
# Paths without a leading slash: a proxy may serve all of this below a prefix.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Postern</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="docs/swagger-ui-bundle.js"></script>
  <script src="docs/start.js"></script>
</body>
</html>
"""
_START = b"""SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""
_HEADERS = policy_headers(
    "script-src 'self'",
    # Swagger UI writes styles into its markup, and its pictures into its styles.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
)
_REFUSALS = (
    errors.MalformedRequest,
    errors.ForeignOrigin,
    errors.UrlTooLong,
    errors.ForeignHost,
    errors.TooManyWrongKeys,
    errors.HeadersTooLarge,
    errors.NotReady,
)


def add_to(app: FastAPI) -> None:
    """Add the two paths. The document is made at the first request."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = FastAPI.openapi(app)
            verdicts.complete(app.openapi_schema)
            _add_refusals(app.openapi_schema)
            if app.root_path:
                app.openapi_schema["servers"] = [{"url": app.root_path}]
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi_json() -> JSONResponse:
        return JSONResponse(app.openapi())

    # Read once: a file that each request reads anew would be held once per client that never reads.
    assets = {
        name: ((Path(swagger_ui_bundle.swagger_ui_path) / name).read_bytes(), media_type)
        for name, media_type in _ASSETS.items()
    }
    assets["start.js"] = (_START, "text/javascript; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(_PAGE, media_type="text/html; charset=utf-8", headers=_HEADERS)

    @app.get("/docs/{asset}", include_in_schema=False)
    async def docs_asset(asset: str) -> Response:
        if asset not in assets:
            raise HTTPException(404)
        content, media_type = assets[asset]
        return Response(content, media_type=media_type, headers=_HEADERS)


def _add_refusals(document: dict[str, Any]) -> None:
    """Add the errors that any path can answer with, before the path is looked at or by the key."""
    for path, operations in document["paths"].items():
        refusals = openapi_responses(*_REFUSALS, shape=error_shape_of(path))
        for operation in operations.values():
            if isinstance(operation, dict) and "responses" in operation:
                for status, entry in refusals.items():
                    operation["responses"].setdefault(str(status), entry)
