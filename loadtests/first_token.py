"""Measures what the proxy adds to a stream: until the first token, and between tokens.

    python -m loadtests.first_token --direct http://127.0.0.1:8081/v1 \
        --guarded http://127.0.0.1:8000/v1 --output runs/first_token.json

Both addresses lead to the same model, once directly and once through Postern. Every prompt is asked
of both, one after the other, and who comes first changes with every round.
"""

from __future__ import annotations

import argparse
import http.client
import json
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

Json = dict[str, Any]
PROMPTS: Final = (
    "What is the capital of France, and what is it known for?",
    "Explain in a few sentences how a bicycle stays upright.",
    "Write a short story about a lighthouse.",
    "How do I bake bread at home?",
)
WAYS: Final = ("direct", "guarded")
_LONGEST_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One streamed answer: seconds from asking to each piece of text, and why it ended."""

    came_s: tuple[float, ...]
    finish: str | None

    @property
    def first_s(self) -> float:
        return self.came_s[0]

    @property
    def mean_gap_s(self) -> float:
        """Between pieces. Released together, they still count one by one."""
        return (self.came_s[-1] - self.came_s[0]) / max(1, len(self.came_s) - 1)

    @property
    def longest_gap_s(self) -> float:
        """The longest time in which a reader sees nothing new."""
        gaps = [after - before for before, after in zip(self.came_s, self.came_s[1:], strict=False)]
        return max(gaps, default=0.0)


def listen(url: str, prompt: str, *, tokens: int) -> Heard:
    """Ask for a stream, and time its pieces. Raises OSError, RuntimeError."""
    parts = urlsplit(url)
    body = {
        "model": "any",
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
        "cache_prompt": False,  # llama.cpp's: the second to ask would find the prompt read
    }
    connection = http.client.HTTPConnection(parts.netloc, timeout=_LONGEST_S)
    try:
        began = time.perf_counter()
        connection.request(
            "POST",
            f"{parts.path}/chat/completions",
            json.dumps(body),
            {"Content-Type": "application/json"},
        )
        reply = connection.getresponse()
        if reply.status != http.client.OK:
            raise RuntimeError(f"{url} answered {reply.status}")
        came, finish = [], None
        for line in reply:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if "error" in event:
                raise RuntimeError(f"{url} broke off")
            for choice in event.get("choices", []):
                finish = choice.get("finish_reason") or finish
                if choice["delta"].get("content"):
                    came.append(time.perf_counter() - began)
    finally:
        connection.close()
    if not came:
        raise RuntimeError(f"{url} said nothing")
    return Heard(tuple(came), finish)


def measure(urls: dict[str, str], *, rounds: int, tokens: int) -> dict[str, list[Heard]]:
    """Answers by way, in pairs with the same prompt. Raises OSError, RuntimeError."""
    heard: dict[str, list[Heard]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for prompt in PROMPTS:
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                heard[way].append(listen(urls[way], prompt, tokens=tokens))
    return heard


def summary(heard: dict[str, list[Heard]]) -> Json:
    """Medians in milliseconds, by way, and of the differences within pairs.

    An answer that was blocked or cut is left out with its pair, and counted.
    """
    pairs = list(zip(heard["direct"], heard["guarded"], strict=True))
    whole = [pair for pair in pairs if pair[1].finish != "content_filter"]
    if not whole:
        raise RuntimeError("every answer was blocked")
    told: Json = {"pairs": len(whole), "cut": len(pairs) - len(whole)}
    for name in ("first", "mean_gap", "longest_gap"):
        of = [[getattr(one, f"{name}_s") * 1000.0 for one in pair] for pair in whole]
        told[f"{name}_ms"] = {
            "direct": _median([direct for direct, _ in of]),
            "guarded": _median([guarded for _, guarded in of]),
            "added": _median([guarded - direct for direct, guarded in of]),
        }
    return told


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description="What the proxy adds to a stream.")
    parser.add_argument("--direct", required=True, help="the model, up to /v1")
    parser.add_argument("--guarded", required=True, help="Postern in front of it, up to /v1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=96, help="of an answer at most")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    urls = {way: getattr(arguments, way) for way in WAYS}
    try:
        listen(urls["guarded"], PROMPTS[0], tokens=1)  # loads what is loaded at the first request
        told = summary(measure(urls, rounds=arguments.rounds, tokens=arguments.tokens))
    except (OSError, RuntimeError) as exc:
        print(exc, file=sys.stderr)
        return 1
    told |= {"tokens": arguments.tokens, "machine": f"{platform.machine()}, {platform.system()}"}
    text = json.dumps(told, indent=2)
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
