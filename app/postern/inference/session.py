"""Windows -> logits, by ONNX Runtime. Another engine would be another class with the same `run`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from postern.contract.errors import ArtifactInvalid, SettingsInvalid
from postern.contract.windows import Window, pad

Device = Literal["cpu", "cuda"]
Logits = npt.NDArray[np.float32]

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
        """(n, 2) float32, in the order of the windows."""
        ...


class OnnxSession:
    """A student graph in memory. Thread-safe.

    extra: name of a further output, (n, k), whose columns `run` puts to the right of the logits.
    Other outputs are not computed.

    Raises ArtifactInvalid if it cannot be loaded. Raises SettingsInvalid if this machine or this
    installation of ONNX Runtime does not offer the device: it never falls back to another.
    """

    _INPUTS = ("input_ids", "attention_mask", "token_type_ids")

    def __init__(
        self,
        model: bytes,
        *,
        pad_id: int,
        intra_op_threads: int,
        device: Device = "cpu",
        extra: str | None = None,
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
        names = {node.name for node in self._session.get_inputs()}
        if not {"input_ids", "attention_mask"} <= names <= set(self._INPUTS):
            raise ArtifactInvalid(f"the model takes other inputs than {list(self._INPUTS)}")
        self._names = tuple(name for name in self._INPUTS if name in names)
        self._outputs = self._asked_for(extra)
        self._pad_id = pad_id

    def _asked_for(self, extra: str | None) -> list[str]:
        names = [node.name for node in self._session.get_outputs()]
        if extra is not None and extra not in names:
            raise ArtifactInvalid(f"the model has no output {extra!r}")
        return names[:1] if extra is None else [names[0], extra]

    def run(self, windows: Sequence[Window]) -> Logits:
        """(n, 2) float32, in the order of the windows; (n, 2 + k) with an extra output."""
        inputs = dict(zip(self._INPUTS, pad(windows, pad_id=self._pad_id), strict=True))
        found = self._session.run(self._outputs, {name: inputs[name] for name in self._names})
        joined = found[0] if len(found) == 1 else np.concatenate(found, axis=1)
        return np.asarray(joined, dtype=np.float32)
