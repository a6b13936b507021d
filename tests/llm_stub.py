"""An OpenAI-compatible server over real HTTP that can be slow, fail, limit, drip and lie.

What it writes depends on the request alone, so that a run that was killed and resumed must end with
the same rows as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import numpy as np

PREFIX_FLAGS = {"continue_final_message": True, "add_generation_prompt": False}
GERMAN = "Bitte beantworten Sie mir die folgende Frage heute so genau wie möglich. "
"""What it writes before a text to translate it. The language is read as German."""
REFUSAL = "I'm sorry, but I can't help with that request."
_OPENERS = (
    "How do I",
    "Please help me",
    "Explain how people",
    "What happens when we",
    "Why did she",
)
_WORDS = (
    *("bake", "carry", "paint", "repair", "measure", "borrow", "describe", "gather", "harvest"),
    *("polish", "rewind", "sharpen", "stitch", "balance", "collect", "decorate", "examine"),
    *("furnish", "imagine", "juggle", "kettle", "lantern", "mountain", "notebook", "orchard"),
    *("pencil", "quarter", "ribbon", "saddle", "teapot", "umbrella", "village", "window"),
    *("yellow", "basket", "candle", "drawer", "engine", "feather", "garden", "hammer"),
    *("island", "jacket", "kitchen", "ladder", "mirror", "needle"),
)


@dataclass
class Behaviour:
    """What the server does; tests change it while it runs."""

    takes_continuation: bool = True
    """False: status 400 for the flags, as OpenAI's own server answers."""
    honours_continuation: bool = True
    """False: the flags are taken and ignored."""
    honours_turn_flag: bool = True
    """False: a new turn is begun, whatever `add_generation_prompt` says."""
    counts_tokens: bool = True
    gives_logprobs: bool = True
    top_logprobs: dict[str, float] | None = None
    """Shares of the first token, in place of a verdict by the words of the text."""
    echoes_prefix: bool = False
    delay_s: float = 0.0
    faults: deque[str] = field(default_factory=deque)
    """For the next requests, one each: a status (`500`, `429:0.2` with Retry-After), `nonsense`,
    `mismatch`, `garbled`, `drip`, `close`, `redirect`."""
    slow_if: str | None = None
    """Two seconds late where the body holds this text."""
    refuse_if: str | None = None
    """Status 400 where the body holds this text."""


