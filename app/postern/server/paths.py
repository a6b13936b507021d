"""All paths of the API, in the order in which they are matched and described."""

from __future__ import annotations

from fastapi import FastAPI

from postern.endpoints import (
    azure,
    chat,
    embeddings,
    ext_authz,
    feedback,
    messages,
    operations,
    responses,
    text_completions,
    verdicts,
)
from postern.server import api_docs


def add_to(app: FastAPI) -> None:
    """Add the API and its description. The page is not part of them."""
    verdicts.add_to(app)
    ext_authz.add_to(app)
    app.include_router(chat.router)
    app.include_router(text_completions.router)
    app.include_router(embeddings.router)
    app.include_router(messages.router)
    app.include_router(responses.router)
    app.include_router(azure.router)
    app.include_router(feedback.router)
    app.include_router(operations.router)
    api_docs.add_to(app)
