"""Anthropic's error object, used for every failure of its Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from postern.contract.errors import PosternError
from postern.http.errors import ErrorShape, Failure, failure_of

_TYPES: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "overloaded_error",
    HTTPStatus.GATEWAY_TIMEOUT: "timeout_error",
}


class AnthropicErrorBody(BaseModel):
    """Description of the failure."""

    type: str = Field(
        description="`invalid_request_error`, `authentication_error`, `permission_error`, "
        "`not_found_error`, `request_too_large`, `rate_limit_error`, `overloaded_error`, "
        "`timeout_error` or `api_error`."
    )
    message: str


class AnthropicErrorOut(BaseModel):
    """Anthropic's error object."""

    type: Literal["error"]
    error: AnthropicErrorBody
    request_id: str | None = None


def anthropic_error(failure: Failure) -> dict[str, Any]:
    """An error object with exactly Anthropic's fields."""
    return {
        "type": "error",
        "error": {"type": _type(failure.problem.status), "message": failure.message},
        "request_id": failure.request_id or None,
    }


def anthropic_error_of(error: PosternError) -> dict[str, Any]:
    """The same object for an error inside a stream, where no status can follow."""
    return anthropic_error(failure_of(error, request_id=""))


def _type(status: int) -> str:
    other = "api_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return _TYPES.get(status, other)


# Anthropic answers 400 to whatever is wrong with a body, and its clients raise BadRequestError.
ANTHROPIC_SHAPE = ErrorShape("application/json", "AnthropicErrorOut", anthropic_error, {422: 400})
