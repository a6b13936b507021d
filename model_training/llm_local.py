"""A causal language model of transformers that answers the calls of `llm.py` in this process."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LogitsProcessor,
    LogitsProcessorList,
    TopPLogitsWarper,
)

from app.contract.teacher_text import TOP_LOGPROBS
from model_training.errors import RecipeInvalid
from model_training.journal import Journal
from model_training.llm import Call, Finished, Reply
from model_training.stage_config import LocalConfig
from model_training.weights import fingerprint

_TOO_LONG: Final = 413  # as a server would say
_SETTINGS: Final = ("temperature", "top_p", "max_tokens", "logprobs")


class LocalBackend:
    """Answers in batches of like length; what a call draws depends on its own seed alone."""

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
        self._asked = fingerprint(config.model)

    @property
    def asked(self) -> str:
        return self._asked

    def require_continuation(self, journal: Journal) -> None:
        """A local model always continues: the prefix is the end of its text."""

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        """Hands over each batch as it is done. A text too long for the model is refused."""
        groups: defaultdict[tuple[Any, ...], list[tuple[Call, list[int]]]] = defaultdict(list)
        for call in calls:
            ids = self._ids(call)
            if len(ids) + call.body["max_tokens"] > self._longest:
                finished({call.key: Reply(refused=_TOO_LONG)})
            else:
                groups[tuple(call.body.get(name) for name in _SETTINGS)].append((call, ids))
        for group in groups.values():
            group.sort(key=lambda item: len(item[1]))
            for start in range(0, len(group), self._config.batch_rows):
                finished(dict(self._batch(group[start : start + self._config.batch_rows])))

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
        text = self._tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            continue_final_message=call.body.get("continue_final_message", False),
            add_generation_prompt=call.body.get("add_generation_prompt", True),
        )
        # The chat template has written the first token as well.
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    @torch.inference_mode()
    def _batch(self, batch: Sequence[tuple[Call, list[int]]]) -> Iterator[tuple[str, Reply]]:
        body = batch[0][0].body
        padded = self._tokenizer.pad(
            {"input_ids": [ids for _, ids in batch]}, return_tensors="pt"
        ).to(self._device)
        seeds = [call.body.get("seed", 0) for call, _ in batch]
        wants_logprobs = bool(body.get("logprobs"))
        out = self._model.generate(
            input_ids=padded["input_ids"],
            attention_mask=padded["attention_mask"],
            max_new_tokens=body["max_tokens"],
            do_sample=False,
            num_beams=1,
            pad_token_id=self._tokenizer.pad_token_id,
            logits_processor=_drawing(body, seeds, self._device),
            return_dict_in_generate=True,
            output_logits=wants_logprobs,
        )
        written = out.sequences[:, padded["input_ids"].shape[1] :]
        for row, (call, _) in enumerate(batch):
            ids, ended = self._until_end(written[row].tolist())
            tokens = self._choices(out.logits, row, ids) if wants_logprobs else ()
            yield (
                call.key,
                Reply(
                    text=self._tokenizer.decode(ids, skip_special_tokens=True),
                    finish="stop" if ended else "length",
                    tokens=tuple(tokens),
                ),
            )

    def _until_end(self, ids: list[int]) -> tuple[list[int], bool]:
        ends = self._model.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends or ())
        for index, token in enumerate(ids):
            if token in ends:
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
    """Gumbel noise from each row's own generator: the highest sum is a draw from the softmax.

    So a draw does not depend on what else is in the batch, nor on where a killed run stopped.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        noise = torch.stack(
            [
                torch.empty(scores.shape[1], device=scores.device).exponential_(generator=one)
                for one in self._generators
            ]
        )
        return scores.float() - noise.log()


class _Divided(LogitsProcessor):
    """Logits over the sampling temperature."""

    def __init__(self, temperature: float) -> None:
        self._temperature = temperature

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores.float() / self._temperature


def _drawing(
    body: dict[str, Any], seeds: Sequence[int], device: torch.device
) -> LogitsProcessorList:
    steps = LogitsProcessorList()
    if body.get("temperature", 0.0) > 0:
        steps.append(_Divided(body["temperature"]))
        if body.get("top_p", 1.0) < 1:
            steps.append(TopPLogitsWarper(body["top_p"]))
        steps.append(_SeededDraw(seeds, device))
    return steps


def load(kind: Any, name: str, **options: Any) -> Any:
    """A model or tokenizer of a folder or hub id. Raises RecipeInvalid in one line."""
    try:
        return kind.from_pretrained(name, **options)
    except (OSError, ValueError, KeyError, ImportError) as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise RecipeInvalid(f"{name}: cannot be loaded: {reason}") from exc
