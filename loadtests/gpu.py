"""Compares Postern's session with plain transformers on one GPU, with a large student.

    .venv/bin/python -m loadtests.gpu --output gpu.json

Random weights in the shape of DeBERTa-v3-large (435M parameters) suffice, because the time of a
forward pass does not depend on their values. The script measures, for texts of 128 tokens, single
requests (p50, p99, in milliseconds), the highest rate of texts at which a batch stays within 50 ms,
and the largest difference of a probability between the two. Needs torch with CUDA, transformers and
onnxruntime-gpu. `--device cpu --layers 2 --hidden 64` tries the script without a GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from postern.contract.probability import Calibration, harmful_margin, harmful_probability
from postern.contract.windows import Window, pad
from postern.inference.session import OnnxSession
from transformers import AutoConfig, AutoModelForSequenceClassification

from model_training.student.graph import Student, fp32_graph

Run = Callable[[Sequence[Window]], np.ndarray]
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


def random_student(layers: int, hidden: int, heads: int, vocabulary: int) -> Any:
    """DeBERTa-v3's shape: only relative positions, in buckets, with shared projections."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "deberta-v2",
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
        max_position_embeddings=512,
        type_vocab_size=0,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        position_buckets=256,
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        max_relative_positions=-1,
        pooler_hidden_size=hidden,
        pad_token_id=0,
        num_labels=2,
    )
    return AutoModelForSequenceClassification.from_config(config).eval()  # type: ignore[no-untyped-call]


def plain_transformers(model: Any, device: str, dtype: torch.dtype) -> Run:
    """What a Python server would run: the model in its own framework, one call for each batch."""
    placed = model.to(device=device, dtype=dtype)

    def run(windows: Sequence[Window]) -> np.ndarray:
        ids, mask, _ = pad(windows, pad_id=0)
        with torch.inference_mode():
            logits = placed(
                input_ids=torch.from_numpy(ids).to(device),
                attention_mask=torch.from_numpy(mask).to(device),
            ).logits
        found: np.ndarray = logits.float().cpu().numpy()
        return found

    return run


def timed(run: Run, windows: Sequence[Window], repeats: int) -> list[float]:
    for _ in range(3):
        run(windows)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run(windows)
        times.append(time.perf_counter() - started)
    return sorted(times)


def measured(
    run: Run, windows: Sequence[Window], *, repeats: int, bound_s: float
) -> dict[str, Any]:
    single = timed(run, windows[:1], repeats)
    best = 0.0
    for count in BATCHES:
        times = timed(run, windows[:count], max(5, repeats // 4))
        if times[-1] > bound_s:
            break
        best = max(best, count / statistics.median(times))
    return {
        "single_p50_ms": round(statistics.median(single) * 1000.0, 2),
        "single_p99_ms": round(single[int(0.99 * (len(single) - 1))] * 1000.0, 2),
        "texts_per_s": round(best, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--vocabulary", type=int, default=128_100)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--bound-ms", type=float, default=50.0)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    model = random_student(
        arguments.layers, arguments.hidden, arguments.heads, arguments.vocabulary
    )
    graph = fp32_graph(Student(model, pad_id=0, takes_types=False)).SerializeToString()
    session = OnnxSession(graph, pad_id=0, intra_op_threads=1, device=arguments.device)
    runs: dict[str, Run] = {"postern": session.run}
    runs["transformers"] = plain_transformers(model, arguments.device, torch.float32)
    rng = np.random.default_rng(0)
    windows = [
        Window(rng.integers(4, arguments.vocabulary, arguments.tokens), np.zeros(arguments.tokens))
        for _ in range(BATCHES[-1])
    ]
    probabilities = [
        harmful_probability(harmful_margin(run(windows[:8])), Calibration(temperature=1.0))
        for run in runs.values()
    ]
    options = {"repeats": arguments.repeats, "bound_s": arguments.bound_ms / 1000.0}
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "onnxruntime": onnxruntime.__version__,
        "torch": torch.__version__,
        "tokens": arguments.tokens,
        "parameters": sum(one.numel() for one in model.parameters()),
        "largest_difference": float(np.abs(probabilities[0] - probabilities[1]).max()),
    }
    for round_ in ("first", "second"):  # A B A B: drift shows as a difference between rounds
        for name, run in runs.items():
            result[f"{name}, {round_} round"] = measured(run, windows, **options)
    if arguments.device == "cuda":  # half the memory and twice the speed for a peer that may round
        half = plain_transformers(model, arguments.device, torch.bfloat16)
        result["transformers, bf16"] = measured(half, windows, **options)
    text = json.dumps(result, indent=2)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
