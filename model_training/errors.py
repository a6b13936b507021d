"""Errors of the training side. `cli.py` prints them as one line and exits with code 2."""

from __future__ import annotations

from postern.contract.errors import PosternError
from pydantic import ValidationError


class DataInvalid(PosternError):
    """A data folder, file or row does not follow the documented schema."""


class RecipeInvalid(PosternError):
    """A recipe, or its run folder, cannot be used."""


class GateFailed(PosternError):
    """A produced model fails a gate before publication."""


class ServerUnusable(PosternError):
    """A model server cannot do what the recipe needs, or refuses every call."""


class ServerUnavailable(PosternError):
    """A model server did not answer within the allowed tries. A later run continues."""


def first_problem(exc: ValidationError) -> str:
    """The first problem and its place, without the text that caused it."""
    problem = exc.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
