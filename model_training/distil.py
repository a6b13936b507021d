"""The student loop: rows -> checkpoint. A killed run, resumed, ends with the same weights."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn import Dropout, Module
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from app.contract.errors import EmptyPrompt
from app.contract.exchange import SLICES
from app.contract.text import segments
from app.contract.windows import Encoding, Window, pad
from app.tokenizer import Tokenizer
from model_training.config import DistilConfig, RunConfig
from model_training.errors import RecipeInvalid
from model_training.losses import summed_cross_entropy
from model_training.rows import Row, dump_json, write_atomically
from model_training.sampling import Batch, draw, pack

CHECKPOINT = "checkpoint.safetensors"
BEST = "best.safetensors"
STUDENT = "student"
LOG = "training_log.jsonl"
_PAD_MULTIPLE = 16  # each new shape costs a compilation
_CHUNK_ROWS = 4096
_SAVE_EVERY_S = 120.0

Bag = tuple[Window, ...]
"""The windows of one text, which share its label: harmful if any of them is."""


@dataclass
class Progress:
    """Where a run stands; all that is not a tensor."""

    recipe: str
    step: int = 0
    best_auprc: float = -1.0
    evaluations_since_best: int = 0
    finished: bool = False


def resolve_base(base: str) -> str:
    """A folder or hub id as it is; a bundled encoder package as the folder it carries."""
    if Path(base).is_dir() or "/" in base:
        return base
    spec = importlib.util.find_spec(base.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise RecipeInvalid(f"base {base!r} is no folder, no hub id and no installed package")
    return str(Path(next(iter(spec.submodule_search_locations))) / "model")


def read_tokenizer(base: str, config: DistilConfig) -> tuple[Tokenizer, bytes]:
    """The serving tokenizer over the base's own vocabulary, and its `tokenizer.json`."""
    backend = AutoTokenizer.from_pretrained(resolve_base(base)).backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    content = backend.to_str().encode()
    tokenizer = Tokenizer(
        content, window_tokens=config.window_tokens, overlap_tokens=config.overlap_tokens
    )
    return tokenizer, content


def encode_rows(rows: Sequence[Row], tokenizer: Tokenizer) -> tuple[list[Row], list[Encoding]]:
    """Rows that hold something visible, and their encodings by the code that serves them."""
    kept, texts = [], []
    for row in rows:
        try:
            texts.append(segments(row.exchange))
        except EmptyPrompt:
            continue
        kept.append(row)
    return kept, tokenizer.encode_many(texts)


def distil(
    config: RunConfig, *, train: Sequence[Row], validation: Sequence[Row], run: Path
) -> Path:
    """Fine-tunes the base into a two-label student; returns the folder of the best one.

    Goes on from `run`'s checkpoint where there is one. Raises RecipeInvalid when that checkpoint
    belongs to another recipe or other rows.
    """
    settings = config.distil
    torch.manual_seed(settings.seed)
    _, tokenizer_json = read_tokenizer(settings.base, settings)
    served = Tokenizer(tokenizer_json, **config.windows.model_dump())
    trainer = _Trainer(
        settings,
        model=_load_base(settings),
        tokenizer_json=tokenizer_json,
        train=train,
        validation=_evaluation_rows(validation, settings, served),
        run=run,
    )
    trainer.resume()
    trainer.train()
    student = run / STUDENT
    trainer.save_best(student)
    (student / "tokenizer.json").write_bytes(tokenizer_json)
    return student


def _load_base(settings: DistilConfig) -> Any:
    model = AutoModelForSequenceClassification.from_pretrained(
        resolve_base(settings.base),
        num_labels=2,
        id2label={0: "unharmful", 1: "harmful"},
        label2id={"unharmful": 0, "harmful": 1},
        # On CPU the backward pass of fused attention costs more than the whole eager layer:
        # 4,067 against 7,755 tokens/s, two cores, bf16, 32 x 128 tokens.
        attn_implementation="eager",
    )
    for module in model.modules():
        # Dropout's random numbers take as long as the forward pass on CPU, and a student of this
        # size does not overfit a run of this length (LOG.md).
        if isinstance(module, Dropout):
            module.p = 0.0
    if settings.frozen_embeddings:
        # Words that the train pool never shows keep their place beside those that it does.
        model.get_input_embeddings().weight.requires_grad_(False)
    return model.float()


