"""Read, verify and write an artifact: `model.onnx`, `tokenizer.json` and `manifest.json`."""

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

from postern.contract.categories import CategoryHead
from postern.contract.certificate import Certificate
from postern.contract.decision import Policy
from postern.contract.errors import ArtifactInvalid
from postern.contract.exchange import LABEL_ORDER, Slice
from postern.contract.language import ENGLISH, Language
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
    """Hash and size of a file of the artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=0, le=_LARGEST_FILE_BYTES)]


class Manifest(BaseModel):
    """Everything that serving needs to know about a student, and its provenance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    """Version of this format."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    """Name of the artifact."""
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]
    """Exact version of the artifact."""
    text_format: int
    """Version of the function that writes text; it must equal the server's."""
    label_order: tuple[str, ...]
    """Order of the two logits."""
    window_tokens: Annotated[int, Field(gt=0, le=_LONGEST_WINDOW)]
    """Tokens of a window, special tokens included."""
    overlap_tokens: Annotated[int, Field(ge=0, le=_LONGEST_WINDOW)]
    """Tokens that neighbouring windows share."""
    pad_id: Annotated[int, Field(ge=0)]
    """Token id of padding."""
    files: dict[str, FileEntry]
    """Every other file of the artifact, with its hash and size."""
    policy: Policy
    """How a margin becomes a verdict."""
    self_test: tuple[tuple[float, float], ...] = ()
    """Logits of the self-test, computed on the machine that made the artifact."""
    teacher: str | None
    """The teacher that labelled the rows; null if none did."""
    licence: str
    """Licence of the weights."""
    run_config: dict[str, Any]
    """The recipe that made the artifact."""
    commit: str
    """Commit of the repository that made the artifact."""
    metrics: dict[str, Any]
    """Figures of its report."""
    # The rest is omitted when it is the default, so that older readers can still read a manifest
    # without it.
    probability_reference: dict[Slice, ProbabilityReference] = Field(
        default_factory=dict, exclude_if=lambda value: not value
    )
    """Distribution of probabilities when the policy was fitted.

    Live traffic is compared with it.
    """
    certificate: Certificate | None = Field(default=None, exclude_if=lambda value: value is None)
    """What `postern calibrate` proved about the policy."""
    languages: Annotated[tuple[Language, ...], Field(min_length=1)] = Field(
        default=ENGLISH, exclude_if=lambda value: value == ENGLISH
    )
    """Languages that the student was measured for, as BCP 47 tags without region or script."""
    categories: CategoryHead | None = Field(default=None, exclude_if=lambda value: value is None)
    """Kinds of harm that the graph's further output tells apart. None: it has no such output."""


@dataclass(frozen=True)
class Artifact:
    """A verified artifact in memory. The bytes that were hashed are the bytes that are loaded.

    sha256: hash of `manifest.json`, which holds the policy and the hashes of all other files.
    """

    manifest: Manifest
    sha256: str
    model: bytes
    tokenizer: bytes


def read_artifact(folder: Path) -> Artifact:
    """Read and verify an artifact. Raises ArtifactInvalid with one clear reason."""
    content = _read_file(folder, MANIFEST)
    manifest = _parse_manifest(content)
    for name in (MODEL, TOKENIZER):
        if name not in manifest.files:
            raise ArtifactInvalid(f"{MANIFEST} does not list {name}")
    files = {name: read_listed(folder, name, entry) for name, entry in manifest.files.items()}
    # ONNX names the file of an external tensor under the key "location". A served graph has none.
    if b"location" in files[MODEL]:
        raise ArtifactInvalid(f"{MODEL} refers to data outside itself")
    return Artifact(
        manifest=manifest,
        sha256=hashlib.sha256(content).hexdigest(),
        model=files[MODEL],
        tokenizer=files[TOKENIZER],
    )


def file_entries(folder: Path) -> dict[str, FileEntry]:
    """Entries of all files in a staging folder except the manifest."""
    return {
        path.name: FileEntry(
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size_bytes=path.stat().st_size
        )
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` to a staging folder and flush it to the disk."""
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


def read_listed(folder: Path, name: str, entry: FileEntry) -> bytes:
    """A file that a manifest lists. Raises ArtifactInvalid if it is not that file."""
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
