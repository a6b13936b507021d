"""Types and bounds in plain words."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Union

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from scripts.reference.markdown import several


def type_of(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """A type in plain words, with its bounds."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_of(arguments[0], [*arguments[1:], *metadata])
    if origin in (Union, types.UnionType):
        kinds = [one for one in arguments if one is not type(None)]
        return " or ".join(type_of(one, metadata) for one in kinds)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin in (tuple, list):
        fixed = [one for one in arguments if one is not ...]
        if len(fixed) > 1 and ... not in arguments:
            return "[" + ", ".join(type_of(one) for one in fixed) + "]"
        return f"list of {several(type_of(fixed[0]))}"
    if origin is dict:
        return f"map from {type_of(arguments[0])} to {type_of(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    words = {
        int: "integer",
        float: "number",
        str: "text",
        bool: "true or false",
        Path: "path",
        SecretStr: "secret",
    }
    word = words.get(annotation, "any value")
    return f"{word}{_bounds(metadata)}"


def _bounds(metadata: Sequence[Any]) -> str:
    low = high = ""
    flat: list[Any] = []
    for one in metadata:
        flat += one.metadata if isinstance(one, FieldInfo) else [one]
    for one in flat:
        match one:
            case annotated_types.Ge(ge=value):
                low = f"≥ {value}"
            case annotated_types.Gt(gt=value):
                low = f"> {value}"
            case annotated_types.Le(le=value):
                high = f"≤ {value}"
            case annotated_types.Lt(lt=value):
                high = f"< {value}"
            case _:
                pass
    if low.startswith("≥") and high.startswith("≤"):
        return f", {low[2:]} to {high[2:]}"
    return "".join(f", {bound}" for bound in (low, high) if bound)
