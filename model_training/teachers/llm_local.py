"""A causal language model of transformers in this process, which answers the calls of `llm.py`."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from jinja2 import TemplateError
from postern.contract.teacher_text import TOP_LOGPROBS
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from model_training.errors import RecipeInvalid
from model_training.recipe.augmentation import LocalConfig
from model_training.run.journal import Journal
from model_training.teachers.decoding import Decoded, Decoder, join, select
from model_training.teachers.drawing import draw
from model_training.teachers.fingerprint import local_asked
from model_training.teachers.llm import Call, Finished, Reply

_TOO_LONG: Final = 413  # like the status of a server
_SLICE_TOKENS: Final = 8
"""Tokens after which rows that ended leave their batch, which copies what is kept of the others."""
_READ_TOKENS: Final = 4096
"""Tokens that are read in one forward pass, unless one text is longer: bounds its memory."""
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
        model = load(AutoModelForCausalLM, config.model, dtype=self._dtype())
        if model._is_stateful:
            raise RecipeInvalid(f"{config.model}: keeps a state that is not of keys and values")
        self._model = model.to(self._device).eval()
        self._decoder = Decoder(self._model)
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
            self._write(self._rows(group), finished)
        if refused:
            finished(refused)

    def _rows(self, calls: Sequence[tuple[Call, list[int]]]) -> deque[list[_Row]]:
        """Rows of similar length one after another, and those of one text together, as far as they
        fit into a batch.
        """
        same: defaultdict[tuple[int, ...], list[_Row]] = defaultdict(list)
        for call, ids in calls:
            same[tuple(ids)].append(_Row(call, ids, self._generator(call)))
        size = self._config.batch_rows
        return deque(
            rows[start : start + size]
            for _, rows in sorted(same.items(), key=lambda item: len(item[0]))
            for start in range(0, len(rows), size)
        )

    def _write(self, fresh: deque[list[_Row]], finished: Finished) -> None:
        """Write up to `batch_rows` rows at once. Rows that end make room for fresh ones.

        fresh: rows with the same text together, which is then read once.
        """
        going: list[_Row] = []
        batches: list[Decoded] = []
        while fresh or going:
            while fresh and len(going) + len(fresh[0]) <= self._config.batch_rows:
                admitted = self._admit(fresh, self._config.batch_rows - len(going))
                going += [row for same in admitted for row in same]
                batches.append(
                    self._decoder.read([same[0].ids for same in admitted], [*map(len, admitted)])
                )
            batch = self._slice(going, join(batches))
            ended = {row.call.key: self._reply(row) for row in going if row.finish is not None}
            kept = [place for place, row in enumerate(going) if row.finish is None]
            going = [going[place] for place in kept]
            batches = [select(batch, kept)] if kept else []
            if ended:
                finished(ended)

    def _admit(self, fresh: deque[list[_Row]], room: int) -> list[list[_Row]]:
        """The next texts, with so many rows together, for one forward pass."""
        admitted: list[list[_Row]] = []
        longest = 0
        while fresh and len(fresh[0]) <= room:
            longest = max(longest, len(fresh[0][0].ids))
            if admitted and longest * (len(admitted) + 1) > _READ_TOKENS:
                break
            room -= len(fresh[0])
            admitted.append(fresh.popleft())
        return admitted

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

    def _slice(self, rows: Sequence[_Row], batch: Decoded) -> Decoded:
        """Write up to `_SLICE_TOKENS` tokens of each row. batch: what has been read of them."""
        for _ in range(_SLICE_TOKENS):
            tokens = self._drawn(rows, batch.logits)
            if all(row.finish is not None for row in rows):
                break  # nobody needs the logits behind the last token
            batch = self._decoder.append(batch, tokens)
        return batch

    @torch.inference_mode()
    def _drawn(self, rows: Sequence[_Row], logits: Tensor) -> Tensor:
        """Draw the next token of each row that has not ended. Returns (n,) int64."""
        going = [place for place, row in enumerate(rows) if row.finish is None]
        body = rows[0].call.body
        found = draw(
            logits if len(going) == len(rows) else logits[going],
            [rows[place].generator for place in going],
            temperature=body.get("temperature", 0.0),
            top_p=body.get("top_p", 1.0),
        )
        tokens = torch.zeros(len(rows), dtype=torch.int64, device=logits.device)
        tokens[going] = found
        for place, token in zip(going, found.tolist(), strict=True):
            row = rows[place]
            if token in self._ends:
                row.finish = "stop"
                continue
            row.written.append(token)
            if body.get("logprobs"):
                row.tokens.append(self._choice(logits[place], token))
            if len(row.written) >= body["max_tokens"]:
                row.finish = "length"
        return tokens

    def _reply(self, row: _Row) -> Reply:
        return Reply(
            text=self._tokenizer.decode(row.written, skip_special_tokens=True),
            finish=row.finish,
            tokens=tuple(row.tokens),
            prompt_tokens=len(row.ids),
            written_tokens=len(row.written),
        )

    def _choice(self, logits: Tensor, token: int) -> tuple[str, dict[str, float]]:
        logps = torch.log_softmax(logits.float(), dim=-1)
        values, places = logps.topk(min(TOP_LOGPROBS, len(logps)))
        top: dict[str, float] = {}
        for logp, place in zip(values.tolist(), places.tolist(), strict=True):
            word = self._tokenizer.decode([place])
            top[word] = math.log(math.exp(top.get(word, -math.inf)) + math.exp(logp))
        return self._tokenizer.decode([token]), top


def load(kind: Any, name: str, **options: Any) -> Any:
    """Load a model or tokenizer from a folder or hub id. Raises RecipeInvalid with one line."""
    try:
        return kind.from_pretrained(name, **options)
    except (OSError, ValueError, KeyError, ImportError) as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise RecipeInvalid(f"{name}: cannot be loaded: {reason}") from exc