@dataclass(frozen=True)
class Request:
    """path: after /v1/; answered: a good reply was sent whole."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    at: float
    answered: bool

    @property
    def name(self) -> str:
        return hashlib.sha256(
            json.dumps([self.path, self.body], sort_keys=True).encode()
        ).hexdigest()


class LlmStub:
    """Use as a context manager; `url` ends in /v1."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self._requests: list[Request] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        stub = self

        class Handler(_Handler):
            owner = stub

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def requests(self) -> list[Request]:
        """All that came, once each has its answer: a client has it a moment before this knows."""
        self.wait_until_idle()
        with self._lock:
            return list(self._requests)

    def answered(self, path: str | None = None) -> list[Request]:
        with self._lock:
            return [one for one in self._requests if one.answered and path in (None, one.path)]

    def forget(self) -> None:
        with self._lock:
            self._requests.clear()
            self.most_at_once = 0

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 180
        while len(self.answered()) < count:
            assert time.monotonic() < deadline, f"only {len(self.answered())} calls came"
            time.sleep(0.005)

    def wait_until_idle(self) -> None:
        """Until the calls of a client that was killed have run out."""
        deadline = time.monotonic() + 180
        while self._at_once:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def __enter__(self) -> LlmStub:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _enter(self) -> str | None:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            return self.behaviour.faults.popleft() if self.behaviour.faults else None

    def _leave(self, request: Request) -> None:
        with self._lock:
            self._at_once -= 1
            self._requests.append(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that were killed are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: LlmStub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.removeprefix("/v1/")
        fault = self.owner._enter()
        answered = False
        try:
            slow = self.owner.behaviour.slow_if
            time.sleep(2.0 if slow and slow in str(body) else self.owner.behaviour.delay_s)
            answered = self._answer(path, body, fault)
        finally:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.owner._leave(Request(path, body, headers, time.monotonic(), answered))

    def _answer(self, path: str, body: dict[str, Any], fault: str | None) -> bool:
        behaviour = self.owner.behaviour
        match (fault or "").partition(":"):
            case ("nonsense", _, _):
                self._send(200, b"<html>upstream is busy</html>")
            case ("mismatch", _, _):
                self._send(200, b'{"choices": [{"message": {"content": 7}}]}')
            case ("garbled", _, _):
                self._send(200, b"no gzip at all", {"Content-Encoding": "gzip"})
            case ("close", _, _):
                self.close_connection = True
            case ("redirect", _, _):
                self._send(307, b"", {"Location": self.owner.url + "/elsewhere"})
            case ("drip", _, _):
                self._drip(json.dumps(reply_to(path, body, behaviour)).encode())
            case (status, _, after) if status:
                self._send(int(status), b"{}", {"Retry-After": after} if after else {})
            case _:
                refused = behaviour.refuse_if is not None and behaviour.refuse_if in str(body)
                flags = PREFIX_FLAGS.keys() & body.keys()
                if refused or (flags and not behaviour.takes_continuation):
                    self._send(400, b'{"error": "unknown or too long"}')
                else:
                    self._send(200, json.dumps(reply_to(path, body, behaviour)).encode())
                    return True
        return False

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _drip(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.05)


def reply_to(path: str, body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    """What the stub writes to a request: a verdict, an instruction, an answer or a refusal."""
    if body.get("logprobs"):
        return _verdict(path, body, behaviour)
    messages = body["messages"]
    begun = messages[-1]["role"] == "assistant"
    continues = (
        begun and body.get("continue_final_message", False) and behaviour.honours_continuation
    )
    text = _written(messages, continues=continues, seed=body.get("seed", 0))
    if continues and behaviour.echoes_prefix:
        text = messages[-1]["content"] + text
    reply: dict[str, Any] = {
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    }
    if behaviour.counts_tokens:
        # A turn that is closed costs a control token, a new one that is begun three more.
        n_words = sum(len(one["content"].split()) + 3 for one in messages)
        begins = body.get("add_generation_prompt", True) or not behaviour.honours_turn_flag
        more = 0 if continues else 4 if begins else 1
        reply["usage"] = {"prompt_tokens": n_words + more}
    return reply


def _written(messages: list[dict[str, str]], *, continues: bool, seed: int) -> str:
    asked = next(one["content"] for one in messages if one["role"] == "user")
    if asked.startswith("Count from one"):
        return " five six seven" if continues else "one two three four five"
    if messages[0]["role"] == "system":
        into = messages[0]["content"].removeprefix("Translate each message into ")
        if into.startswith("English."):
            return asked.removeprefix(GERMAN)
        return f"{GERMAN}{asked}" if into.startswith("German.") else REFUSAL
    if asked.startswith("Make a single harmful") and not continues:
        return REFUSAL
    if asked.startswith("This request is harmless") and not continues:
        return REFUSAL
    rng = np.random.default_rng(seed)
    if "Continue the list" in asked:
        kind = "weapon" if "seek harm" in asked else "kitchen"
        drawn = [" ".join(rng.choice(_WORDS, size=7)) for _ in range(3)]
        return "\n".join(f" {GERMAN}{kind} {words}?" for words in drawn)
    words = " ".join(rng.choice(_WORDS, size=7))
    opener = str(rng.choice(_OPENERS))
    ending = "with a weapon " if asked.startswith("This request is harmless") else ""
    return f' "{opener} {words} and then {ending}again?"\n\nI hope this helps!'


def _verdict(path: str, body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    asked = body.get("prompt") or body["messages"][-1]["content"]
    words = ("unsafe", "safe") if "'safe' or 'unsafe'" in asked else ("yes", "no")
    share = 0.9 if any(word in asked.split() for word in ("bomb", "poison", "weapon")) else 0.2
    shares = behaviour.top_logprobs or {words[0]: share, words[1]: 1 - share}
    top = {token: math.log(one) for token, one in shares.items()}
    token = max(top, key=top.__getitem__)
    choice: dict[str, Any] = {"finish_reason": "stop"}
    if path == "completions":
        logprobs: dict[str, Any] = {"tokens": [token], "top_logprobs": [top]}
        choice |= {"text": token}
    else:
        alternatives = [{"token": one, "logprob": logp} for one, logp in top.items()]
        content = {"token": token, "logprob": top[token], "top_logprobs": alternatives}
        logprobs = {"content": [content]}
        choice |= {"message": {"role": "assistant", "content": token}}
    return {"choices": [choice | ({"logprobs": logprobs} if behaviour.gives_logprobs else {})]}
