"""`POST /feedback`: a caller says what a recent verdict should have been."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from postern.contract import errors
from postern.contract.exchange import Slice
from postern.contract.feedback import LabelName
from postern.endpoints.access import authorize
from postern.endpoints.services import services_of
from postern.feedback.feedback import Correction
from postern.http.bodies import Text, refusal_of
from postern.http.errors import openapi_responses
from postern.http.request import read_json_body

_MAX_BODY_BYTES: Final = 4096

router = APIRouter()


class FeedbackIn(BaseModel):
    """What the verdict should have been."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Text = Field(description="`id` of the reply, or its header X-Request-Id.")
    expected: LabelName = Field(description="The right label.")
    slice: Slice | None = Field(
        None, description="Only results on a `prompt` alone, or on a `pair` with a response."
    )
    index: Annotated[int, Field(strict=True, ge=0)] | None = Field(
        None,
        description="`index` of the result. Needed if several results fit. Of a chat through the "
        "guarded proxy, 0 is what decided the prompt, and 1 what decided the answer.",
    )


class FeedbackOut(BaseModel):
    """The correction that the file now holds."""

    id: str = Field(description="Name of the request whose verdict was corrected.")
    index: int = Field(description="The result that was corrected.")
    slice: Slice = Field(description="What it judged: a prompt alone, or a pair.")
    verdict: LabelName = Field(description="The verdict that had been given.")
    expected: LabelName = Field(description="The label that was recorded.")


_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": FeedbackIn.model_json_schema(),
            "example": {"id": "5f2b8c0e9d7a4c51", "expected": "unharmful"},
        }
    },
}


@router.post(
    "/feedback",
    dependencies=[Depends(authorize)],
    summary="Correct a recent verdict",
    openapi_extra={"requestBody": _BODY},
    responses=openapi_responses(
        errors.MalformedBody,
        errors.Unauthorized,
        errors.FeedbackOff,
        errors.VerdictUnknown,
        errors.BodyTooSlow,
        errors.FeedbackContradicts,
        errors.BodyTooLarge,
        errors.UnsupportedMediaType,
        errors.BodyMismatch,
        errors.VerdictAmbiguous,
        errors.NotReady,
        errors.FeedbackUnwritable,
    ),
)
async def feedback(request: Request) -> FeedbackOut:
    """Append the text of the verdict with the right label to the operator's file.

    Only where `POSTERN_FEEDBACK_FILE` is set, for verdicts of the last minutes that were given to
    the same API key.
    """
    services = services_of(request)
    if services.feedback is None:
        raise errors.FeedbackOff
    limits = services.settings.limits
    body = await read_json_body(
        request,
        limit_bytes=min(_MAX_BODY_BYTES, limits.max_body_bytes),
        timeout_s=limits.body_timeout_ms / 1000.0,
    )
    try:
        asked = FeedbackIn.model_validate_json(body)
    except ValidationError as exc:
        raise refusal_of(exc, names=frozenset(FeedbackIn.model_fields)) from None
    found = await services.feedback.record(
        Correction(asked.id, asked.expected, asked.slice, asked.index)
    )
    request.state.log.update(verdict=found.verdict, expected=asked.expected)
    return FeedbackOut(
        id=asked.id,
        index=found.index,
        slice=found.slice_,
        verdict=found.verdict,
        expected=asked.expected,
    )
