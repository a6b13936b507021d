"""Shows the cascade at work: the student alone, then with its teacher, on the same texts.

python examples/cascade/demo.py --teacher artifacts/TEACHER/1.0.0 [--teacher …]

Starts the server with the teacher in its own process, asks every text twice, prints both answers
side by side, and leaves the server running until Ctrl-C (`--once`: ends it).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

TEXTS = Path(__file__).with_name("texts.txt")
START_S = 120.0
WIDTH = 58


def main() -> int:
    parser = argparse.ArgumentParser(description="The cascade, seen working without a GPU.")
    parser.add_argument("--teacher", action="append", required=True, help="folder of an artifact")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--texts", type=Path, default=TEXTS, help="one text a line")
    parser.add_argument("--once", action="store_true", help="end the server after the table")
    arguments = parser.parse_args()
    url = f"http://{arguments.host}:{arguments.port}"
    texts = [line for line in arguments.texts.read_text("utf-8").splitlines() if line.strip()]
    server = started(arguments)
    try:
        if not ready(server, url):
            print("the server did not start", file=sys.stderr)
            return 1
        show(url, texts)
        if not arguments.once:
            print(f"\nThe server goes on at {url}/ (try a text of your own there). Ctrl-C ends it.")
            server.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.terminate()
        server.wait()
    return 0


def started(arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    """The server, as `make serve` starts it, with one more setting."""
    environment = os.environ | {
        "POSTERN_TEACHER_ARTIFACTS": ",".join(arguments.teacher),
        "POSTERN_LOG_LEVEL": "warning",
    }
    address = ["--host", arguments.host, "--port", str(arguments.port)]
    return subprocess.Popen([sys.executable, "-m", "postern", "serve", *address], env=environment)


def ready(server: subprocess.Popen[bytes], url: str) -> bool:
    until = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=5):
            return True
        time.sleep(0.1)
    return False


def ask(url: str, text: str, fallback: str) -> dict:
    """The verdict. fallback: `never` keeps the teacher out, `auto` asks it where the band says."""
    body = json.dumps({"prompt": text, "fallback": fallback}).encode()
    request = urllib.request.Request(f"{url}/classify", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)["results"][0]


def show(url: str, texts: list[str]) -> None:
    print(f"\n{'text':{WIDTH}}  student          with the teacher")
    deferred = changed = 0
    for text in texts:
        alone, both = ask(url, text, "never"), ask(url, text, "auto")
        short = text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
        line = f"{short:{WIDTH}}  {word(alone):9} {alone['probability']:.3f}  "
        if both["deferred"]:
            deferred += 1
            changed += both["harmful"] != alone["harmful"]
            teacher = both["teacher_probability"]
            told = "nothing" if teacher is None else f"{teacher:.3f}"
            line += (
                f"{word(both):9} {both['probability']:.3f}  teacher {told}, {both['decided_by']}"
            )
        print(line)
    print(f"\n{deferred} of {len(texts)} texts went to the teacher; {changed} verdicts changed.")


def word(verdict: dict) -> str:
    return "harmful" if verdict["harmful"] else "unharmful"


if __name__ == "__main__":
    sys.exit(main())
