"""The material for the reference pages, read from the code.

Nothing else here imports the server, so only the imports below change when modules move.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from postern import __version__, cli
from postern.contract import errors
from postern.contract.artifact import Manifest
from postern.http.errors import PROBLEMS, Problem
from postern.metrics import Metrics
from postern.policies.document import PolicyIn
from postern.server import paths
from postern.settings.settings import FIELDS
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from model_training.cli import training_parser
from model_training.recipe.config import RunConfig
from model_training.studies.config import AblationConfig, CaseStudyConfig

VERSION = __version__
SETTING_FLAG = "setting_"
"""Prefix of an argument's name if the argument stands for a setting."""

_NEVER_OVER_HTTP = (
    errors.ArtifactInvalid,
    errors.SettingsInvalid,
    errors.CalibrationImpossible,
)


def settings() -> Mapping[str, tuple[str, FieldInfo]]:
    """Section and field of every setting, by the lower-case name behind `POSTERN_`."""
    return {name: (place.section, place.info) for name, place in FIELDS.items()}


def server_parser() -> argparse.ArgumentParser:
    """The parser of the `postern` command."""
    return cli.parser()


def stage_parser() -> argparse.ArgumentParser:
    """The parser of `python -m model_training`."""
    return training_parser()


def metrics() -> Metrics:
    """A fresh set of metrics, whose attributes are its collectors."""
    return Metrics()


def problems() -> Mapping[type[errors.PosternError], Problem]:
    """Each kind of error and its form over HTTP."""
    return PROBLEMS


def is_never_over_http(kind: type[Exception]) -> bool:
    """Whether an error only stops a start or a command, so that no client sees it."""
    return issubclass(kind, _NEVER_OVER_HTTP)


def openapi() -> dict[str, Any]:
    """The server's OpenAPI document, made without a model."""
    app = FastAPI(title="Postern", version=VERSION)
    paths.add_to(app)
    return app.openapi()


def manifest() -> type[BaseModel]:
    """The root of `manifest.json`."""
    return Manifest


def policy() -> type[BaseModel]:
    """One policy of a file of policies."""
    return PolicyIn


def recipe() -> type[BaseModel]:
    """The root of a recipe."""
    return RunConfig


def study_sections() -> tuple[type[BaseModel], ...]:
    """Further sections of a recipe, which only studies read."""
    return AblationConfig, CaseStudyConfig
