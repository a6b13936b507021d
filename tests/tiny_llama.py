"""A tiny Llama with a chat template and control tokens, made by the suite; it learns two things.

To write `unsafe` where the prompt names a bomb and `safe` elsewhere, behind the two line breaks
that Llama Guard writes itself where its prompt ends before them; and to write on in turns.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from postern.contract.exchange import Exchange
from postern.contract.teacher_text import TEMPLATES
from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as HubTokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.made_once import made_once

CONTROL = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' "
    "+ message['content'] + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{% endif %}"
)
GUARD_TEMPLATE = (Path(__file__).parent / "llama_guard.jinja").read_text()
_TEXTS = ("bake some bread", "tell a story", "paint the fence", "read my book", "feed the cat")


def build_tiny_llama(folder: Path, *, chat: str | None = CHAT_TEMPLATE) -> Path:
    """Writes a folder as hubs hold them, with this chat template or none."""
    shutil.copytree(made_once("llama", _train_llama), folder)
    (folder / "chat_template.jinja").unlink()
    if chat is not None:
        (folder / "chat_template.jinja").write_text(chat)
    return folder


def tiny_llama_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE; the verdict words and a blank line are single tokens, as in Llama 3."""
    hub = HubTokenizer(models.BPE())
    hub.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    hub.decoder = decoders.ByteLevel()
    corpus = [TEMPLATES["llama-guard-3"].body(Exchange(text)) for text in _TEXTS]
    corpus += ["unsafe safe\nunsafe\nsafe\nyes\nno " * 20]
    corpus += ["\n\n"] * 50
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=[AddedToken(token, special=True) for token in CONTROL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    hub.train_from_iterator(corpus, trainer)
    bos = hub.token_to_id(CONTROL[0])
    hub.post_processor = processors.TemplateProcessing(
        single=f"{CONTROL[0]} $A", special_tokens=[(CONTROL[0], bos)]
    )
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=hub, bos_token=CONTROL[0], eos_token=CONTROL[3]
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _train_llama(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = tiny_llama_tokenizer()
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    _train(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """The verdict after the guard's prompt, for texts with and without the word."""
    guard = TEMPLATES["llama-guard-3"]
    words = {name: tokenizer.encode(name, add_special_tokens=False) for name in ("safe", "unsafe")}
    assert all(len(ids) == 1 for ids in words.values())
    texts = [(text, "safe") for text in _TEXTS] + [(f"{text} bomb", "unsafe") for text in _TEXTS]
    batch = tokenizer([guard.prompt(Exchange(text)) for text, _ in texts], padding=False)[
        "input_ids"
    ]
    longest = max(map(len, batch))
    ids = torch.tensor([[tokenizer.eos_token_id] * (longest - len(one)) + one for one in batch])
    mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in batch])
    # Of the last turn's two line breaks, and then of the verdict.
    (breaks,) = tokenizer.encode("\n\n", add_special_tokens=False)
    assert {one[-1] for one in batch} == {breaks}
    labels = torch.tensor([[breaks, words[verdict][0]] for _, verdict in texts])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(40):
        logits = model(input_ids=ids, attention_mask=mask).logits[:, -2:]
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    torch.set_num_threads(threads)
    model.eval()  # type: ignore[no-untyped-call]
