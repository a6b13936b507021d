"""Sequence classifiers with two labels as a teacher: one, or an ensemble averaged in logit
space."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from postern.contract.errors import EmptyPrompt
from postern.contract.exchange import Exchange
from postern.contract.probability import Floats
from postern.contract.text import segments
from postern.contract.windows import Window, pad
from postern.inference.tokenizer import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import ClassifierTeacher, Precision
from model_training.recipe.config import WindowConfig
from model_training.run.journal import Journal
from model_training.student.encoders import computes_in_bf16, position_limit
from model_training.teachers.fingerprint import classifier_asked
from model_training.teachers.llm import Call, Finished, Reply
from model_training.teachers.llm_local import load
from model_training.teachers.shards import Reads, exchange_of, planned, reads_of


class _Encoder(Protocol):
    def windows(self, exchange: Exchange) -> tuple[Window, ...]:
        """At least one window. Raises EmptyPrompt."""


class MarginBackend:
    """Answers with margins, a shard at a time.

    margins: (n,) of n exchanges, NaN if there is nothing to read. reads: whether there is
    something. threads: of torch while it answers; None: as many as it has.
    """

    def __init__(
        self,
        asked: str,
        margins: Callable[[Sequence[Exchange]], Floats],
        *,
        reads: Reads,
        threads: int | None = None,
    ) -> None:
        self._asked, self._margins = asked, margins
        self._reads, self._threads = reads, threads

    @property
    def asked(self) -> str:
        return self._asked

    def require_continuation(self, journal: Journal) -> None:
        raise RecipeInvalid("a classifier writes no text")

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        """Pass on a shard's replies at a time. Text without anything visible is refused."""
        plan = planned(calls, self._reads)
        with on_threads(self._threads):
            for shard in plan.shards:
                margins = self._margins([exchange_of(call) for call in shard])
                finished(
                    {
                        call.key: Reply(margin=float(margin))
                        for call, margin in zip(shard, margins, strict=True)
                    }
                )
        if plan.refused:
            finished(plan.refused)


def default_threads() -> int:
    """Torch's own choice."""
    return torch.get_num_threads()


@contextmanager
def on_threads(count: int | None) -> Iterator[None]:
    """Torch has so many threads inside. Their number may decide the last bits of a result."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class ClassifierBackend(MarginBackend):
    """The margin of each call: the mean over members of their most harmful window's margin."""

    def __init__(self, config: ClassifierTeacher, *, threads: int | None = None) -> None:
        windows = WindowConfig(
            window_tokens=config.window_tokens, overlap_tokens=config.overlap_tokens
        )
        members = [
            ClassifierMember(
                folder,
                windows,
                format=config.format,
                batch_tokens=config.batch_tokens,
                precision=config.precision,
            )
            for folder in config.folders
        ]
        super().__init__(
            classifier_asked(config),
            lambda exchanges: np.mean([one.margins(exchanges) for one in members], axis=0),
            reads=reads_of(config),
            threads=threads,
        )


class ClassifierMember:
    """One classifier, with windows of its own. precision: that of the forward pass."""

    def __init__(
        self,
        folder: str,
        windows: WindowConfig,
        *,
        format: Literal["pair", "student"],
        batch_tokens: int,
        precision: Precision = "fp32",
    ) -> None:
        self._batch_tokens = batch_tokens
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._bf16 = computes_in_bf16(precision, self._device)
        model = load(AutoModelForSequenceClassification, folder)
        if model.config.num_labels != 2:
            raise RecipeInvalid(f"{folder}: has {model.config.num_labels} labels, not two")
        limit = position_limit(model, pad_multiple=1)
        if limit is not None and windows.window_tokens > limit:
            raise RecipeInvalid(
                f"{folder}: has positions for {limit} tokens, not for the {windows.window_tokens} "
                "of window_tokens"
            )
        # Weights in single precision: in half precision, DeBERTa has given NaN.
        self._model = model.float().to(self._device).eval()
        self._takes_types = "token_type_ids" in inspect.signature(model.forward).parameters
        self._pad_id = model.config.pad_token_id or 0
        self._encoder: _Encoder = (
            _StudentEncoder(Path(folder), windows)
            if format == "student"
            else _PairEncoder(folder, windows.window_tokens)
        )

    def margins(self, exchanges: Sequence[Exchange]) -> Floats:
        """(n,) harmful minus unharmful logit; NaN if there is nothing to read.

        Raises RecipeInvalid if the model itself gives a non-finite number.
        """
        flat: list[tuple[int, Window]] = []
        highest = np.full(len(exchanges), np.nan)
        for index, exchange in enumerate(exchanges):
            try:
                flat += [(index, window) for window in self._encoder.windows(exchange)]
            except EmptyPrompt:
                continue
        flat.sort(key=lambda item: item[1].length)
        for batch in self._batches(flat):
            found = self._forward([window for _, window in batch])
            if not np.isfinite(found).all():
                raise RecipeInvalid("a classifier of the teacher gives numbers that are not finite")
            np.fmax.at(highest, [index for index, _ in batch], found)
        return highest

    def _batches(self, flat: Sequence[tuple[int, Window]]) -> Iterator[list[tuple[int, Window]]]:
        batch: list[tuple[int, Window]] = []
        for item in flat:
            if batch and (len(batch) + 1) * item[1].length > self._batch_tokens:
                yield batch
                batch = []
            batch.append(item)
        if batch:
            yield batch

    @torch.inference_mode()
    def _forward(self, windows: Sequence[Window]) -> Floats:
        ids, mask, types = (
            torch.from_numpy(part).to(self._device) for part in pad(windows, pad_id=self._pad_id)
        )
        inputs = {"input_ids": ids, "attention_mask": mask}
        if self._takes_types:
            inputs["token_type_ids"] = types
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
            logits = self._model(**inputs).logits.double().cpu().numpy()
        margins: Floats = logits[:, 1] - logits[:, 0]
        return margins


class _StudentEncoder:
    """Text and windows as in training and serving of our own students."""

    def __init__(self, folder: Path, windows: WindowConfig) -> None:
        try:
            content = (folder / "tokenizer.json").read_bytes()
        except OSError as exc:
            raise RecipeInvalid(f"{folder}: has no tokenizer.json") from exc
        self._tokenizer = Tokenizer(content, **windows.model_dump())

    def windows(self, exchange: Exchange) -> tuple[Window, ...]:
        return self._tokenizer.encode(segments(exchange)).windows


class _PairEncoder:
    """`tokenizer(prompt, response)` of the unchanged text, cut at the end: one window."""

    def __init__(self, folder: str, window_tokens: int) -> None:
        self._tokenizer = load(AutoTokenizer, folder)
        self._window_tokens = window_tokens

    def windows(self, exchange: Exchange) -> tuple[Window, ...]:
        if not exchange.prompt.strip():
            raise EmptyPrompt
        found = self._tokenizer(
            exchange.prompt,
            exchange.response,
            truncation=True,
            max_length=self._window_tokens,
            return_token_type_ids=True,
        )
        ids = np.array(found["input_ids"], dtype=np.int64)
        types = np.array(found["token_type_ids"], dtype=np.int64)
        return (Window(ids, types),)
