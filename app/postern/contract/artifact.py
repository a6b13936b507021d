"""The published student: `model.onnx`, `tokenizer.json`, `manifest.json`. Read, verify, write."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from postern.contract.certificate import Certificate
from postern.contract.decision import Policy
from postern.contract.errors import ArtifactInvalid
from postern.contract.exchange import (
    LABEL_ORDER,
    Slice,
)
from postern.contract.reference import ProbabilityReference
from postern.contract.text import TEXT_FORMAT

SCHEMA_VERSION: Final = 1
MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
MANIFEST: Final = "manifest.json"
VERSION_PATTERN: Final = r"^[0-9][A-Za-z0-9._+-]*$"

_MANIFEST_LIMIT_BYTES: Final = 4 << 20
# Whatever a manifest says, memory is asked for only up to these.
_LARGEST_FILE_BYTES: Final = 16 << 30
_LONGEST_WINDOW: Final = 1 << 16


class FileEntry(BaseModel):
    """What a file of the artifact must be. size_bytes: bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=0, le=_LARGEST_FILE_BYTES)]


class Manifest(BaseModel):
    """All that serving needs to know of a student, and all that a reader may ask about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]
    text_format: int
    label_order: tuple[str, ...]
    window_tokens: Annotated[int, Field(gt=0, le=_LONGEST_WINDOW)]
    overlap_tokens: Annotated[int, Field(ge=0, le=_LONGEST_WINDOW)]
    pad_id: Annotated[int, Field(ge=0)]
    files: dict[str, FileEntry]
    policy: Policy
    self_test: tuple[tuple[float, float], ...] = ()
    """Logits of the warm-up's windows where the artifact was made; see `inference/warm_up.py`."""
    teacher: str | None
    """Who labelled the rows, where a teacher did."""
    licence: str
    run_config: dict[str, Any]
    commit: str
    metrics: dict[str, Any]
    # These two are left out where empty, so that older readers still read what has neither.
    probability_reference: dict[Slice, ProbabilityReference] = Field(
        default_factory=dict, exclude_if=lambda value: not value
    )
    """Where probabilities lay when the policy was fitted; live traffic is compared with it."""
    certificate: Certificate | None = Field(default=None, exclude_if=lambda value: value is None)
    """What `postern calibrate` proved of the policy."""


@dataclass(frozen=True)
class Artifact:
    """A verified artifact, in memory: what was hashed is what is loaded.

    sha256: of `manifest.json`, which holds the hashes of all other files and the policy.
    """

    manifest: Manifest
    sha256: str
    model: bytes
    tokenizer: bytes


def read_artifact(folder: Path) -> Artifact:
    """Reads and verifies. Raises ArtifactInvalid with one clear reason."""
    content = _read_file(folder, MANIFEST)
    manifest = _parse_manifest(content)
    for name in (MODEL, TOKENIZER):
        if name not in manifest.files:
            raise ArtifactInvalid(f"{MANIFEST} does not list {name}")
    files = {name: _read_verified(folder, name, entry) for name, entry in manifest.files.items()}
    # External tensors name a path to read, under the key "location"; a served graph has none.
    if b"location" in files[MODEL]:
        raise ArtifactInvalid(f"{MODEL} refers to data outside itself")
    return Artifact(
        manifest=manifest,
        sha256=hashlib.sha256(content).hexdigest(),
        model=files[MODEL],
        tokenizer=files[TOKENIZER],
    )


def file_entries(folder: Path) -> dict[str, FileEntry]:
    """The entries of all files in a staging folder, the manifest excepted."""
    return {
        path.name: FileEntry(
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size_bytes=path.stat().st_size
        )
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `manifest.json` durably into a staging folder."""
    with (folder / MANIFEST).open("wb") as file:
        file.write(manifest_bytes(manifest))
        file.flush()
        os.fsync(file.fileno())


def manifest_bytes(manifest: Manifest) -> bytes:
    content = manifest.model_dump(mode="json")
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _parse_manifest(content: bytes) -> Manifest:
    try:
        raw: object = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise ArtifactInvalid(f"{MANIFEST} is not JSON") from exc
    found = raw.get("schema_version") if isinstance(raw, Mapping) else None
    if found != SCHEMA_VERSION:
        raise ArtifactInvalid(
            f"{MANIFEST} has schema version {found!r}; this server reads {SCHEMA_VERSION}"
        )
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as exc:
        problem = exc.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ArtifactInvalid(f"{MANIFEST}: {where}: {problem['msg']}") from exc
    if manifest.text_format != TEXT_FORMAT:
        raise ArtifactInvalid(
            f"the student reads text format {manifest.text_format}, this server {TEXT_FORMAT}"
        )
    if manifest.label_order != LABEL_ORDER:
        raise ArtifactInvalid(f"the label order must be {list(LABEL_ORDER)}")
    return manifest


def _read_verified(folder: Path, name: str, entry: FileEntry) -> bytes:
    content = _read_file(folder, name, limit=entry.size_bytes)
    if len(content) != entry.size_bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ArtifactInvalid(f"{name} does not match the hash in {MANIFEST}")
    return content


def _read_file(folder: Path, name: str, *, limit: int = _MANIFEST_LIMIT_BYTES) -> bytes:
    path = folder / name
    if "\0" in name or Path(name).name != name or path.is_symlink():
        raise ArtifactInvalid(f"{name} must be a plain file inside the artifact")
    try:
        # A pipe in its place would be waited for, for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ArtifactInvalid(f"{name} must be a plain file inside the artifact")
            return file.read(min(limit, found.st_size) + 1)
    except OSError as exc:
        raise ArtifactInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
