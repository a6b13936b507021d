"""The model of a problem document, for the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ProblemOut(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="Stable name of the kind of problem, for programs.")
    title: str
    status: int
    detail: str
    request_id: str
    index: int | None = Field(
        None, description="Index of the faulty exchange, if there are several."
    )
    errors: list[dict[str, str]] | None = Field(
        None, description="With `body-mismatch`: the fields that do not match."
    )
