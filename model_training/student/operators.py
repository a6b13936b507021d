"""What a build of ONNX Runtime for phones needs of a published student: its operators, its model.

ONNX Runtime's own tool finds the operators, after the optimizations that the runtime makes. It
writes beside the model, and an artifact must not change, so it works on a copy.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from onnxruntime.tools.convert_onnx_models_to_ort import (
    OptimizationStyle,
    convert_onnx_models_to_ort,
)
from postern.contract.artifact import Artifact

Platform = Literal["arm", "amd64"]


@dataclass(frozen=True)
class MobileFiles:
    operators: str
    """What `--include_ops_by_config` of ONNX Runtime's build takes."""
    model: bytes
    """The student in the format that a minimal build reads."""


def mobile_files(artifact: Artifact, *, platform: Platform, with_types: bool) -> MobileFiles:
    """Both files for a verified artifact.

    with_types: the list names the types of each operator too, for a smaller build.

    The tool's other style saves optimizations for later and is not offered: ONNX Runtime 1.31.1
    wrote some for this graph that it then refused to load.
    """
    with tempfile.TemporaryDirectory() as made:
        graph, to = Path(made) / "model.onnx", Path(made) / "out"
        graph.write_bytes(artifact.model)
        logging.getLogger("ort_format_model.utils").setLevel("WARNING")  # it names our copy
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the tool leaves its files open
            convert_onnx_models_to_ort(
                graph,
                output_dir=to,
                optimization_styles=[OptimizationStyle.Fixed],
                target_platform=platform,
                enable_type_reduction=with_types,
            )
        (operators,) = to.glob("*.config")
        (model,) = to.glob("*.ort")
        return MobileFiles(_list(artifact, operators.read_text("utf-8")), model.read_bytes())


def _list(artifact: Artifact, written: str) -> str:
    """The tool's list, with the name of the artifact instead of temporary paths."""
    manifest = artifact.manifest
    head = [
        f"# {manifest.name} {manifest.version}",
        f"# model.onnx {manifest.files['model.onnx'].sha256}",
    ]
    lines = [line for line in written.splitlines() if not line.startswith("#")]
    return "\n".join([*head, *lines]) + "\n"
