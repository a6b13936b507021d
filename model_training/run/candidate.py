"""The folder between checkpoint and artifact, and the names of the files in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from postern.contract.categories import CategoryHead
from postern.contract.decision import Policy
from pydantic import ValidationError

from model_training.data.rows import dump_json, write_atomically
from model_training.errors import DataInvalid

EXPORT: Final = "export.json"
POLICY: Final = "policy.json"
CALIBRATION: Final = "calibration.json"
CATEGORIES: Final = "categories.json"
REPORT: Final = "report.json"
REPORT_TEXT: Final = "report.md"
MODEL_CARD: Final = "MODEL_CARD.md"
PRECISION_RECALL_PLOT: Final = "precision_recall.png"
RELIABILITY_PLOT: Final = "reliability.png"
COMPOSITION_PLOT: Final = "composition.png"

HEAD: Final = "head"
"""Key in `categories.json`: the head as the manifest holds it."""

REFERENCE: Final = "probability_reference"
"""Key in `calibration.json`: the distribution of probabilities on the calibration split, by
slice."""


def read_json(path: Path) -> dict[str, Any]:
    """Raises DataInvalid if an earlier stage left nothing readable."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as exc:
        raise DataInvalid(f"{path}: cannot be read ({exc.strerror}); run the stage before") from exc
    except ValueError as exc:
        raise DataInvalid(f"{path}: not JSON") from exc
    if not isinstance(content, dict):
        raise DataInvalid(f"{path}: not a JSON object")
    return content


def write_json(path: Path, content: object) -> None:
    write_atomically(path, dump_json(content))


def policy_sha256(policy: Policy) -> str:
    """Of its JSON: says of which policy a report is."""
    return hashlib.sha256(policy.model_dump_json().encode()).hexdigest()


def read_policy(candidate: Path) -> Policy:
    """Read the policy that `fit-policy` wrote. Raises DataInvalid."""
    path = candidate / POLICY
    try:
        return Policy.model_validate(read_json(path))
    except ValidationError as exc:
        raise DataInvalid(f"{path}: {exc.errors(include_url=False)[0]['msg']}") from exc


def read_head(candidate: Path) -> CategoryHead | None:
    """Read the head that `categories` wrote, if it has run. Raises DataInvalid."""
    path = candidate / CATEGORIES
    if not path.exists():
        return None
    try:
        return CategoryHead.model_validate(read_json(path).get(HEAD))
    except ValidationError as exc:
        raise DataInvalid(f"{path}: {exc.errors(include_url=False)[0]['msg']}") from exc
