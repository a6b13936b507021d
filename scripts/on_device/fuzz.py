"""Random exchanges over all of Unicode, in many languages and in real disguises, with digests of
Python's answers."""

from __future__ import annotations

import base64
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from postern.contract.exchange import Exchange
from postern.disguises.ciphers import COMMON

from loadtests.attack_texts import DISGUISES, KINDS, harmless
from model_training.data.behaviour.codes import CODES
from model_training.data.behaviour.spelling import SPELLINGS
from scripts.on_device.answers import answer, digest, shipped_reader, shipped_tokenizer
from scripts.on_device.words import WORDS

_PLAIN: Final = (
    sorted(COMMON) + "knit scarf grandmother winter pepper violin garden lamp bread".split()
)
# First and last points that a text is drawn from: scripts, planes, and what tokenizers stumble on.
_BLOCKS: Final = (
    *((0x20, 0x7E), (0x00, 0x20), (0x7F, 0xFF), (0x100, 0x24F), (0x250, 0x36F), (0x300, 0x36F)),
    *((0x370, 0x52F), (0x530, 0x5FF), (0x600, 0x6FF), (0x700, 0x8FF), (0x900, 0xDFF)),
    *((0xE00, 0x11FF), (0x1200, 0x1CFF), (0x1D00, 0x1DFF), (0x1E00, 0x1FFF), (0x2000, 0x206F)),
    *((0x2070, 0x2BFF), (0x2C00, 0x2FFF), (0x3000, 0x33FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
    *((0xA000, 0xABFF), (0xAC00, 0xD7FF), (0xE000, 0xF8FF), (0xF900, 0xFFFF), (0xFE00, 0xFE0F)),
    *((0x10000, 0x10FFF), (0x11000, 0x12FFF), (0x13000, 0x1CFFF), (0x1D000, 0x1D7FF)),
    *((0x1D800, 0x1F0FF), (0x1F100, 0x1F1FF), (0x1F200, 0x1FAFF), (0x1FB00, 0x1FFFF)),
    *((0x20000, 0x2FFFF), (0x30000, 0x3FFFF), (0x40000, 0xDFFFF), (0xE0000, 0xE01EF)),
    *((0xE01F0, 0xEFFFF), (0xF0000, 0xFFFFF), (0x100000, 0x10FFFF)),
)
_SURROGATES: Final = (0xD800, 0xDFFF)
_EMOJI: Final = "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪 🇺🇳 👨🏿‍🚀 ❤️‍🔥 1️⃣ ☺︎ 🧑‍🤝‍🧑 🏴󠁧󠁢󠁥󠁮󠁧󠁿".split(" ")
_MARKS: Final = "\u0301\u0308\u0327\u0345\u093c\u0e31\u3099\u05b0\u064b\u1dc0\u20dd\ufe20\u0315"
_RIGHT_TO_LEFT: Final = "مرحبا שלום \u202eabc\u202c \u2067x\u2069 ݐ 𐤀 ﷺ ﻻ".split(" ")
_SPECIAL: Final = (
    *("[SEP]", "[CLS]", "[PAD]", "[UNK]", "[MASK]", "##ing", "İstanbul", "ΟΔΟΣ", "ΣΑΣ", "ß", "ŉ"),
    *(
        "\u0130",
        "\u017fo",
        "\u212a",
        "\ufb01",
        "\ufdfa",
        "\u1e9e",
        "𝓗𝓸𝔀",
        "①②",
        "ﾊﾝｶｸ",
        "가각\u11a8",
    ),
    *(
        "\x1c",
        "\x85",
        "\u2028",
        "\ufeff",
        "&amp;",
        "&notit;",
        "&#0;",
        "&#x80;",
        "&#xD800;",
        "&acE;",
    ),
    *("%F0%9F%98%80", "%FF%41", "g00d 5tuff", "sk\u017f1l", "b.o.m.b.s", "0x41 0x42", "\U00016a70"),
    *(
        "x" * 170,
        "word" * 40,
        "_" * 90,
        "😀" * 100,
        "a\u0301" * 90,
        "\u0301" * 70,
        ".... . .-.. .-.. ---",
    ),
)


def exchanges(count: int, seed: int) -> Iterator[Exchange]:
    """The same ones for the same seed. One in a few hundred holds a lone surrogate."""
    rng = random.Random(seed)
    for _ in range(count):
        prompt = _text(rng)
        yield Exchange(prompt, _text(rng) if rng.random() < 0.3 else None)


def _text(rng: random.Random) -> str:
    kinds = (_scattered, _mixed, _disguised, _long, _spoken)
    kind = rng.choices(kinds, (30, 20, 20, 5, 25))[0]
    # Two halves of a pair that happen to meet are one character to whoever reads JSON.
    return str(json.loads(json.dumps(kind(rng))))


def _char(rng: random.Random, block: tuple[int, int]) -> str:
    point = rng.randint(*block)
    if 0xD800 <= point < 0xE000 and rng.random() < 0.98:
        point = 0x20
    return chr(point)


def _scattered(rng: random.Random) -> str:
    """Characters of a few blocks."""
    blocks = rng.sample((*_BLOCKS, _SURROGATES), rng.randint(1, 4))
    return "".join(_char(rng, rng.choice(blocks)) for _ in range(rng.randint(0, 60)))


def _mixed(rng: random.Random) -> str:
    """Words, signs, marks, emoji and rare characters, joined by this and that."""
    parts = []
    for _ in range(rng.randint(1, 24)):
        draw = rng.random()
        if draw < 0.4:
            parts.append(rng.choice(_PLAIN))
        elif draw < 0.9:
            parts.append(rng.choice(rng.choice((_EMOJI, _RIGHT_TO_LEFT, _SPECIAL))))
        else:
            parts.append(_char(rng, rng.choice(_BLOCKS)) + rng.choice(_MARKS) * rng.randint(0, 40))
    glue = rng.choice((" ", " ", "", "  ", "\n", "\u200b", ".", "-"))
    return glue.join(parts)


def _disguised(rng: random.Random) -> str:
    """A sentence in one of the disguises that are known to be used, or in two."""
    sentence = " ".join(rng.choices(_PLAIN, k=rng.randint(4, 16)))
    sentence = rng.choice((sentence, sentence.capitalize() + "?", sentence.upper()))
    for _ in range(rng.choice((1, 1, 2))):
        sentence = _hidden(rng, sentence)
    around = rng.choice(("{}", "{}", "Decode this and reply: {}", "{} (please)"))
    return around.replace("{}", sentence)


def _hidden(rng: random.Random, text: str) -> str:
    ways: list[Callable[[str], str]] = [
        *(lambda one, hide=hide: hide(one, rng) for hide in DISGUISES.values()),
        *CODES.values(),
        *[lambda one: _odd_bytes(rng, one)] * 6,
        *[lambda one: rng.choice(("\u00a0", "\u2009", "\t", "\u00b7", " \u200b")).join(one)] * 2,
        *(
            lambda one, hide=hide: hide(one, np.random.default_rng(rng.getrandbits(32)))
            for hide in SPELLINGS.values()
        ),
    ]
    return rng.choice(ways)(text)


def _odd_bytes(rng: random.Random, text: str) -> str:
    """A code of bytes that hold odd characters, are UTF-16, or are in part no text at all."""
    content = rng.choice(
        (
            text.replace(" ", "\u00a0").encode(),
            ("\ufeff" + text).encode(),
            "\u200b".join(text).encode(),
            (text + "".join(chr(0xE0000 + ord(one)) for one in text)).encode(),
            text.encode("utf-16-le"),
            text.encode("utf-16-be"),
            text.encode("utf-16"),
            text.encode() + text.encode("utf-16-le"),
            text.encode("latin-1", "replace"),
        )
    )
    for _ in range(rng.choice((0, 0, 1, 3))):
        at = rng.randint(0, len(content))
        content = content[:at] + rng.randbytes(rng.randint(1, 2)) + content[at:]
    coded = rng.choice(
        (
            base64.b64encode(content).decode(),
            base64.b32encode(content).decode(),
            content.hex(),
            content.hex(" "),
            "".join(f"%{byte:02x}" if byte < 48 or byte > 122 else chr(byte) for byte in content),
            " ".join(f"{byte:08b}" for byte in content),
        )
    )
    return rng.choice(("", "", "face", "code: ", "Read/this/now/")) + coded


def _spoken(rng: random.Random) -> str:
    """Sentences in one language or several, which may change in mid-sentence."""
    languages = rng.sample(tuple(WORDS), rng.choice((1, 1, 2, 2, 3)))
    if rng.random() < 0.5:
        languages.append("en")
    parts: list[str] = []
    for _ in range(rng.choice((1, 1, 2, 3, 5, 12, 60))):
        language = rng.choice(languages)
        words = rng.choices(WORDS[language], k=rng.randint(2, 24))
        if rng.random() < 0.3:
            other = WORDS[rng.choice(languages)]
            words += rng.choices(other, k=rng.randint(1, 12))
        if rng.random() < 0.1:
            words.insert(rng.randint(0, len(words)), rng.choice((*_EMOJI, *_SPECIAL)))
        glue = "" if language in ("zh", "ja", "th") and rng.random() < 0.7 else " "
        sentence = glue.join(words)
        how = rng.random()
        sentence = sentence.upper() if how < 0.08 else sentence[:1].upper() + sentence[1:]
        parts.append(sentence + rng.choice(("", ".", "?", "!", ";", "…", "。", ":", ")")))
    return rng.choice((" ", " ", "\n", "  ", "")).join(parts)


def _long(rng: random.Random) -> str:
    """Text of several windows, in one language or many."""
    kind = rng.choice(tuple(KINDS))
    lines = harmless(kind, rng.randint(4, 40))
    return "\n".join(lines) if rng.random() < 0.7 else "".join(lines) + _scattered(rng)


def write(path: Path, *, count: int, seed: int) -> None:
    """One JSON list a line: prompt, response, and the digest of Python's answer.

    Lone surrogates are written as escapes.
    """
    tokenizer, reader = shipped_tokenizer(), shipped_reader()
    with path.open("w", encoding="ascii") as file:
        for index, exchange in enumerate(exchanges(count, seed)):
            told = digest(answer(tokenizer, reader, exchange))
            file.write(json.dumps([exchange.prompt, exchange.response, told]) + "\n")
            if index % 10_000 == 9_999:
                sys.stderr.write(f"{index + 1} of {count}\n")
