"""OpenAI's error object, used for every failure below `/v1/`, with the codes that its clients
know."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field

from postern.contract import errors
from postern.contract.errors import PosternError
from postern.contract.proxy_errors import UnreadableTokens
from postern.http.errors import ErrorShape, Failure, failure_of

# OpenAI's own code for the failures that it also has. Every other code is our slug in OpenAI's
# spelling, so that no two kinds of failure share a code.
_OPENAI_CODES: Final = {
    "unauthorized": "invalid_api_key",
    "not-found": "unknown_url",
    # Clients that know it send the whole conversation instead.
    "unjudged-reference": "previous_response_not_found",
}


class OpenAiErrorBody(BaseModel):
    """Description of the failure."""

    message: str
    type: str = Field(
        description="`invalid_request_error`, `authentication_error`, `rate_limit_error` or "
        "`server_error`."
    )
    param: str | None = Field(None, description="Field of the body that does not match.")
    code: str | None = Field(None, description="Stable name of the kind of failure, for programs.")


class OpenAiErrorOut(BaseModel):
    """OpenAI's error object."""

    error: OpenAiErrorBody


def openai_error(failure: Failure) -> dict[str, Any]:
    """An error object with exactly OpenAI's four fields: message, type, param, code."""
    slug = failure.problem.slug
    return {
        "error": {
            "message": failure.message,
            "type": _type(failure.problem.status),
            "param": _param(failure.error),
            "code": _OPENAI_CODES.get(slug, slug.replace("-", "_")),
        }
    }


def openai_error_of(error: PosternError) -> dict[str, Any]:
    """The same object for an error inside a stream, where no status can follow."""
    return openai_error(failure_of(error, request_id=""))


def _type(status: int) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return "authentication_error"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit_error"
    return "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"


def _param(error: PosternError | None) -> str | None:
    if isinstance(error, errors.BodyMismatch):
        return error.problems[0][0] or None
    if isinstance(error, errors.UnjudgedReference | UnreadableTokens):
        return error.field
    return None


# OpenAI answers 400 to whatever is wrong with a body, and its clients raise BadRequestError for it.
OPENAI_SHAPE = ErrorShape("application/json", "OpenAiErrorOut", openai_error, {422: 400})
