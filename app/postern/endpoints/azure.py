"""The paths of Azure OpenAI: the same guarded APIs at other places, with the key in another header.

Its dated API names a deployment in the path and a version in the query. Its newer one has OpenAI's
own paths below `/openai/v1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.exceptions import HTTPException

from postern.chat_guard.identifiers import is_key, is_model_path
from postern.contract import errors
from postern.contract.proxy_errors import InvalidQuery, UnreadableTokens
from postern.dialects.openai_errors import OPENAI_SHAPE
from postern.endpoints import chat, embeddings, responses, text_completions
from postern.endpoints.access import check_key_in
from postern.endpoints.guarded import (
    UPSTREAM_ERRORS,
    Place,
    answered,
    call_of,
    described,
    guard_of,
    whole_response,
)
from postern.endpoints.services import services_of
from postern.http.errors import openapi_responses
from postern.http.passing_headers import AZURE_HEADERS
from postern.http.request import header, unless_client_leaves

_DATED: Final = "/openai"
_NEWER: Final = "/openai/v1"
_DEPLOYMENT: Final = "/deployments/{deployment}"
_KEY: Final = "api-key"
_MOST_IN_QUERY: Final = 8
_CHAT, _TEXT = "/chat/completions", "/completions"
_EMBEDDINGS, _RESPONSES = "/embeddings", "/responses"
_QUESTION: Final = "What is the capital of France?"
_MESSAGES: Final = {"messages": [{"role": "user", "content": _QUESTION}]}
_Api = tuple[str, str, Mapping[str, Any], tuple[type[errors.PosternError], ...]]
# (where OpenAI has it, what it does, example of a body, errors of its own)
_APIS: Final[tuple[_Api, ...]] = (
    (_CHAT, "Chat with the upstream", _MESSAGES, ()),
    (
        _TEXT,
        "Complete a text with the upstream",
        {"prompt": "The capital of France is"},
        (UnreadableTokens,),
    ),
    (
        _EMBEDDINGS,
        "Embed texts with the upstream",
        {"input": _QUESTION},
        (UnreadableTokens,),
    ),
    (
        _RESPONSES,
        "Get a response of the upstream",
        {"input": _QUESTION},
        (errors.UnjudgedReference,),
    ),
)


_Header = Annotated[Any, Depends(APIKeyHeader(name=_KEY, auto_error=False))]
_Bearer = Annotated[Any, Depends(HTTPBearer(auto_error=False))]
_Version = Annotated[str | None, Query(alias="api-version")]


async def authorize(request: Request, _header: _Header, _bearer: _Bearer) -> None:
    """Like `access.authorize`, but also accepts the key where Azure's clients put it.

    Raises Unauthorized, RateExceeded.
    """
    check_key_in(request, header(request.scope, _KEY.encode()))


async def of_deployment(request: Request, deployment: str, version: _Version = None) -> Response:
    """Judge the request, ask the deployment, judge its answer, and release it."""
    del version  # described here, and sent on with the query
    if not is_model_path(deployment):
        raise HTTPException(404)
    api = _api_of(request)
    path = _DEPLOYMENT.format(deployment=quote(deployment, safe="")) + api
    return await _answered(request, api, path, beside_v1=True)


async def dated(request: Request, version: _Version = None) -> Response:
    """Judge the request, ask the upstream, judge its answer, and release it."""
    del version
    return await _answered(request, _api_of(request), _api_of(request), beside_v1=True)


async def newer(request: Request, version: _Version = None) -> Response:
    """Judge the request, ask the upstream, judge its answer, and release it."""
    del version
    return await _answered(request, _api_of(request), _api_of(request), beside_v1=False)


async def models(request: Request, version: _Version = None) -> Response:
    """The upstream's list, passed through unchanged."""
    del version
    return await _models(request)


async def model(request: Request, model: str, version: _Version = None) -> Response:
    """What the upstream says of the model, passed through unchanged."""
    del version
    if not is_model_path(model):
        raise HTTPException(404)
    return await _models(request, model)


async def _models(request: Request, model: str = "") -> Response:
    services = services_of(request)
    shape = replace(chat.shape_of(services), headers=AZURE_HEADERS)
    is_newer = request.scope["route"].path.startswith(_NEWER)
    at = Place(query=_query(request), beside_v1=not is_newer)
    call = call_of(request, services, shape.headers, at)
    listing = guard_of(services).models(shape, call, model=model)
    return whole_response(await unless_client_leaves(request.receive, listing))


def _api_of(request: Request) -> str:
    route: str = request.scope["route"].path
    return next(api for api, *_ in _APIS if route.endswith(api))


async def _answered(request: Request, api: str, path: str, *, beside_v1: bool) -> Response:
    at = Place(route=f"/v1{api}", query=_query(request), beside_v1=beside_v1)
    services = services_of(request)
    if api == _RESPONSES:
        shape = replace(responses.shape_of(services), path=path, headers=AZURE_HEADERS)
        return await answered(request, shape, admit=shape.admit, at=at)
    if api == _EMBEDDINGS:
        embedding = replace(embeddings.shape_of(services), path=path, headers=AZURE_HEADERS)
        return await answered(request, embedding, at=at)
    shapes = text_completions if api == _TEXT else chat
    return await answered(
        request, replace(shapes.shape_of(services), path=path, headers=AZURE_HEADERS), at=at
    )


def _query(request: Request) -> dict[str, str]:
    """The query to send on. Raises InvalidQuery if it could hold a text."""
    given = request.query_params.multi_items()
    query = dict(given)
    names = all(is_key(name) and is_key(value) for name, value in given)
    if not names or len(query) < len(given) or len(given) > _MOST_IN_QUERY:
        raise InvalidQuery
    return query


router = APIRouter(dependencies=[Depends(authorize)])
for _api, _what, _example, _more in _APIS:
    _described = described(
        f"{_what} on Azure's path, guarded",
        _example,
        "The upstream's answer, or a refusal in its place.",
        InvalidQuery,
        *_more,
    )
    if _api == _RESPONSES:
        router.post(_DATED + _api, **_described)(dated)
    else:
        router.post(_DATED + _DEPLOYMENT + _api, **_described)(of_deployment)
    router.post(_NEWER + _api, **_described)(newer)
_MODELS_ERRORS: Final = openapi_responses(
    errors.Unauthorized, InvalidQuery, *UPSTREAM_ERRORS, shape=OPENAI_SHAPE
)
for _base in (_DATED, _NEWER):
    router.get(
        _base + "/models",
        summary="List the upstream's models, on Azure's path",
        responses={
            200: {"description": "The models, as the upstream lists them."},
            **_MODELS_ERRORS,
        },
    )(models)
    router.get(
        _base + "/models/{model:path}",
        summary="Describe one of the upstream's models, on Azure's path",
        responses={
            200: {"description": "The model, as the upstream describes it."},
            **_MODELS_ERRORS,
        },
    )(model)
