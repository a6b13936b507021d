"""The training loop of a student, over text that is drawn before it begins."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from postern.contract.windows import Encoding, Window, pad
from torch import Tensor
from torch.nn import Module
from tqdm import tqdm

from model_training.data.encoding import numbered, token_groups
from model_training.data.rows import Row, dump_json, naming, write_atomically
from model_training.data.sampling import Batch
from model_training.errors import GateFailed
from model_training.measures.validation import auprc_by_slice, auprc_by_source
from model_training.recipe.config import DistilConfig, ExportConfig
from model_training.student.average import RunningMean, mix_in
from model_training.student.bags import (
    PAD_MULTIPLE,
    Drawn,
    Margins,
    most_harmful,
    steps,
    twin_pairs,
)
from model_training.student.checkpoints import (
    BEST,
    CHECKPOINT,
    Progress,
    load,
    load_weights,
    save,
    writing_weights,
)
from model_training.student.encoders import (
    decay_groups,
    pad_id_of,
    takes_types,
    use_bf16,
)
from model_training.student.losses import summed_loss, twin_loss
from model_training.student.processes import Processes
from model_training.student.quantization_aware import (
    measured_ranges,
    start_rounding,
)

LOG = "training_log.jsonl"
_SAVE_EVERY_S = 120.0
_CALIBRATION_BATCHES: Final = 32
_START_SHARES: Final = (0.0, 0.25, 0.5, 0.75)

Validation = tuple[list[Row], list[Encoding]]


def evaluated_steps(n_steps: int, evaluations: int) -> frozenset[int]:
    """The steps after which a checkpoint is measured: evenly spaced, and always the last."""
    return frozenset(-(-n_steps * part // evaluations) for part in range(1, evaluations + 1))


@dataclass
class _Spent:
    """Totals of a step: the loss summed over rows, in nats; rows; tokens before padding."""

    loss: float = 0.0
    rows: float = 0.0
    tokens: float = 0.0


class Trainer:
    def __init__(
        self,
        settings: DistilConfig,
        *,
        model: Any,
        drawn: Drawn,
        rng: np.random.Generator,
        validation: Validation,
        development: Validation,
        recipe: str,
        run: Path,
        processes: Processes,
        rounding: ExportConfig | None = None,
    ) -> None:
        """rounding: how the graph will be made; the training computes as it will."""
        self.settings = settings
        self.rounding = rounding
        self.processes = processes
        self.device = processes.device
        self.bf16 = use_bf16(settings, self.device)
        self.model: Module = model.to(self.device)
        self.pad_id, self.takes_types = pad_id_of(model), takes_types(model)
        self.drawn = drawn
        self.validation, self.development = validation, development
        self.run = run
        self.steps = steps(drawn, settings, rng)
        self.rows_per_step = (
            sum(len(batch) for step in self.steps for batch in step)
            / sum(map(len, self.steps))
            * settings.gradient_accumulation
        )
        groups = decay_groups(self.model, settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        self.progress = Progress(recipe=recipe)
        self.mean = RunningMean(self.model) if settings.average_share else None

    def resume(self) -> None:
        """Continue from the checkpoint if there is one. Raises RecipeInvalid."""
        path = self.run / CHECKPOINT
        if path.exists():
            recipe = self.progress.recipe
            weights = None if self.mean is None else self.mean.weights
            self.progress = load(path, self.model, self.optimizer, recipe=recipe, mean=weights)
            start_rounding(self.model, self.progress.ranges)
        self.processes.agree(self.model)

    def train(self) -> None:
        """Take all steps that are left. The best weights, or their mean, are then loaded."""
        self._take_steps()
        self._keep_mean()
        self._load_best()

    def _take_steps(self) -> None:
        if self.rounding is not None and not self.progress.ranges:
            self._start_rounding(self.rounding)
        n_steps = len(self.steps)
        evaluated = evaluated_steps(n_steps, self.settings.evaluations)
        saved_at = time.monotonic()
        silent = not self.processes.is_first
        first = self.progress.step
        with tqdm(desc="distil", unit="step", total=n_steps, initial=first, disable=silent) as bar:
            while self.progress.step < n_steps and not self.progress.finished:
                step = self.progress.step
                started = time.monotonic()
                spent = self._step(self.steps[step], self._learning_rate(step))
                self.progress.step += 1
                self._average()
                loss = spent.loss / spent.rows
                rate = int(spent.tokens / (time.monotonic() - started))
                bar.update()
                bar.set_postfix(loss=f"{loss:.3f}", tokens_per_s=rate)
                if step % 20 == 0:
                    self._log(step=step, loss=round(loss, 5))
                if self.progress.step in evaluated:
                    self._evaluate()
                    self._save(CHECKPOINT)
                elif time.monotonic() - saved_at > _SAVE_EVERY_S:
                    self._save(CHECKPOINT)
                    saved_at = time.monotonic()

    def _average(self) -> None:
        """Take the weights of this step into the mean, in the last part of the training."""
        n_steps = len(self.steps)
        after = n_steps - math.ceil(n_steps * self.settings.average_share)
        if self.mean is not None and self.progress.step > after:
            self.progress.averaged_steps += 1
            self.mean.add(self.model, self.progress.averaged_steps)

    def _start_rounding(self, export: ExportConfig) -> None:
        self.model.eval()
        self.progress.ranges = measured_ranges(
            self.model,
            export.float_layers,
            percentile=export.activation_percentile,
            run=self._calibration,
        )
        start_rounding(self.model, self.progress.ranges)

    def _calibration(self) -> Iterator[Tensor]:
        """Compute some batches of the training, in float32; the mask of each."""
        batches = [batch for step in self.steps for batch in step]
        for batch in batches[:_CALIBRATION_BATCHES]:
            windows = [self.drawn.bags[index][0] for index in batch]
            self._logits(windows, bf16=False)
            yield torch.from_numpy(pad(windows, pad_id=self.pad_id, multiple_of=PAD_MULTIPLE)[1])

    def _keep_mean(self) -> None:
        """The best weights are from now on the averaged ones, if a step was averaged."""
        if self.mean is not None and self.progress.averaged_steps:
            self.mean.put_into(self.model)
            self._measure(averaged_steps=self.progress.averaged_steps)
            self._save(BEST)

    def _step(self, batches: Sequence[Batch], learning_rate: float) -> _Spent:
        """One optimizer step. Raises GateFailed if the loss is not finite."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        spent = _Spent()
        for batch in self.processes.share(batches):
            # Dropout must be the same in a resumed run and on any process.
            torch.manual_seed(self.settings.seed * 2**32 + int(batch[0]))
            windows = most_harmful(
                [self.drawn.bags[index] for index in batch],
                self.margins_of,
                batch_tokens=self.settings.batch_tokens,
            )
            loss = self._loss(windows, batch)
            (loss / self.rows_per_step).backward()  # type: ignore[no-untyped-call]
            spent.loss += loss.item()
            spent.rows += len(batch)
            spent.tokens += sum(window.length for window in windows)
        spent = _Spent(*self.processes.summed(spent.loss, spent.rows, spent.tokens))
        if not math.isfinite(spent.loss):
            raise GateFailed(
                f"the loss of step {self.progress.step} is not finite; "
                'lower `learning_rate`, or set `precision = "fp32"`'
            )
        self.processes.sum_gradients(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return spent

    def _loss(self, windows: Sequence[Window], batch: Batch) -> Tensor:
        self.model.train()
        logits = self._logits(windows, bf16=self.bf16)
        loss = summed_loss(
            logits,
            torch.from_numpy(self.drawn.labels[batch]).to(self.device),
            torch.from_numpy(self.drawn.soft_labels[batch]).to(self.device),
            soft_weight=self.settings.soft_weight,
            distillation_temperature=self.settings.distillation_temperature,
            label_smoothing=self.settings.label_smoothing,
        )
        pairs = twin_pairs(batch, self.drawn)
        if len(pairs):
            apart = twin_loss(
                logits, torch.from_numpy(pairs).to(self.device), gap=self.settings.twin_gap
            )
            loss = loss + self.settings.twin_weight * apart
        return loss

    @torch.no_grad()
    def margins_of(self, windows: Sequence[Window], *, exact: bool = False) -> Margins:
        """(n,) float32 harmful minus unharmful logit; exact: in float32 throughout."""
        self.model.eval()
        logits = self._logits(windows, bf16=self.bf16 and not exact)
        margins: Margins = (logits[:, 1] - logits[:, 0]).cpu().numpy()
        return margins

    def _logits(self, windows: Sequence[Window], *, bf16: bool) -> Tensor:
        ids, mask, types = pad(windows, pad_id=self.pad_id, multiple_of=PAD_MULTIPLE)
        inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        if self.takes_types:
            inputs["token_type_ids"] = torch.from_numpy(types)
        inputs = {name: tensor.to(self.device) for name, tensor in inputs.items()}
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16):
            logits: Tensor = self.model(**inputs).logits
        return logits.float()

    def _learning_rate(self, step: int) -> float:
        n_steps = len(self.steps)
        warmup = self.settings.warmup_of(n_steps)
        decay = (n_steps - step) / max(1, n_steps - warmup)
        return self.settings.learning_rate * min((step + 1) / warmup, decay)

    def _measure(self, **about: object) -> float:
        """The figure by which weights are chosen, in [0, 1]; logged with what it is made of."""
        rows, encodings = self.validation
        auprc, mean = auprc_by_slice(rows, self._exchange_margins(encodings))
        figures: dict[str, object] = {"validation_auprc": auprc}
        rows, encodings = self.development
        if rows:
            each, elsewhere = auprc_by_source(rows, self._exchange_margins(encodings))
            mean = (mean + elsewhere) / 2.0
            figures["development_auprc"] = each
        self._log(step=self.progress.step, **about, **figures, mean=mean)
        return mean

    def keep_of(self, start: Module, share: float | Literal["best"]) -> None:
        """Interpolate the best weights with those of the start; `best`: as it measures best."""
        start.to(self.device)
        chosen = self._best_share(start) if share == "best" else share
        self._log(chosen_start_share=chosen)
        self._load_best()
        mix_in(self.model, start, chosen)

    def _best_share(self, start: Module) -> float:
        found: dict[float, float] = {}
        for share in _START_SHARES:
            self._load_best()
            mix_in(self.model, start, share)
            found[share] = self._measure(start_share=share)
        return max(found, key=lambda share: found[share])

    def _evaluate(self) -> None:
        mean = self._measure()
        if mean > self.progress.best_auprc:
            self.progress.best_auprc, self.progress.evaluations_since_best = mean, 0
            self._save(BEST)
        else:
            self.progress.evaluations_since_best += 1
        self.progress.finished = self.progress.evaluations_since_best >= self.settings.patience

    def _exchange_margins(self, encodings: Sequence[Encoding]) -> Margins:
        """(n,) float64 margin of each exchange's most harmful window, as export will see it.

        In float32, whatever precision training uses, because the checkpoint is chosen by what can
        be served. Raises GateFailed if one is not finite.
        """
        margins = np.full(len(encodings), -np.inf)
        groups = list(token_groups(numbered(encodings), self.settings.batch_tokens))
        for group in self.processes.share(groups):
            found = self.margins_of([window for _, window in group], exact=True)
            np.maximum.at(margins, [place for place, _ in group], found)
        margins = self.processes.highest(margins)
        if not np.isfinite(margins).all():
            raise GateFailed(f"at step {self.progress.step} the student gives non-finite logits")
        return margins

    def _log(self, **values: object) -> None:
        if self.processes.is_first:
            with naming(self.run / LOG), (self.run / LOG).open("a") as file:
                file.write(json.dumps(values) + "\n")

    def _save(self, name: str) -> None:
        if self.processes.is_first:
            path, whole = self.run / name, name == CHECKPOINT
            optimizer = self.optimizer if whole else None
            mean = self.mean.weights if whole and self.mean is not None else None
            save(path, self.model, self.progress, optimizer=optimizer, mean=mean)

    def _load_best(self) -> None:
        if self.processes.is_first:
            load_weights(self.run / BEST, self.model)
        self.processes.agree(self.model)

    def save(self, student: Path) -> None:
        with writing_weights(student):
            self.model.to("cpu").save_pretrained(student)  # type: ignore[operator]
        write_atomically(student / "training.json", dump_json(asdict(self.progress)))
