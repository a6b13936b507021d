"""A causal language model of transformers in this process, which answers the calls of `llm.py`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from jinja2 import TemplateError
from postern.contract.teacher_text import TOP_LOGPROBS
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LogitsProcessor,
    LogitsProcessorList,
    TopPLogitsWarper,
)

from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import LocalConfig
from model_training.run.journal import Journal
from model_training.teachers.fingerprint import local_asked
from model_training.teachers.llm import Call, Finished, Reply

_TOO_LONG: Final = 413  # like the status of a server
_SLICE_TOKENS: Final = 16
_SETTINGS: Final = ("temperature", "top_p", "max_tokens", "logprobs")


@dataclass
class _Row:
    """A call under way: the ids of its prompt, and the ids written so far."""

    call: Call
    ids: list[int]
    generator: torch.Generator
    written: list[int] = field(default_factory=list)
    tokens: list[tuple[str, dict[str, float]]] = field(default_factory=list)
    finish: str | None = None


class LocalBackend:
    """Answers in batches of similar length; a call's draws depend only on its own seed."""

    def __init__(self, config: LocalConfig) -> None:
        self._config = config
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer: Any = load(AutoTokenizer, config.model)
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        model = load(AutoModelForCausalLM, config.model, dtype=self._dtype())
        self._model = model.to(self._device).eval()
        self._longest = getattr(model.config, "max_position_embeddings", None) or math.inf
        ends = model.generation_config.eos_token_id
        self._ends = {ends} if isinstance(ends, int) else set(ends or ())
        self._asked = local_asked(config)

    @property
    def asked(self) -> str:
        return self._asked

    def require_continuation(self, journal: Journal) -> None:
        """A local model always continues: the prefix is the end of its text."""

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        """Pass on each batch as it finishes. A text too long for the model is refused after all
        others are answered, because early refusals would look as if every call were refused.
        """
        refused: dict[str, Reply] = {}
        groups: defaultdict[tuple[Any, ...], list[tuple[Call, list[int]]]] = defaultdict(list)
        for call in calls:
            ids = self._ids(call)
            if len(ids) + call.body["max_tokens"] > self._longest:
                refused[call.key] = Reply(refused=_TOO_LONG)
            else:
                groups[tuple(call.body.get(name) for name in _SETTINGS)].append((call, ids))
        for group in groups.values():
            group.sort(key=lambda item: len(item[1]))
            self._write([_Row(call, ids, self._generator(call)) for call, ids in group], finished)
        if refused:
            finished(refused)

    def _write(self, fresh: list[_Row], finished: Finished) -> None:
        """Write batches of rows, a slice of tokens at a time.

        Rows that end leave their batch after the slice, and unfinished rows form new batches,
        because a batch that waits for its longest row computes mostly padding.
        """
        going: list[_Row] = []
        n_rows = self._config.batch_rows
        while fresh or going:
            if len(going) >= n_rows or not fresh:
                going.sort(key=lambda row: len(row.ids) + len(row.written))
                batch, going = going[-n_rows:], going[:-n_rows]
            else:
                batch, fresh = fresh[:n_rows], fresh[n_rows:]
            self._slice(batch)
            ended = {row.call.key: self._reply(row) for row in batch if row.finish is not None}
            going += [row for row in batch if row.finish is None]
            if ended:
                finished(ended)

    def _generator(self, call: Call) -> torch.Generator:
        return torch.Generator(self._device).manual_seed(call.body.get("seed", 0))

    def _dtype(self) -> torch.dtype:
        if self._config.dtype == "auto":
            return torch.bfloat16 if self._device.type == "cuda" else torch.float32
        found: torch.dtype = getattr(torch, self._config.dtype)
        return found

    def _ids(self, call: Call) -> list[int]:
        if call.endpoint == "completions":
            return list(self._tokenizer(call.body["prompt"])["input_ids"])
        messages = call.body["messages"]
        if self._tokenizer.chat_template is None:
            text = "\n\n".join(message["content"] for message in messages)
            return list(self._tokenizer(text)["input_ids"])
        try:
            text = self._tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                continue_final_message=call.body.get("continue_final_message", False),
                add_generation_prompt=call.body.get("add_generation_prompt", True),
            )
        except (TemplateError, ValueError) as exc:  # for example, without a system role
            roles = ", ".join(message["role"] for message in messages)
            raise RecipeInvalid(
                f"{self._config.model}: its chat template accepts no messages of {roles}"
            ) from exc
        # The chat template has already written the first token.
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    @torch.inference_mode()
    def _slice(self, batch: Sequence[_Row]) -> None:
        """Write further tokens for each row, at most as many as the row nearest its limit may
        have.
        """
        body = batch[0].call.body
        padded = self._tokenizer.pad(
            {"input_ids": [row.ids + row.written for row in batch]}, return_tensors="pt"
        ).to(self._device)
        left = body["max_tokens"] - max(len(row.written) for row in batch)
        wants_logprobs = bool(body.get("logprobs"))
        out = self._model.generate(
            input_ids=padded["input_ids"],
            attention_mask=padded["attention_mask"],
            max_new_tokens=min(_SLICE_TOKENS, left),
            do_sample=False,
            num_beams=1,
            pad_token_id=self._tokenizer.pad_token_id,
            logits_processor=_drawing(body, [row.generator for row in batch]),
            return_dict_in_generate=True,
            output_logits=wants_logprobs,
        )
        written = out.sequences[:, padded["input_ids"].shape[1] :].tolist()
        for index, row in enumerate(batch):
            ids, ended = self._until_end(written[index])
            row.written += ids
            if wants_logprobs:
                row.tokens += self._choices(out.logits, index, ids)
            if ended:
                row.finish = "stop"
            elif len(row.written) >= body["max_tokens"]:
                row.finish = "length"

    def _reply(self, row: _Row) -> Reply:
        return Reply(
            text=self._tokenizer.decode(row.written, skip_special_tokens=True),
            finish=row.finish,
            tokens=tuple(row.tokens),
        )

    def _until_end(self, ids: list[int]) -> tuple[list[int], bool]:
        for index, token in enumerate(ids):
            if token in self._ends:
                return ids[:index], True
        return ids, False

    def _choices(
        self, logits: Sequence[Tensor], row: int, ids: Sequence[int]
    ) -> Iterator[tuple[str, dict[str, float]]]:
        for step, token in enumerate(ids):
            logps = torch.log_softmax(logits[step][row].float(), dim=-1)
            values, places = logps.topk(min(TOP_LOGPROBS, len(logps)))
            top: dict[str, float] = {}
            for logp, place in zip(values.tolist(), places.tolist(), strict=True):
                word = self._tokenizer.decode([place])
                top[word] = math.log(math.exp(top.get(word, -math.inf)) + math.exp(logp))
            yield self._tokenizer.decode([token]), top


