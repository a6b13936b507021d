"""Settings of the generator that is trained here."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

GENERATOR: Final = "generator"
"""Name of the stage, its section and its folder, and of the model in [generate]."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(gt=0)]


class GeneratorConfig(BaseModel):
    """A small causal language model, trained from scratch on prompts of the train split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    longest_prompt: Positive = 300
    """In characters. Wrapped jailbreaks are longer and are not instructions."""
    source_weights: dict[str, Annotated[float, Field(ge=0.0)]] = {}
    """As in [distil]: factors for single sources. 0 omits a source, such as one of wrappers."""
    source_exponent: Share = 0.7
    """A source of n prompts is drawn in proportion to n to this power."""
    held_out_share: Share = 0.03
    """Share of the train prompts, by hash, that is kept for measuring perplexity."""
    vocabulary: Annotated[int, Field(ge=300)] = 8192
    hidden: Positive = 320
    layers: Positive = 6
    heads: Positive = 5
    longest_tokens: Positive = 256
    """Longest training text, its request included. Also limits what is generated."""
    n_draws: Positive = 100_000
    batch_tokens: Positive = 2048
    """Padded tokens of one step."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1.5e-3
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.1
    warmup_share: Share = 0.05
    gradient_clip: Annotated[float, Field(gt=0.0)] = 1.0
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Dropout rate of the input word embeddings."""
    evaluations: Positive = 4
    bf16: bool = True
    """Compute with a bfloat16 copy of the weights. The weights and the optimizer stay float32."""
    seed: int = 42

    @model_validator(mode="after")
    def _heads_fit(self) -> GeneratorConfig:
        if self.hidden % self.heads:
            raise ValueError("hidden must be a multiple of heads")
        return self
