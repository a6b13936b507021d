"""The `type` of every member of a union that a client's package defines."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def types_in(union: Any) -> set[str]:
    """union: of models, as the package writes it: annotated, in lists and nested as it likes."""
    return {kind for model in _models(union) for kind in _words(model.model_fields["type"])}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in typing.get_args(annotation):
        yield from _models(one)


def _words(field: Any) -> Iterator[str]:
    """The words of a literal, which may be optional."""
    annotations = [field.annotation]
    while annotations:
        one = annotations.pop()
        if isinstance(one, str):
            yield one
        annotations += typing.get_args(one)
