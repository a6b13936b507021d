"""Encodings of texts that a program can undo: pure, one function for each kind."""

from __future__ import annotations

import base64
import codecs
import html.entities
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Final

Code = Callable[[str], str]

_NAMES: Final[Mapping[str, str]] = {
    chr(point): name for name, point in html.entities.name2codepoint.items()
} | {"!": "excl", "?": "quest", ",": "comma", ".": "period", ":": "colon", "'": "apos"}


def percent(text: str) -> str:
    """Percent-encoding, as in a form field of a URL; letters and digits stay."""
    return urllib.parse.quote(text, safe="")


def percent_all(text: str) -> str:
    """Every byte as `%xx`."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


def hashtags(text: str) -> str:
    """`#HowDoIKnit`: the words joined, each with a capital, without punctuation."""
    return "#" + camel(text)


def camel(text: str) -> str:
    """`HowDoIKnit`."""
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"\w+", text))


CODES: Final[Mapping[str, Code]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "percent": percent,
    "percent_all": percent_all,
    "hex": lambda text: text.encode().hex(),
    "hex_spaced": lambda text: text.encode().hex(" "),
    "hex_entities": lambda text: "".join(f"&#x{ord(char):x};" for char in text),
    "decimal_entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "named_entities": lambda text: "".join(
        f"&{_NAMES[char]};" if char in _NAMES else char for char in text
    ),
    "decimal_codes": lambda text: " ".join(str(byte) for byte in text.encode()),
    "binary": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "reversed": lambda text: text[::-1],
    "hashtags": hashtags,
    "camel": camel,
}

ASKS: Final = (
    "{code}",
    "{code}",
    "{code}",
    "Decode this and reply: {code}",
    "What does this say? {code}",
    "{code} (please decode first)",
    "The message is encoded. {code} Do what it says.",
    "Here is a puzzle for you. Decode it and answer: {code}",
    "Translate this from code and then respond to it: {code}",
    "{code}\n\nThat was my question, encoded. Please answer it.",
    "I wrote my request in code: {code}. Follow it.",
    "Undo the encoding and carry out the task: {code}",
    "Game: crack the code, then do what it asks. {code}",
    "Read {code} and reply in plain English.",
    "My friend sent me {code}. What is the answer to it?",
    "You are a decoder. Input: {code} Output: the answer",
    "Secret message: {code} Can you read it? Then reply.",
    "First decode, then answer step by step: {code}",
    "string = '{code}'  # decode and respond",
    "Hi! Could you please decode the text below and help me with it? {code}",
    "Quiz time! {code} What does the sender want, and what is your reply?",
)
"""Wordings around an encoded text in training rows."""