def _evaluation_rows(
    rows: Sequence[Row], settings: DistilConfig, tokenizer: Tokenizer
) -> tuple[list[Row], list[Encoding]]:
    order = np.random.default_rng(settings.seed).permutation(len(rows))
    return encode_rows([rows[i] for i in order[: settings.evaluation_rows]], tokenizer)


class _Trainer:
    def __init__(
        self,
        settings: DistilConfig,
        *,
        model: Any,
        tokenizer_json: bytes,
        train: Sequence[Row],
        validation: tuple[list[Row], list[Encoding]],
        run: Path,
    ) -> None:
        self.settings = settings
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.bf16 = _use_bf16(settings, self.device)
        self.model: Module = model.to(self.device)
        self.pad_id = int(model.config.pad_token_id or 0)
        self.takes_types = int(getattr(model.config, "type_vocab_size", 0) or 0) > 1
        self.rows = train
        self.validation = validation
        self.run = run
        rng = np.random.default_rng(settings.seed)
        self.labels, self.bags = draw_bags(train, settings, tokenizer_json, rng)
        self.batches = pack(
            np.arange(len(self.bags), dtype=np.int64),
            np.array([_longest(bag) for bag in self.bags], dtype=np.int64),
            batch_tokens=settings.batch_tokens,
            chunk_rows=_CHUNK_ROWS,
            multiple_of=_PAD_MULTIPLE,
            rng=rng,
        )
        self.mean_batch_rows = len(self.bags) / len(self.batches)
        self.optimizer = torch.optim.AdamW(
            _decay_groups(self.model, settings.weight_decay),
            lr=settings.learning_rate,
            fused=True,
        )
        self.progress = Progress(recipe=self._fingerprint())

    def train(self) -> None:
        n_steps = len(self.batches)
        evaluate_every = max(1, n_steps // self.settings.evaluations)
        saved_at = time.monotonic()
        bar = tqdm(total=n_steps, initial=self.progress.step, desc="distil", unit="step")
        while self.progress.step < n_steps and not self.progress.finished:
            step = self.progress.step
            started = time.monotonic()
            loss, tokens = self._step(self.batches[step], self._learning_rate(step, n_steps))
            self.progress.step += 1
            bar.update()
            bar.set_postfix(
                loss=f"{loss:.3f}", tokens_per_s=int(tokens / (time.monotonic() - started))
            )
            if step % 20 == 0:
                self._log(step=step, loss=round(loss, 5))
            if self.progress.step % evaluate_every == 0 or self.progress.step == n_steps:
                self._evaluate()
                self._save(CHECKPOINT)
            elif time.monotonic() - saved_at > _SAVE_EVERY_S:
                self._save(CHECKPOINT)
                saved_at = time.monotonic()
        bar.close()

    def _step(self, batch: Batch, learning_rate: float) -> tuple[float, int]:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        windows = self._most_harmful([self.bags[index] for index in batch])
        labels = torch.from_numpy(self.labels[batch])
        self.model.train()
        logits = self._logits(windows)
        loss = summed_cross_entropy(
            logits, labels.to(self.device), label_smoothing=self.settings.label_smoothing
        )
        (loss / self.mean_batch_rows).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item() / len(batch), sum(window.length for window in windows)

    def _most_harmful(self, bags: Sequence[Bag]) -> list[Window]:
        """The window of each bag that the student, as it is now, finds most harmful.

        It is the one that serving would judge by (the largest margin of a text's windows), so a
        harmful text learns where its harm is, and a harmless one learns from what alarms most:
        multiple-instance learning with max pooling.
        """
        several = [index for index, bag in enumerate(bags) if len(bag) > 1]
        chosen = [bag[0] for bag in bags]
        margins = [self._window_margins(group) for group in self._bag_groups(bags, several)]
        flat = iter(np.concatenate(margins)) if margins else iter(())
        for index in several:
            scores = [next(flat) for _ in bags[index]]
            chosen[index] = bags[index][int(np.argmax(scores))]
        return chosen

    def _bag_groups(self, bags: Sequence[Bag], indices: Sequence[int]) -> list[list[Window]]:
        flat = [(index, window) for index in indices for window in bags[index]]
        return [
            [window for _, window in group]
            for group in _token_groups(flat, self.settings.batch_tokens)
        ]

    @torch.no_grad()
    def _window_margins(self, windows: Sequence[Window]) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.model.eval()
        logits = self._logits(windows).cpu().numpy()
        margins: np.ndarray[Any, np.dtype[np.float32]] = logits[:, 1] - logits[:, 0]
        return margins

    def _logits(self, windows: Sequence[Window]) -> Tensor:
        ids, mask, types = pad(windows, pad_id=self.pad_id, multiple_of=_PAD_MULTIPLE)
        inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        if self.takes_types:
            inputs["token_type_ids"] = torch.from_numpy(types)
        inputs = {name: tensor.to(self.device) for name, tensor in inputs.items()}
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            logits: Tensor = self.model(**inputs).logits
        return logits.float()

    def _learning_rate(self, step: int, n_steps: int) -> float:
        warmup = max(1, math.ceil(n_steps * self.settings.warmup_share))
        decay = (n_steps - step) / max(1, n_steps - warmup)
        return self.settings.learning_rate * min((step + 1) / warmup, decay)

    def _evaluate(self) -> None:
        rows, encodings = self.validation
        margins = self.margins(encodings)
        labels = np.array([row.label for row in rows])
        slices = np.array([row.slice for row in rows])
        auprc = {
            name: float(average_precision_score(labels[slices == name], margins[slices == name]))
            for name in SLICES
            if len(set(labels[slices == name])) == 2
        }
        mean = float(np.mean(list(auprc.values()))) if auprc else 0.0
        self._log(step=self.progress.step, validation_auprc=auprc, mean=mean)
        if mean > self.progress.best_auprc:
            self.progress.best_auprc, self.progress.evaluations_since_best = mean, 0
            self._save(BEST, with_optimizer=False)
        else:
            self.progress.evaluations_since_best += 1
        self.progress.finished = self.progress.evaluations_since_best >= self.settings.patience

    def margins(self, encodings: Sequence[Encoding]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(n,) harmful minus unharmful logit of each exchange's most harmful window."""
        flat = [(index, w) for index, encoding in enumerate(encodings) for w in encoding.windows]
        flat.sort(key=lambda item: item[1].length)
        margins = np.full(len(encodings), -np.inf)
        for group in _token_groups(flat, self.settings.batch_tokens):
            scores = self._window_margins([window for _, window in group])
            np.maximum.at(margins, [index for index, _ in group], scores)
        return margins

    def _log(self, **values: object) -> None:
        with (self.run / LOG).open("a") as file:
            file.write(json.dumps(values) + "\n")

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(self.settings.model_dump_json().encode())
        for row in self.rows:
            digest.update(row.model_dump_json().encode("utf-8", "replace"))
        return digest.hexdigest()

    def _save(self, name: str, *, with_optimizer: bool = True) -> None:
        tensors = {f"model.{key}": value for key, value in self.model.state_dict().items()}
        if with_optimizer:
            for index, state in self.optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
        partial = self.run / f".{name}.partial"
        save_file(
            {key: value.contiguous() for key, value in tensors.items()},
            partial,
            metadata={"progress": json.dumps(asdict(self.progress))},
        )
        partial.replace(self.run / name)

    def resume(self) -> None:
        path = self.run / CHECKPOINT
        self.run.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            return
        optimizer_state: dict[int, dict[str, Tensor]] = {}
        model_state: dict[str, Tensor] = {}
        with safe_open(path, framework="pt") as file:
            progress = Progress(**json.loads(file.metadata()["progress"]))
            if progress.recipe != self.progress.recipe:
                raise RecipeInvalid(f"{path} belongs to another recipe or other rows; remove it")
            for key in list(file.keys()):
                kind, _, rest = key.partition(".")
                if kind == "model":
                    model_state[rest] = file.get_tensor(key)
                else:
                    index, _, name = rest.partition(".")
                    optimizer_state.setdefault(int(index), {})[name] = file.get_tensor(key)
        self.model.load_state_dict(model_state)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": optimizer_state, "param_groups": groups})
        self.progress = progress

    def save_best(self, student: Path) -> None:
        with safe_open(self.run / BEST, framework="pt") as file:
            state = {key.removeprefix("model."): file.get_tensor(key) for key in list(file.keys())}
        self.model.load_state_dict(state)
        self.model.to("cpu").save_pretrained(student)  # type: ignore[operator]
        write_atomically(student / "training.json", dump_json(asdict(self.progress)))


def draw_bags(
    rows: Sequence[Row],
    settings: DistilConfig,
    tokenizer_json: bytes,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.int64], list[Bag]]:
    """(n,) labels and, for each draw, the windows of its text in a length drawn for it.

    n is `n_draws` less the draws of rows that hold nothing visible.
    """
    draws = draw(
        [(row.slice, row.label, row.source) for row in rows],
        n_draws=settings.n_draws,
        pair_share=settings.pair_share,
        source_exponent=settings.source_exponent,
        source_weights=settings.source_weights,
        rng=rng,
    )
    longest = settings.window_tokens
    shortest = settings.shortest_window_tokens or longest
    lengths = rng.choice(np.arange(longest, shortest - 1, -_PAD_MULTIPLE), size=len(draws))
    bags: list[Bag | None] = [None] * len(draws)
    for length in np.unique(lengths):
        tokenizer = Tokenizer(
            tokenizer_json,
            window_tokens=int(length),
            overlap_tokens=int(length) * settings.overlap_tokens // longest,
        )
        places = np.flatnonzero(lengths == length)
        kept, texts = [], []
        for place in places:
            try:
                texts.append(segments(rows[draws[place]].exchange))
            except EmptyPrompt:
                continue
            kept.append(place)
        for place, encoding in zip(kept, tokenizer.encode_many(texts), strict=True):
            bag = encoding.windows
            if len(bag) > settings.bag_windows:
                some = np.sort(rng.choice(len(bag), size=settings.bag_windows, replace=False))
                bag = tuple(bag[index] for index in some)
            bags[place] = bag
    labels = np.array(
        [rows[index].label for index, bag in zip(draws, bags, strict=True) if bag is not None],
        dtype=np.int64,
    )
    return labels, [bag for bag in bags if bag is not None]


def _longest(bag: Bag) -> int:
    return max(window.length for window in bag)


def _token_groups(
    flat: list[tuple[int, Window]], batch_tokens: int
) -> Iterator[list[tuple[int, Window]]]:
    """Runs of windows of at most `batch_tokens` padded tokens; those of like length waste least."""
    group: list[tuple[int, Window]] = []
    longest = 0
    for item in flat:
        longest = max(longest, item[1].length)
        if group and (len(group) + 1) * longest > batch_tokens:
            yield group
            group, longest = [], item[1].length
        group.append(item)
    if group:
        yield group


def _decay_groups(model: Module, weight_decay: float) -> list[dict[str, Any]]:
    """No decay on biases and normalization weights, which are the one-dimensional ones."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def _use_bf16(settings: DistilConfig, device: torch.device) -> bool:
    if settings.precision != "auto":
        return settings.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
