"""Windows -> logits, by OpenVINO: the same `run` as OnnxSession, faster with AVX-512 and VNNI.

OpenVINO chooses kernels by shape, and they round differently. So the padded length of a window
depends on that window alone, and only windows of one padded length run together. Then no neighbour
moves a bit of its logits (docs/research/engines.md).

It also keeps kernels of some megabytes for each number of tokens that it has seen in a batch. So
lengths come in steps, and rows in powers of two, which halves what the server grows by.
"""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Final, Literal

import numpy as np

from postern.contract.errors import ArtifactInvalid, SettingsInvalid
from postern.contract.windows import Window, pad, padded_length
from postern.inference.processor import multiplies_in_tiles
from postern.inference.session import (
    INPUTS,
    NO_OUTPUTS,
    Logits,
    check_columns,
    side_by_side,
    taken_inputs,
)

# Measured: shorter steps save less padding than they cost in smaller batches, longer ones more.
SHORT_STEP_TOKENS: Final = 8
_SHORT: Final = 32
STEP_TOKENS: Final = 16
# Rows that fill a batch up to a power of two, as a share of its rows.
_FILLING_AT_MOST: Final = 0.25

Precision = Literal["bf16", "f32"]


def is_installed() -> bool:
    """Whether OpenVINO is installed. Loads nothing."""
    return find_spec("openvino") is not None


class OpenVinoSession:
    """A student graph in memory, for the CPU. Thread-safe.

    intra_op_threads: inside one batch. concurrent: batches that may run at the same time. extra: as
    for OnnxSession. precision: of the sums between the int8 products; None: the one that this
    processor is quickest with.

    Raises ArtifactInvalid if the graph cannot be loaded or lacks such an output, and
    SettingsInvalid if OpenVINO is not installed.
    """

    def __init__(
        self,
        model: bytes,
        *,
        pad_id: int,
        intra_op_threads: int,
        concurrent: int = 1,
        extra: Mapping[str, int | None] = NO_OUTPUTS,
        precision: Precision | None = None,
    ) -> None:
        core = _core()
        options = {
            "NUM_STREAMS": concurrent,
            "INFERENCE_NUM_THREADS": concurrent * intra_op_threads,
            # Two processes that are bound to the same cores would wait for each other.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": precision or _quickest_precision(),
            # On by default: it rounds activations by the whole batch, so neighbours would count.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
        }
        try:
            graph = core.read_model(io.BytesIO(model))
            self._outputs = _keep_only(graph, extra)
            self._ids_end = _vocabulary(graph)
            self._compiled = core.compile_model(graph, "CPU", options)
        except ArtifactInvalid:
            raise
        except Exception as exc:  # the library raises RuntimeError for whatever goes wrong
            raise ArtifactInvalid(f"the model cannot be loaded ({type(exc).__name__})") from exc
        self._names = taken_inputs({port.any_name for port in self._compiled.inputs})
        self._widths = tuple(extra.values())
        self._pad_id = pad_id
        self._free: deque[Any] = deque()  # requests: each has the numbers of one run

    def run(self, windows: Sequence[Window]) -> Logits:
        """(n, 2 + k) float32, in the order of the windows. k: columns of all further outputs.

        Raises ArtifactInvalid if a further output has another number of columns, ValueError if a
        token is not in the vocabulary.
        """
        alike: dict[int, list[int]] = {}
        for place, window in enumerate(windows):
            alike.setdefault(step_of(window.length), []).append(place)
        parts: list[Logits] = []
        for length, places in alike.items():
            rest = [windows[place] for place in places]
            for rows in powers_of_two(len(rest)):
                batch, rest = rest[:rows], rest[rows:]
                filling = batch[:1] * (rows - len(batch))
                parts.append(self._run([*batch, *filling], length)[: len(batch)])
        order = np.argsort([place for places in alike.values() for place in places])
        return np.concatenate(parts)[order]

    def _run(self, windows: Sequence[Window], length: int) -> Logits:
        """Windows of one padded length."""
        padded = pad(windows, pad_id=self._pad_id, multiple_of=length)
        if padded[0].max() >= self._ids_end:  # the library would read zeros instead
            raise ValueError("a token is not in the model's vocabulary")
        inputs = dict(zip(INPUTS, padded, strict=True))
        try:
            request = self._free.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            request.infer({name: inputs[name] for name in self._names}, share_inputs=True)
            found = [np.array(request.get_tensor(name).data) for name in self._outputs]
        finally:
            self._free.append(request)
        return side_by_side(found, self._outputs, self._widths)


def step_of(tokens: int) -> int:
    """Padded length of a window of that many tokens."""
    step = SHORT_STEP_TOKENS if tokens <= _SHORT else STEP_TOKENS
    return padded_length(tokens, multiple_of=step)


def powers_of_two(count: int) -> Iterator[int]:
    """Sizes of the batches for `count` rows. Only the last may have room for a few more."""
    while count > 0:
        rows = 1 << (count - 1).bit_length()
        if rows - count > _FILLING_AT_MOST * rows:
            rows //= 2
        yield rows
        count -= rows


def _quickest_precision() -> Precision:
    """Without tiles, bfloat16 is no quicker, and moves verdicts further from ONNX Runtime's."""
    return "bf16" if multiplies_in_tiles() else "f32"


@lru_cache(maxsize=1)
def _core() -> Any:
    """The library, which shares its threads and weights between sessions.

    Raises SettingsInvalid if it cannot be loaded.
    """
    # With this package beside it, the import alone writes to the home folder and reports to its
    # makers over the network. Without, the library does without.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as exc:
        raise SettingsInvalid(
            "engine=openvino: OpenVINO is not installed (see docs/guides/deploy.md)"
        ) from exc
    return openvino.Core()


def _keep_only(graph: Any, extra: Mapping[str, int | None]) -> tuple[str, ...]:
    """Remove further outputs that nobody asked for. Returns the names of those that stay.

    Raises ArtifactInvalid if one is missing, or declares another number of columns.
    """
    ports = {port.any_name: port for port in graph.outputs}
    for name, width in extra.items():
        if name not in ports:
            raise ArtifactInvalid(f"the model has no output {name!r}")
        shape = ports[name].get_partial_shape()
        last = shape[-1] if shape.rank.is_static and len(shape) else None
        declared = last.get_length() if last is not None and last.is_static else None
        check_columns(name, declared, width)
    kept = (next(iter(ports)), *extra)
    for name, port in ports.items():
        if name not in kept:
            graph.remove_result(port.get_node())
    return kept


def _vocabulary(graph: Any) -> int:
    """Number of token ids that the graph has embeddings for, as far as it tells."""
    reached = [
        port.get_node()
        for ids in graph.inputs
        if ids.any_name == "input_ids"
        for port in ids.get_target_inputs()
    ]
    while reached:
        node = reached.pop()
        if node.get_type_name() == "Gather":
            return int(node.input(0).get_partial_shape()[0].get_length())
        if node.get_type_name() == "Convert":
            reached += [port.get_node() for port in node.output(0).get_target_inputs()]
    return int(np.iinfo(np.int64).max)
