"""Asks a running server for a verdict, as a client would: `helm test` runs this in the image.

python verdict.py HOST PORT [KEYS_FILE]
"""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path


def ask(place: tuple[str, int], method: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Status and body of one request."""
    connection = http.client.HTTPConnection(*place, timeout=10)
    body = json.dumps({"prompt": "How do I bake bread?"}) if method == "POST" else None
    sent = {"Content-Type": "application/json"} if body else {}
    connection.request(method, path, body, sent | headers)
    reply = connection.getresponse()
    return reply.status, reply.read()


def main(host: str, port: str, keys_file: str = "") -> str:
    """Nothing if all is well, else what is wrong in one line."""
    place = host, int(port)
    status, _ = ask(place, "GET", "/readyz")
    if status != 200:
        return f"/readyz answers {status}"
    key = {}
    if keys_file:
        status, _ = ask(place, "POST", "/classify")
        if status != 401:
            return f"a request without a key is answered with {status}"
        lines = map(str.strip, Path(keys_file).read_text("utf-8").splitlines())
        key = {"Authorization": f"Bearer {next(x for x in lines if x and x[0] != '#')}"}
    status, body = ask(place, "POST", "/classify", **key)
    if status != 200 or not isinstance(json.loads(body)["harmful"], bool):
        return f"no verdict: status {status}"
    return ""


problem = main(*sys.argv[1:])
print(problem or "a verdict was given")
sys.exit(1 if problem else 0)
