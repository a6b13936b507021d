"""The model that every peer serves: our file, our tokenizing, ONNX Runtime with our options.

So only the server around it differs. Batches that a peer collects are sorted by length and cut to a
token budget, as ours are; anyone who knows their model would do the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import onnxruntime as ort
from postern.contract.artifact import read_artifact
from postern.contract.exchange import Exchange
from postern.contract.probability import harmful_margin, harmful_probability
from postern.contract.text import segments
from postern.contract.windows import Window, pad
from postern.inference.processor import multiplies_int8_exactly
from postern.inference.session import INPUTS
from postern.inference.tokenizer import Tokenizer
from postern.shipped import DEFAULT_ARTIFACT

ROOT = Path(__file__).resolve().parents[2]
ARTIFACT = DEFAULT_ARTIFACT
RunWindows = Callable[[Sequence[Window]], np.ndarray]
Engine = Literal["onnxruntime", "openvino"]
ENGINES: Final[tuple[Engine, ...]] = get_args(Engine)
MAX_BATCH_TOKENS = 512
# Settings for every peer that batches.
MAX_BATCH_SIZE = 8


class PeerModel:
    """Prompts -> calibrated probabilities, at most MAX_BATCH_TOKENS in one forward pass.

    threads: in one pass. concurrent: passes at once. Peers run on ONNX Runtime.
    """

    def __init__(
        self, *, threads: int, concurrent: int = 1, engine: Engine = "onnxruntime"
    ) -> None:
        artifact = read_artifact(ARTIFACT)
        manifest = artifact.manifest
        self._tokenizer = Tokenizer(
            artifact.tokenizer,
            window_tokens=manifest.window_tokens,
            overlap_tokens=manifest.overlap_tokens,
        )
        self._calibration = manifest.policy.calibration["prompt"]
        if engine == "openvino":
            from postern.inference.openvino_session import OpenVinoSession  # peers lack it

            self._run: RunWindows = OpenVinoSession(
                artifact.model,
                pad_id=manifest.pad_id,
                intra_op_threads=threads,
                concurrent=concurrent,
            ).run
        else:
            self._run = _on_onnxruntime(artifact.model, manifest.pad_id, threads)
        self.probabilities(["warm up", "a somewhat longer text to warm up with"])

    def probabilities(self, prompts: Sequence[str]) -> list[float]:
        """One probability for each prompt; a long prompt gets that of its most harmful window."""
        windows: list[Window] = []
        owners: list[int] = []
        encodings = self._tokenizer.encode_many([segments(Exchange(one)) for one in prompts])
        for owner, encoding in enumerate(encodings):
            windows += encoding.windows
            owners += [owner] * len(encoding.windows)
        margins = harmful_margin(self._logits(windows))
        worst = np.full(len(prompts), -np.inf)
        np.maximum.at(worst, owners, margins)
        return [float(one) for one in harmful_probability(worst, self._calibration)]

    def _logits(self, windows: Sequence[Window]) -> np.ndarray:
        order = sorted(range(len(windows)), key=lambda one: windows[one].length)
        logits = np.empty((len(windows), 2), dtype=np.float32)
        while order:
            batch = [order.pop()]  # longest first: it sets the width
            while order and (len(batch) + 1) * windows[batch[0]].length <= MAX_BATCH_TOKENS:
                batch.append(order.pop())
            logits[batch] = self._run([windows[one] for one in batch])
        return logits


def _on_onnxruntime(model: bytes, pad_id: int, threads: int) -> RunWindows:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False
    if not multiplies_int8_exactly():  # as our server does
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
    # A graph may have further outputs, such as categories, which no peer reports.
    name = session.get_outputs()[0].name

    def run(windows: Sequence[Window]) -> np.ndarray:
        given = dict(zip(INPUTS, pad(windows, pad_id=pad_id), strict=True))
        (logits,) = session.run([name], given)
        return np.asarray(logits)

    return run


def write_hub_folder(folder: Path) -> Path:
    """Writes our artifact as a Hugging Face folder, for servers that load the model themselves."""
    tokenizer = (ARTIFACT / "tokenizer.json").read_text()
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_size": 384,
        "intermediate_size": 1536,
        "num_attention_heads": 12,
        "num_hidden_layers": 6,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "vocab_size": 1 + max(json.loads(tokenizer)["model"]["vocab"].values()),
        "id2label": {"0": "unharmful", "1": "harmful"},
        "label2id": {"unharmful": 0, "harmful": 1},
    }
    frame = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 512,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(tokenizer)
    (folder / "tokenizer_config.json").write_text(json.dumps(frame))
    (folder / "model.onnx").write_bytes((ARTIFACT / "model.onnx").read_bytes())
    return folder
