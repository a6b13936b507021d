"""Windows -> logits, by ONNX Runtime. Another engine is another class with the same `run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from postern.contract.errors import ArtifactInvalid, SettingsInvalid
from postern.contract.windows import Window, pad
from postern.inference.processor import multiplies_int8_exactly

Device = Literal["cpu", "cuda"]
Logits = npt.NDArray[np.float32]

INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
NO_OUTPUTS: Final[Mapping[str, int | None]] = MappingProxyType({})
# Execution providers by device. On a GPU, the CPU runs the operators that the GPU lacks.
_PROVIDERS: Final[dict[Device, list[Any]]] = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": [
        # Allocate memory as requested, not in powers of two: shapes vary from batch to batch.
        ("CUDAExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"}),
        "CPUExecutionProvider",
    ],
}


class Session(Protocol):
    """What the batcher runs. Worker threads call it concurrently."""

    def run(self, windows: Sequence[Window]) -> Logits:
        """(n, 2) float32, in the order of the windows; wider with further outputs."""
        ...


class OnnxSession:
    """A student graph in memory. Thread-safe.

    extra: name and number of columns (None: any) of each further output, (n, columns), that `run`
    puts to the right of the logits, in this order. Other outputs are not computed.

    Raises ArtifactInvalid if it cannot be loaded or lacks such an output. Raises SettingsInvalid if
    this machine or this installation of ONNX Runtime does not offer the device: it never falls back
    to another.
    """

    def __init__(
        self,
        model: bytes,
        *,
        pad_id: int,
        intra_op_threads: int,
        device: Device = "cpu",
        extra: Mapping[str, int | None] = NO_OUTPUTS,
    ) -> None:
        if device == "cuda" and "CUDAExecutionProvider" not in ort.get_available_providers():
            raise SettingsInvalid(
                "device=cuda: this ONNX Runtime supports only the CPU; install onnxruntime-gpu "
                "instead of onnxruntime (see docs/guides/deploy.md)"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = intra_op_threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        # Spinning workers take the core that tokenizing and HTTP need. Shapes vary from batch to
        # batch, so a memory pattern of the last one does not fit the next.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False
        # Without VNNI, products of uint8 and int8 overflow, and verdicts would depend on the
        # processor. This is exact there, and some percent slower. With AMX it changes no bit, but
        # ONNX Runtime 1.31 would take it for such a processor, and need twice the time.
        if not multiplies_int8_exactly():
            options.add_session_config_entry("session.x64quantprecision", "1")
        # Errors come as exceptions. The engine's own lines would stand among our JSON logs.
        options.log_severity_level = 4
        try:
            self._session = ort.InferenceSession(
                model, sess_options=options, providers=_PROVIDERS[device]
            )
        except Exception as exc:  # the library raises classes of its own, without a common base
            raise ArtifactInvalid(f"the model cannot be loaded ({type(exc).__name__})") from exc
        if device == "cuda" and self._session.get_providers()[0] != "CUDAExecutionProvider":
            # If the driver or a CUDA library is missing, the library only writes a line.
            raise SettingsInvalid("device=cuda: the GPU, its driver or CUDA cannot be used")
        # The binding keeps the file for its own fallback, which must not happen: 42 MB of memory
        # for the student for other languages.
        self._session._model_bytes = None
        names = {node.name for node in self._session.get_inputs()}
        self._names = taken_inputs(names)
        self._widths = tuple(extra.values())
        self._outputs = self._asked_for(extra)
        self._pad_id = pad_id

    def _asked_for(self, extra: Mapping[str, int | None]) -> list[str]:
        shapes = {node.name: node.shape for node in self._session.get_outputs()}
        for name, width in extra.items():
            if name not in shapes:
                raise ArtifactInvalid(f"the model has no output {name!r}")
            check_columns(name, shapes[name][-1] if shapes[name] else None, width)
        return [next(iter(shapes)), *extra]

    def run(self, windows: Sequence[Window]) -> Logits:
        """(n, 2 + k) float32, in the order of the windows. k: columns of all further outputs.

        Raises ArtifactInvalid if a further output has another number of columns.
        """
        inputs = dict(zip(INPUTS, pad(windows, pad_id=self._pad_id), strict=True))
        found = self._session.run(self._outputs, {name: inputs[name] for name in self._names})
        return side_by_side(found, self._outputs, self._widths)


def taken_inputs(names: Set[str]) -> tuple[str, ...]:
    """Those of INPUTS that a graph with inputs of these names takes. Raises ArtifactInvalid."""
    if not {"input_ids", "attention_mask"} <= names <= set(INPUTS):
        raise ArtifactInvalid(f"the model takes other inputs than {list(INPUTS)}")
    return tuple(name for name in INPUTS if name in names)


def check_columns(name: str, declared: object, width: int | None) -> None:
    """Raises ArtifactInvalid if the graph declares another number of columns for an output."""
    if width is not None and isinstance(declared, int) and declared != width:
        raise ArtifactInvalid(
            f"the model's output {name!r} has {declared} columns instead of {width}"
        )


def side_by_side(
    found: Sequence[npt.NDArray[Any]], names: Sequence[str], widths: Sequence[int | None]
) -> Logits:
    """(n, 2 + k) float32: the logits, and to their right the further outputs.

    names: of all outputs; widths: of the further ones. Raises ArtifactInvalid for another width.
    """
    for name, width, part in zip(names[1:], widths, found[1:], strict=True):
        # A graph need not declare the number, and the sum of two wrong ones may be right.
        if width is not None and part.shape[1:] != (width,):
            raise ArtifactInvalid(f"the model's output {name!r} has not {width} columns")
    joined = found[0] if len(found) == 1 else np.concatenate(found, axis=1)
    return np.asarray(joined, dtype=np.float32)
