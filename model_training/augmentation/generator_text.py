"""Training text of the generator: the chat that `generate` begins, and a labelled prompt as its
answer.

The request comes from `generate.ask` and the prefix from [generate], so training text and
generation prompt have one definition. The chat template writes both in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from model_training.augmentation.generate import Kind, ask
from model_training.augmentation.instructions import Intent, complaint_about, instruction_of
from model_training.data.rows import Row, prompt_hash
from model_training.errors import DataInvalid
from model_training.recipe.augmentation import GenerateConfig
from model_training.recipe.families import category_of
from model_training.recipe.generator import GeneratorConfig

USER: Final = "<|user|>"
ASSISTANT: Final = "<|assistant|>"
END: Final = "<|end|>"
PAD: Final = "<|pad|>"
CONTROL: Final = (PAD, USER, ASSISTANT, END)
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
_BUCKETS: Final = 1000


@dataclass(frozen=True)
class Example:
    """A labelled prompt to learn from."""

    source: str
    intent: Intent
    category: str | None
    text: str


@dataclass(frozen=True)
class Encoded:
    """Token ids of a whole chat, and the position at which the training targets begin."""

    ids: list[int]
    start: int


def examples_of(
    train: Sequence[Row], styles: Mapping[str, str], config: GeneratorConfig
) -> list[Example]:
    """Prompts of the train split that have the form of instructions, without repeats.

    styles: of sources, as `sources.json` names them. Raises DataInvalid if a class has none.
    """
    found: dict[int, Example] = {}
    for row in train:
        if row.response is not None or config.source_weights.get(row.source, 1.0) == 0.0:
            continue
        text = " ".join(row.prompt.split())
        if not _is_instruction(text, config):
            continue
        category = category_of(text, style=styles.get(row.source, ""))
        intent: Intent = "harmful" if row.harmful else "benign"
        found.setdefault(prompt_hash(text), Example(row.source, intent, category, text))
    examples = [found[key] for key in sorted(found)]
    if {example.intent for example in examples} != {"harmful", "benign"}:
        raise DataInvalid("the train split has no short prompts of both classes to learn from")
    return examples


def _is_instruction(text: str, config: GeneratorConfig) -> bool:
    """Whether the generator may learn it: not if `generate` would drop or cut it."""
    return (
        len(text) <= config.longest_prompt
        and instruction_of(text) == text
        and complaint_about(text) is None
        and not any(token in text for token in CONTROL)
    )


def hold_out(examples: Sequence[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Examples to train on, and examples for perplexity, chosen by a hash of the text."""
    held = [prompt_hash(example.text) // 7919 % _BUCKETS < share * _BUCKETS for example in examples]
    pairs = list(zip(examples, held, strict=True))
    return [one for one, out in pairs if not out], [one for one, out in pairs if out]


def request(intent: Intent, category: str | None, config: GenerateConfig) -> list[dict[str, str]]:
    """The user's turn of `generate`, without exemplars."""
    kind = Kind(source=None, category=category, prompts=())
    return [{"role": "user", "content": ask(intent, kind, (), config)}]


def chat(example: Example, prefix: str, config: GenerateConfig) -> list[dict[str, str]]:
    """The request, and the answer that begins with the prefix."""
    answer = {"role": "assistant", "content": f"{prefix} {example.text}"}
    return [*request(example.intent, example.category, config), answer]


def prefixes_of(intent: Intent, config: GenerateConfig) -> tuple[str, ...]:
    return config.harmful_prefixes if intent == "harmful" else config.benign_prefixes


def train_tokenizer(
    examples: Sequence[Example], config: GeneratorConfig, generate: GenerateConfig
) -> Any:
    """Train a byte-level BPE tokenizer on the texts; it includes the chat template."""
    hub = Tokenizer(models.BPE())
    hub.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    hub.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=[AddedToken(token, special=True) for token in CONTROL],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    rendered = (
        message["content"]
        for example in examples
        for message in chat(example, prefixes_of(example.intent, generate)[0], generate)
    )
    hub.train_from_iterator(rendered, trainer)
    made: Any = PreTrainedTokenizerFast  # the library's constructor is untyped
    tokenizer: PreTrainedTokenizerFast = made(tokenizer_object=hub, pad_token=PAD, eos_token=END)
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.padding_side = "left"
    return tokenizer


def encode(
    examples: Sequence[Example], tokenizer: Any, generate: GenerateConfig, *, seed: int
) -> list[Encoded]:
    """Each example as a chat, with a prefix drawn from those of its intent."""
    rng = np.random.default_rng(seed)
    chosen = [
        prefixes[int(rng.integers(len(prefixes)))]
        for prefixes in (prefixes_of(example.intent, generate) for example in examples)
    ]
    starts: dict[tuple[Intent, str | None, str], int] = {}
    encoded: list[Encoded] = []
    for example, prefix in zip(examples, chosen, strict=True):
        key = (example.intent, example.category, prefix)
        if key not in starts:
            begun = [
                *request(example.intent, example.category, generate),
                {"role": "assistant", "content": prefix},
            ]
            text = tokenizer.apply_chat_template(begun, tokenize=False, continue_final_message=True)
            starts[key] = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        whole = tokenizer.apply_chat_template(chat(example, prefix, generate), tokenize=False)
        ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
        encoded.append(Encoded(list(ids), starts[key]))
    return encoded
