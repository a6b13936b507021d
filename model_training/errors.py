"""Errors of the training side; `__main__.py` prints them as one line and exits 2."""

from __future__ import annotations

from postern.contract.errors import PosternError


class DataInvalid(PosternError):
    """A data folder, file or row is not of the documented schema."""


class RecipeInvalid(PosternError):
    """A recipe, or the run folder that it meets, cannot be used."""


class GateFailed(PosternError):
    """A produced model does not pass the gate that stands before publication."""


class ServerUnusable(PosternError):
    """A model server cannot do what the recipe needs, or refuses every call."""


class ServerUnavailable(PosternError):
    """A model server did not answer in all the tries it was given; a later run goes on."""
