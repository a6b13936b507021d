"""Trains the generator, a small causal language model, on prompts of the train split.

A training that was killed and resumed ends with the same weights: the examples of each step are
drawn before it begins, and dropout depends only on the step.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter
from tqdm import tqdm

from model_training.augmentation.generator_model import (
    NOT_LEARNT,
    composition,
    is_published,
    publish,
    tensors,
    untrained,
)
from model_training.augmentation.generator_text import (
    Encoded,
    Example,
    encode,
    examples_of,
    hold_out,
    train_tokenizer,
)
from model_training.data.rows import Row, naming
from model_training.data.sampling import Batch, draw, pack
from model_training.errors import DataInvalid, GateFailed
from model_training.recipe.augmentation import GenerateConfig, text_settings
from model_training.recipe.generator import GENERATOR, GeneratorConfig
from model_training.student import checkpoints
from model_training.student.checkpoints import Progress
from model_training.student.encoders import decay_groups

CHECKPOINT: Final = "generator_checkpoint.safetensors"
LOG: Final = "generator_log.jsonl"
_SAVE_EVERY_S: Final = 120.0
_LOG_EVERY: Final = 20
_MULTIPLE: Final = 4
_CHUNK_ROWS: Final = 4096


def train_generator(
    config: GeneratorConfig,
    generate: GenerateConfig,
    *,
    train: Sequence[Row],
    styles: Mapping[str, str],
    run: Path,
) -> Path:
    """Train tokenizer and model on the train split, and return the folder of both.

    Continues from `run`'s checkpoint if there is one. Raises RecipeInvalid if that checkpoint
    belongs to another recipe or other rows, DataInvalid if there is nothing to learn from,
    GateFailed if the loss is not finite.
    """
    run.mkdir(parents=True, exist_ok=True)
    recipe = checkpoints.fingerprint(
        config, train, text=json.dumps(text_settings(generate), sort_keys=True)
    )
    if is_published(run, recipe):
        return run / GENERATOR
    learnt, held_out = hold_out(examples_of(train, styles, config), config.held_out_share)
    tokenizer = train_tokenizer(learnt, config, generate)
    encoded = [encode(part, tokenizer, generate, seed=config.seed) for part in (learnt, held_out)]
    torch.manual_seed(config.seed)
    trainer = _Trainer(
        config,
        model=untrained(config, tokenizer),
        examples=learnt,
        encoded=encoded[0],
        held_out=list(zip(held_out, encoded[1], strict=True)),
        recipe=recipe,
        run=run,
    )
    trainer.resume()
    trainer.train()
    report = {"recipe": recipe} | composition(learnt, encoded[0]) | trainer.report()
    return publish(trainer.model, tokenizer, report, run)


class _Trainer:
    def __init__(
        self,
        config: GeneratorConfig,
        *,
        model: Any,
        examples: Sequence[Example],
        encoded: Sequence[Encoded],
        held_out: Sequence[tuple[Example, Encoded]],
        recipe: str,
        run: Path,
    ) -> None:
        self.config = config
        self.model = model
        # Compute with a copy in bfloat16: casting at each product costs as much as it saves.
        self.working = copy.deepcopy(model).bfloat16() if config.bf16 else model
        self.run = run
        fits = [i for i, one in enumerate(encoded) if len(one.ids) <= config.longest_tokens]
        if not fits:
            raise DataInvalid("no prompt of the train split fits `generator.longest_tokens`")
        self.encoded = [encoded[index] for index in fits]
        self.held_out = [pair for pair in held_out if len(pair[1].ids) <= config.longest_tokens]
        self.steps = _steps([examples[index] for index in fits], self.encoded, config)
        groups = decay_groups(model, config.weight_decay)
        self.optimizer = torch.optim.AdamW(
            groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=True
        )
        self.progress = Progress(recipe=recipe)

    def resume(self) -> None:
        """Continue from the checkpoint if there is one. Raises RecipeInvalid."""
        path = self.run / CHECKPOINT
        if path.exists():
            recipe = self.progress.recipe
            self.progress = checkpoints.load(path, self.model, self.optimizer, recipe=recipe)
        self._refresh()

    def train(self) -> None:
        n_steps, saved_at = len(self.steps), time.monotonic()
        evaluate_every = max(1, n_steps // self.config.evaluations)
        with tqdm(desc=GENERATOR, unit="step", total=n_steps, initial=self.progress.step) as bar:
            while self.progress.step < n_steps:
                started = time.monotonic()
                loss, n_tokens = self._step(self.steps[self.progress.step])
                self.progress.step += 1
                rate = int(n_tokens / (time.monotonic() - started))
                bar.update()
                bar.set_postfix(loss=f"{loss:.3f}", tokens_per_s=rate)
                if self.progress.step % _LOG_EVERY == 0:
                    self._log(loss=round(loss, 5), tokens_per_s=rate)
                measured = self.progress.step % evaluate_every == 0
                if measured or self.progress.step == n_steps:
                    self._log(**self.report())
                if measured or time.monotonic() - saved_at > _SAVE_EVERY_S:
                    self._save()
                    saved_at = time.monotonic()
        self._save()

    def report(self) -> dict[str, Any]:
        """Perplexity per token and bits per byte of the held-out prompts, by intent."""
        found: dict[str, Any] = {}
        for intent in ("harmful", "benign"):
            pairs = [pair for pair in self.held_out if pair[0].intent == intent]
            if not pairs:
                continue
            order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][1].ids))
            nats, n_tokens = 0.0, 0
            self.working.eval()
            with torch.no_grad():
                for first in range(0, len(order), 64):
                    chosen = [pairs[index][1] for index in order[first : first + 64]]
                    loss, n = self._loss(chosen)
                    nats, n_tokens = nats + loss.item(), n_tokens + n
            n_bytes = sum(len(example.text.encode()) for example, _ in pairs)
            found[intent] = {
                "prompts": len(pairs),
                "perplexity": round(math.exp(nats / n_tokens), 3),
                "bits_per_byte": round(nats / math.log(2) / n_bytes, 4),
            }
        return {"held_out": found}

    def _step(self, batch: Batch) -> tuple[float, int]:
        """One step: mean loss in nats per token, tokens read. Raises GateFailed."""
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        torch.manual_seed(self.config.seed * 2**32 + self.progress.step)
        self.working.train()
        chosen = [self.encoded[index] for index in batch]
        loss, n = self._loss(chosen)
        mean = loss / n
        if not math.isfinite(mean.item()):
            raise GateFailed(
                f"the loss of step {self.progress.step} is not finite; lower "
                "`generator.learning_rate`, or set `bf16 = false`"
            )
        mean.backward()  # type: ignore[no-untyped-call]
        self._update()
        return mean.item(), sum(len(one.ids) for one in chosen)

    def _update(self) -> None:
        for weights, working in self._pairs():
            if weights is not working and working.grad is not None:
                weights.grad, working.grad = working.grad.float(), None
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._refresh()

    @torch.no_grad()
    def _refresh(self) -> None:
        for weights, working in self._pairs():
            if weights is not working:
                working.copy_(weights)

    def _pairs(self) -> Iterator[tuple[Parameter, Parameter]]:
        return zip(self.model.parameters(), self.working.parameters(), strict=True)

    def _loss(self, chosen: Sequence[Encoded]) -> tuple[Tensor, int]:
        """Cross-entropy in nats, summed over the tokens after each prefix, and their number."""
        ids, wanted = tensors(chosen)
        # Padding needs no mask: it is on the right, where no training target attends.
        hidden = self.working.transformer(input_ids=ids)[0][:, :-1]
        learnt = wanted[:, 1:] != NOT_LEARNT
        # The head costs as much as two layers, so compute it only for training targets.
        logits = self.working.lm_head(hidden[learnt])
        loss = torch.nn.functional.cross_entropy(
            logits.float(), wanted[:, 1:][learnt], reduction="sum"
        )
        return loss, int(learnt.sum())

    def _learning_rate(self) -> float:
        """Linear warm-up, then cosine decay to zero."""
        n_steps, step = len(self.steps), self.progress.step
        warmup = max(1, math.ceil(n_steps * self.config.warmup_share))
        if step < warmup:
            return self.config.learning_rate * (step + 1) / warmup
        done = (step - warmup) / max(1, n_steps - warmup)
        return self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def _log(self, **values: object) -> None:
        with naming(self.run / LOG), (self.run / LOG).open("a") as file:
            file.write(json.dumps({"step": self.progress.step, **values}) + "\n")

    def _save(self) -> None:
        checkpoints.save(self.run / CHECKPOINT, self.model, self.progress, optimizer=self.optimizer)


def _steps(
    examples: Sequence[Example], encoded: Sequence[Encoded], config: GeneratorConfig
) -> list[Batch]:
    """The examples of each step: both intents equally often, sources by their size."""
    rng = np.random.default_rng(config.seed)
    draws = draw(
        [("prompt", int(one.intent == "harmful"), one.source) for one in examples],
        n_draws=config.n_draws,
        pair_share=0.0,
        source_exponent=config.source_exponent,
        source_weights=config.source_weights,
        rng=rng,
    )
    return pack(
        draws,
        np.array([len(one.ids) for one in encoded]),
        batch_tokens=config.batch_tokens,
        chunk_rows=_CHUNK_ROWS,
        multiple_of=_MULTIPLE,
        rng=rng,
    )
