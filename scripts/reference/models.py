"""The pages of the manifest and of recipes, from pydantic models."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from scripts.reference import sources
from scripts.reference.markdown import NOTE, page, paragraphs, table
from scripts.reference.words import type_of


def manifest_page() -> str:
    return page(
        [
            "# Manifest",
            NOTE,
            "An artifact is a folder `<name>/<version>/` with `model.onnx`, `tokenizer.json` and "
            "`manifest.json`. The manifest holds the hash of every other file and the policy that "
            "turns the model's margins into verdicts. A server reads an artifact whole, checks "
            "every hash, runs the self-test, and refuses to start if anything differs. "
            "`GET /info` and `postern info` show what it holds.",
            "Only two commands write a manifest: the training stage `publish`, and "
            "`postern calibrate`. Unknown fields are refused.",
            *_models(sources.manifest()),
        ]
    )


def policies_page() -> str:
    return page(
        [
            "# Policies",
            NOTE,
            "The file that `POSTERN_POLICIES` names is TOML. A table `[policies.NAME]` holds the "
            "fields of [PolicyIn](#policyin). Unknown fields are refused, and a file that is wrong "
            "anywhere is rejected whole. [The guide](../guides/policies.md) says how policies are "
            "used.",
            *_models(sources.policy()),
        ]
    )


def recipe_page() -> str:
    return page(
        [
            "# Recipe",
            NOTE,
            "A recipe is a TOML file that says which data a training uses, and how. Its "
            "top level holds the fields of [RunConfig](#runconfig); the table `[distil]` holds "
            "those of [DistilConfig](#distilconfig), and so on. What a recipe leaves out "
            "has the default. [Train your own student](../guides/training.md) starts from a small "
            "one, and the folder `recipes/` holds those of this project.",
            'With `extends = "other.toml"` at the top, a recipe begins from another file in its '
            "folder: tables are merged, everything else replaces what the other file says. A table "
            "with another `kind` replaces the whole table.",
            "The commands `ablate` and `case-study` read one more table each, `[ablation]` with "
            "the fields of [AblationConfig](#ablationconfig) and `[case_study]` with those of "
            "[CaseStudyConfig](#casestudyconfig). Stages refuse a recipe that has one.",
            *_models(sources.recipe(), *sources.study_sections()),
        ]
    )


def _models(*roots: type[BaseModel]) -> Iterator[str]:
    """A section for each model that can be reached from the roots, breadth first."""
    waiting, seen = list(roots), set(roots)
    for model in waiting:  # grows during the loop
        yield f"## {model.__name__}"
        about = inspect.getdoc(model) if "__doc__" in vars(model) else None
        if about:
            yield paragraphs(about)
        docs = _field_docs(model)
        rows = []
        for name, field in model.model_fields.items():
            for found in _models_in(field.annotation):
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)
            said = " ".join((field.description or docs.get(name, "")).split())
            said = said or _about(field.annotation)
            rows.append(
                (f"`{name}`", type_of(field.annotation, field.metadata), _toml(field), said)
            )
        yield table(("field", "type", "default", "meaning"), rows)


def _about(annotation: Any) -> str:
    """For a field without a docstring: the first sentence about its model."""
    if isinstance(annotation, type) and not issubclass(annotation, BaseModel):
        return ""
    found = list(_models_in(annotation))
    if len(found) != 1 or "__doc__" not in vars(found[0]):
        return ""
    first, dot, _ = " ".join((inspect.getdoc(found[0]) or "").split()).partition(". ")
    return f"{first}{dot}".strip()


def _toml(field: FieldInfo) -> str:
    """A default in a recipe's notation."""
    default = (
        field.get_default(call_default_factory=True) if field.default_factory else (field.default)
    )
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, BaseModel):
        return "its defaults"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, str) and len(default) > 60:
        return "see `model_training/`" if default else "empty"
    if isinstance(default, (dict, tuple, list)):
        return f"`{json.dumps(default)}`" if default else "empty"
    return f"`{json.dumps(default, default=str)}`"


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in typing.get_args(annotation):
        yield from _models_in(one)


def _field_docs(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings under a model's fields, including those of its base classes."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        lines = body.body if isinstance(body, ast.ClassDef) else []
        for before, after in itertools.pairwise(lines):
            if (
                isinstance(before, ast.AnnAssign)
                and isinstance(before.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
                and isinstance(after.value.value, str)
            ):
                found[before.target.id] = after.value.value
    return found
