"""Who may use the server: checks the API key of a path, and adds its schemes to the OpenAPI
document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPBearer

from postern.endpoints.policies import enforce_policy
from postern.endpoints.services import services_of
from postern.http.request import header

_Bearer = Annotated[Any, Depends(HTTPBearer(auto_error=False))]
_Header = Annotated[Any, Depends(APIKeyHeader(name="X-API-Key", auto_error=False))]
_GoogleQuery = Annotated[Any, Depends(APIKeyQuery(name="key", auto_error=False))]
_GoogleHeader = Annotated[Any, Depends(APIKeyHeader(name="X-Goog-Api-Key", auto_error=False))]
_AzureHeader = Annotated[
    Any, Depends(APIKeyHeader(name="Ocp-Apim-Subscription-Key", auto_error=False))
]


@dataclass(frozen=True)
class KeyCheck:
    """check: raises Unauthorized. dependency: the same for FastAPI, with the security schemes."""

    check: Callable[[Request], None]
    dependency: Callable[..., Awaitable[None]]


def check_key(request: Request) -> None:
    """Also puts the policy of the key in force. Raises Unauthorized, RateExceeded."""
    services_of(request).keys.check(request.scope)
    enforce_policy(request)


def check_key_in(request: Request, given: str | None) -> None:
    """Like `check_key` for a dialect with a place of its own for the key. given: what stands there.

    Raises Unauthorized, RateExceeded.
    """
    if given is None:
        check_key(request)
        return
    services_of(request).keys.check_key(given, request.scope)
    enforce_policy(request)


async def authorize(request: Request, _bearer: _Bearer, _header: _Header) -> None:
    """Raises Unauthorized. The parameters only add the schemes to the OpenAPI document."""
    check_key(request)


def check_azure_key(request: Request) -> None:
    """Like `check_key`, but also accepts the key where Azure's clients put it.

    Raises Unauthorized, RateExceeded.
    """
    check_key_in(request, header(request.scope, b"ocp-apim-subscription-key"))


async def authorize_azure(
    request: Request, _azure: _AzureHeader, _bearer: _Bearer, _header: _Header
) -> None:
    """`check_azure_key` for FastAPI, with the schemes for the OpenAPI document."""
    check_azure_key(request)


def check_google_key(request: Request) -> None:
    """Like `check_key`, but also accepts the key where Google's clients put it.

    Raises Unauthorized, RateExceeded.
    """
    given = request.query_params.get("key") or header(request.scope, b"x-goog-api-key")
    check_key_in(request, given)


async def authorize_google(
    request: Request, _query: _GoogleQuery, _header: _GoogleHeader, _bearer: _Bearer
) -> None:
    """`check_google_key` for FastAPI, with the schemes for the OpenAPI document."""
    check_google_key(request)


OWN_KEYS: Final = KeyCheck(check_key, authorize)
AZURE_KEYS: Final = KeyCheck(check_azure_key, authorize_azure)
GOOGLE_KEYS: Final = KeyCheck(check_google_key, authorize_google)
