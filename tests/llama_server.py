"""A Llama behind an OpenAI-compatible API, as a process: `python -m tests.llama_server FOLDER`.

Greedy, one token at a time, with the log-probabilities of the likeliest; completions and chats.
`GET /v1/seen` tells of each prompt, in order, what the model read and how many control tokens that
held.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


class Llama:
    """prompt ids -> tokens with their alternatives."""

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModelForCausalLM.from_pretrained(folder).eval()  # type: ignore[no-untyped-call]
        self._lock = threading.Lock()
        self.seen: list[dict[str, Any]] = []

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        ids = self._prompt(path, body)
        control = sum(one in self._tokenizer.added_tokens_decoder for one in ids)
        self.seen.append({"read": self._tokenizer.decode(ids), "control": control})
        chat = path.endswith("/chat/completions")
        n_top = body["top_logprobs"] if chat else body["logprobs"]
        with self._lock, torch.no_grad():
            written = [self._next(ids, n_top) for _ in range(body["max_tokens"])]
        text = "".join(token for token, _ in written)
        choice: dict[str, Any] = {"index": 0, "finish_reason": "length"}
        if chat:
            content = [
                {
                    "token": token,
                    "logprob": max(top.values()),
                    "top_logprobs": [{"token": t, "logprob": p} for t, p in top.items()],
                }
                for token, top in written
            ]
            choice |= {"message": {"role": "assistant", "content": text}}
            choice |= {"logprobs": {"content": content}}
        else:
            tops = [top for _, top in written]
            logprobs = {"tokens": [token for token, _ in written], "top_logprobs": tops}
            choice |= {"text": text, "logprobs": logprobs}
        return {"id": "x", "model": body["model"], "choices": [choice]}

    def _prompt(self, path: str, body: dict[str, Any]) -> list[int]:
        if path.endswith("/chat/completions"):
            text = self._tokenizer.apply_chat_template(
                body["messages"], tokenize=False, add_generation_prompt=True
            )
            return list(self._tokenizer.encode(text, add_special_tokens=False))
        return list(self._tokenizer.encode(body["prompt"]))

    def _next(self, ids: list[int], n_top: int) -> tuple[str, dict[str, float]]:
        """Appends the likeliest token to `ids`."""
        logits = self._model(input_ids=torch.tensor([ids[-500:]])).logits[0, -1]
        values, places = torch.log_softmax(logits, -1).topk(n_top)
        # As text, which is how servers write tokens.
        names = [str(self._tokenizer.decode([place])) for place in places.tolist()]
        ids.append(int(places[0]))
        return names[0], dict(zip(names, values.tolist(), strict=True))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    llama: Llama

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, self.llama.seen)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(200, self.llama.answer(self.path, body))

    def _send(self, status: int, content: Any) -> None:
        encoded = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)


def main(folder: Path) -> None:
    _Handler.llama = Llama(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
