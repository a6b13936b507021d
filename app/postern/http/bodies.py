"""How a body that matches no model is refused, without a word of what its writer wrote."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, ValidationError

from postern.contract.errors import BodyMismatch, MalformedBody, RequestRefused

_MAX_PROBLEMS: Final = 100
# Where pydantic's own message would repeat what the caller wrote, or say less.
_OWN_WORDS: Final = {"extra_forbidden": "unknown field", "union_tag_invalid": "unknown type"}

Text = Annotated[str, Field(strict=True)]
"""A string of a body; numbers are no text."""


def refusal_of(exc: ValidationError, *, names: frozenset[str], leading: int = 0) -> RequestRefused:
    """MalformedBody or BodyMismatch, whichever it was; for every dialect's bodies.

    names: of all fields. leading: parts of a path to leave out, such as the form of a union.
    """
    if exc.error_count() > _MAX_PROBLEMS:  # describing a hundred thousand takes seconds
        return BodyMismatch((("", f"more than {_MAX_PROBLEMS} problems"),))
    errors = exc.errors(include_input=False, include_url=False, include_context=False)
    if any(error["type"] == "json_invalid" for error in errors):
        return MalformedBody()
    problems = tuple(
        (
            _known_path(error["loc"][leading:], names),
            _OWN_WORDS.get(error["type"], error["msg"]),
        )
        for error in errors[:10]
    )
    return BodyMismatch(problems)


def _known_path(loc: tuple[int | str, ...], names: frozenset[str]) -> str:
    """The path to a problem. A name that the caller made up is text of a user: not repeated."""
    return ".".join(str(part) for part in loc if isinstance(part, int) or part in names)
