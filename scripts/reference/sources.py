"""What the reference pages are made of, read from the code. Nothing else imports the server.

After a move of modules, only the imports below change.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app import __version__, api_docs, cli
from app.chat_guard.routes import router as chat_guard_router
from app.contract import errors
from app.contract.artifact import Manifest
from app.dialects.routes import router as dialects_router
from app.http_errors import PROBLEMS, Problem
from app.metrics import Metrics
from app.routes import router
from app.settings import Settings
from model_training.__main__ import training_parser
from model_training.config import RunConfig

VERSION = __version__
SETTING_FLAG = "setting_"
"""What the name of an argument starts with that stands for a setting."""

_NEVER_OVER_HTTP = (
    errors.ArtifactInvalid,
    errors.SettingsInvalid,
    errors.CalibrationImpossible,
)


def setting_fields() -> Mapping[str, FieldInfo]:
    """Every setting by the lower-case name that follows `POSTERN_` in the environment."""
    return Settings.model_fields


def server_parser() -> argparse.ArgumentParser:
    """The parser of the `postern` command."""
    return cli._parser()


def stage_parser() -> argparse.ArgumentParser:
    """The parser of `python -m model_training`."""
    return training_parser()


def metrics() -> Metrics:
    """A fresh set of metrics, whose attributes are its collectors."""
    return Metrics()


def problems() -> Mapping[type[errors.PosternError], Problem]:
    """Each kind of error and how it looks over HTTP."""
    return PROBLEMS


def is_never_over_http(kind: type[Exception]) -> bool:
    """Whether an error stops a start or a command, so that no client sees it."""
    return issubclass(kind, _NEVER_OVER_HTTP)


def openapi() -> dict[str, Any]:
    """The OpenAPI document of the server, made without a model."""
    app = FastAPI(title="Postern", version=VERSION)
    for one in (router, dialects_router, chat_guard_router):
        app.include_router(one)
    api_docs.add_to(app)
    return app.openapi()


def manifest() -> type[BaseModel]:
    """The root of `manifest.json`."""
    return Manifest


def recipe() -> type[BaseModel]:
    """The root of a recipe."""
    return RunConfig
