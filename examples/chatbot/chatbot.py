"""A chatbot for the terminal. Every word goes through Postern; nothing but Python is needed.

python examples/chatbot/chatbot.py --url http://127.0.0.1:8000/v1 --model YOUR_MODEL
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator


def chunks(url: str, body: dict, key: str | None) -> Iterator[dict]:
    """The pieces of a streamed answer. Raises OSError, or RuntimeError when it is not whole."""
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    data = json.dumps(body | {"stream": True}).encode()
    request = urllib.request.Request(f"{url}/chat/completions", data, headers)
    with urllib.request.urlopen(request, timeout=600) as reply:
        for line in reply:
            if not line.startswith(b"data:"):
                continue
            piece = line[5:].strip()
            if piece == b"[DONE]":
                return
            chunk = json.loads(piece)
            if "error" in chunk:
                raise RuntimeError(chunk["error"]["message"])
            yield chunk
    raise RuntimeError("the answer broke off")


def answer(
    url: str, model: str, conversation: list[dict], key: str | None, **options: float
) -> str | None:
    """Prints the answer as it comes; None where it was blocked. options: of the model."""
    text = ""
    blocked = False
    body = {"model": model, "messages": conversation, **options}
    for chunk in chunks(url, body, key):
        for choice in chunk.get("choices", []):
            piece = choice["delta"].get("content") or ""
            print(piece, end="", flush=True)
            text += piece
            if choice.get("finish_reason") == "content_filter":
                blocked = True
                verdict = chunk["postern"]
                print(f" [stopped by Postern: {verdict['stage']}, {verdict['probability']:.2f}]")
    if not blocked:
        print()
    return None if blocked else text


def talk(url: str, model: str, key: str | None) -> None:
    """Asks for lines until there are no more."""
    conversation: list[dict] = []
    while True:
        print("you> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            print()
            return
        if not line.strip():
            continue
        turn = {"role": "user", "content": line.strip()}
        print("bot> ", end="", flush=True)
        try:
            text = answer(url, model, [*conversation, turn], key)
        except urllib.error.HTTPError as error:
            print(f"[status {error.code}: nothing was answered]")
        except (OSError, RuntimeError) as error:
            print(f" [{error}]")
        else:
            if text is not None:  # what was blocked is not said again with the next turn
                conversation += [turn, {"role": "assistant", "content": text}]


def main() -> int:
    parser = argparse.ArgumentParser(description="Chat, guarded by Postern. Ctrl-D ends.")
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1", help="Postern, up to /v1")
    parser.add_argument("--model", default="default", help="a model of the upstream")
    arguments = parser.parse_args()
    talk(arguments.url, arguments.model, os.environ.get("OPENAI_API_KEY"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