class _SeededDraw(LogitsProcessor):
    """Adds Gumbel noise from each row's own generator: the highest sum is a draw from the softmax.

    So a draw does not depend on what else is in the batch, nor on where a killed run stopped.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self._generators = generators

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        noise = torch.stack(
            [
                torch.empty(scores.shape[1], device=scores.device).exponential_(generator=one)
                for one in self._generators
            ]
        )
        return scores.float() - noise.log()


class _Divided(LogitsProcessor):
    """Divides logits by the sampling temperature."""

    def __init__(self, temperature: float) -> None:
        self._temperature = temperature

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores.float() / self._temperature


def _drawing(body: dict[str, Any], generators: Sequence[torch.Generator]) -> LogitsProcessorList:
    steps = LogitsProcessorList()
    if body.get("temperature", 0.0) > 0:
        steps.append(_Divided(body["temperature"]))
        if body.get("top_p", 1.0) < 1:
            steps.append(TopPLogitsWarper(body["top_p"]))
        steps.append(_SeededDraw(generators))
    return steps


def load(kind: Any, name: str, **options: Any) -> Any:
    """Load a model or tokenizer from a folder or hub id. Raises RecipeInvalid with one line."""
    try:
        return kind.from_pretrained(name, **options)
    except (OSError, ValueError, KeyError, ImportError) as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise RecipeInvalid(f"{name}: cannot be loaded: {reason}") from exc
