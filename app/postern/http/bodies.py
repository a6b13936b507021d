"""How to refuse a body that matches no model, without repeating any of its text."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, ValidationError

from postern.contract.errors import BodyMismatch, MalformedBody, RequestRefused

_MAX_PROBLEMS: Final = 100
# Not pydantic's, which speak of tuples and may repeat what the caller wrote. By kind of error.
_OWN_WORDS: Final = {
    "extra_forbidden": "unknown field",
    "union_tag_invalid": "unknown type",
    "union_tag_not_found": "its type is missing",
    "missing": "is missing",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "finite_number": "must be a number",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "too_short": "must not be empty",
    "too_long": "holds too many",
    "literal_error": "is none of the known values",
    "less_than_equal": "is too large",
    "greater_than_equal": "is too small",
}
_OTHER_WORDS: Final = "has another type or value than it may"

Text = Annotated[str, Field(strict=True)]
"""A string in a body; numbers are not accepted as text."""


def refusal_of(exc: ValidationError, *, names: frozenset[str], leading: int = 0) -> RequestRefused:
    """MalformedBody or BodyMismatch, for the bodies of every dialect.

    names: of all fields. leading: number of leading path parts to omit, such as the form of a
    union.
    """
    if exc.error_count() > _MAX_PROBLEMS:  # describing a hundred thousand takes seconds
        return BodyMismatch((("", f"more than {_MAX_PROBLEMS} problems"),))
    errors = exc.errors(include_input=False, include_url=False, include_context=False)
    if any(error["type"] == "json_invalid" for error in errors):
        return MalformedBody()
    problems = tuple(
        (
            _known_path(error["loc"][leading:], names),
            _OWN_WORDS.get(error["type"], _OTHER_WORDS),
        )
        for error in errors[:10]
    )
    return BodyMismatch(problems)


def _known_path(loc: tuple[int | str, ...], names: frozenset[str]) -> str:
    """The path to a problem. Names that the caller made up are user text and not repeated."""
    return ".".join(str(part) for part in loc if isinstance(part, int) or part in names)
