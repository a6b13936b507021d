"""Measures how many disguised harmful prompts are caught, and what that costs harmless text.

    python -m loadtests.attack_set [ROWS.jsonl …] [--student DIR] [--teacher DIR,DIR] [--limit N]

The script starts the servers: the student alone, the student with triggers and, if a teacher is
given, the cascade without and with triggers. It sends them each harmful prompt, plain and in every
disguise, and harmless text that may look disguised (code, addresses, other scripts). ROWS: JSON
Lines with `prompt` and, optionally, `prompt_label`. Rows labelled harmless serve as further
harmless text; rows with a response are left out. Without ROWS, prompts are generated. Prints
Markdown tables of shares, or JSON (`--json`); no text is printed or kept. Exit code 1 if the
teacher did not answer every question: the shares are then not the cascade's.

With `--url`, the script asks one running server instead, as it is set up.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from postern.shipped import DEFAULT_ARTIFACT

from loadtests.attack_texts import DISGUISES, KINDS, harmless, made_prompts

ROOT = Path(__file__).resolve().parents[1]

_BATCH = 32


def rows(path: Path, label: int) -> Iterator[str]:
    """Prompts of a file with this label; prompts without a label count as harmful."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            row = json.loads(line)
            if row.get("response") is None and row.get("prompt_label", 1) == label:
                yield row["prompt"]


def classify(url: str, prompts: list[str], fallback: str) -> list[dict[str, Any]]:
    body = {"inputs": [{"prompt": prompt} for prompt in prompts], "fallback": fallback}
    request = urllib.request.Request(
        f"{url}/classify", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as reply:
        return list(json.load(reply)["results"])


Shares = dict[str, dict[str, float]]


def figures(url: str, texts: Mapping[str, list[str]], *, fallback: str) -> Shares:
    """Shares for the texts of each name."""
    found: Shares = {}
    for name, some in texts.items():
        results = [
            result
            for start in range(0, len(some), _BATCH)
            for result in classify(url, some[start : start + _BATCH], fallback)
        ]
        found[name] = {
            what: round(sum(map(bool, values)) / len(results), 4)
            for what, values in {
                "flagged": [result["harmful"] for result in results],
                "triggered": [result.get("triggers") for result in results],
                "deferred": [result["deferred"] for result in results],
                # A disguise can look like another language; that is no missing teacher.
                "degraded": [
                    result["degraded"] and result.get("language_supported", True)
                    for result in results
                ],
            }.items()
        }
        print(f"{name}: {found[name]}", file=sys.stderr)
    return found


@contextmanager
def serving(**settings: object) -> Iterator[str]:
    """The URL of a real server with these settings."""
    patient = {
        "port": 0,
        "log_level": "error",
        "request_timeout_ms": 600_000,
        "teacher_timeout_ms": 600_000,
        "teacher_concurrency": _BATCH,
        "teacher_queue": 10 * _BATCH,
        "teacher_free_questions": 10**9,
        "teacher_audit_share": 0,
        "teacher_beside_share": 1.0,
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN_")}
    environment |= {f"POSTERN_{k.upper()}": str(v) for k, v in (patient | settings).items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "postern", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        found = re.search(rb"http://\S+:\d+", process.stdout.readline())
        if found is None:
            raise SystemExit("the server did not start")
        yield found[0].decode()
    finally:
        process.terminate()
        process.wait(60)


def ways(student: Path, teacher: str | None) -> dict[str, dict[str, object]]:
    """Settings of the compared servers."""
    alone: dict[str, object] = {"artifact": student.resolve()}
    found = {"student": alone | {"teacher_triggers": False}, "student, triggers": alone}
    if teacher is not None:
        folders = ",".join(str(Path(one).resolve()) for one in teacher.split(","))
        both = alone | {"teacher_artifacts": folders}
        found["cascade"] = both | {"teacher_triggers": False}
        found["cascade, triggers"] = both
    return found


def markdown(attacks: Mapping[str, Shares], benign: Mapping[str, Shares]) -> str:
    """Two tables of percentages: flagged attacks, and deferred harmless text."""
    names = list(attacks)
    head = ["disguise", *names, "triggered"]
    lines = ["Harmful prompts that are flagged:", "", _row(head), _row(["---"] * len(head))]
    for name in next(iter(attacks.values())):
        shares = [attacks[way][name]["flagged"] for way in names]
        triggered = attacks["student, triggers"][name]["triggered"]
        lines.append(_row([name, *map(_percent, [*shares, triggered])]))
    asks = [name for name in names if name.startswith("cascade")]
    head = ["harmless text", *(f"flagged: {n}" for n in names), *(f"deferred: {n}" for n in asks)]
    lines += ["", "Harmless text:", "", _row([*head, "triggered"]), _row(["---"] * (len(head) + 1))]
    for name in next(iter(benign.values())):
        shares = [benign[way][name]["flagged"] for way in names]
        shares += [benign[way][name]["deferred"] for way in asks]
        shares.append(benign["student, triggers"][name]["triggered"])
        lines.append(_row([name, *map(_percent, shares)]))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"


def attack_texts(prompts: list[str], *, seed: int) -> dict[str, list[str]]:
    found = {}
    for name, disguise in DISGUISES.items():
        rng = random.Random(seed)
        found[name] = [disguise(prompt, rng) for prompt in prompts]
    return found


def drawn(texts: list[str], *, limit: int, seed: int) -> list[str]:
    random.Random(seed).shuffle(texts)
    return texts[:limit]


def compare(asked: argparse.Namespace, attacks: Any, benign: Any) -> int:
    """Ask every server. Returns 1 if a verdict of a cascade lacks its teacher."""
    found: dict[str, dict[str, Shares]] = {"attacks": {}, "harmless": {}}
    for way, settings in ways(asked.student, asked.teacher).items():
        print(f"# {way}", file=sys.stderr)
        with serving(**settings) as url:
            found["attacks"][way] = figures(url, attacks, fallback="auto")
            found["harmless"][way] = figures(url, benign, fallback="auto")
    if asked.json:
        counts = {
            "prompts": len(attacks["plain"]),
            "harmless": {k: len(v) for k, v in benign.items()},
        }
        print(json.dumps(counts | {"shares": found}, indent=2))
    else:
        print(markdown(found["attacks"], found["harmless"]))
    degraded = [
        shares["degraded"]
        for kind in found.values()
        for one in kind.values()
        for shares in one.values()
    ]
    return 1 if any(degraded) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path, nargs="*")
    parser.add_argument("--student", type=Path, default=DEFAULT_ARTIFACT)
    parser.add_argument("--teacher", help="folders of artifacts, separated by commas")
    parser.add_argument("--url", help="ask this running server instead")
    parser.add_argument("--limit", type=int, default=200, help="prompts, and texts of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fallback", choices=("auto", "never", "always"), default="auto")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # this also stops the server
    prompts = [prompt for path in asked.rows for prompt in rows(path, 1)] or made_prompts()
    prompts = drawn(prompts, limit=asked.limit, seed=asked.seed)
    attacks = attack_texts(prompts, seed=asked.seed)
    if asked.url is not None:
        shares = figures(asked.url, attacks, fallback=asked.fallback)
        print(json.dumps({"prompts": len(prompts), "disguises": shares}, indent=2))
        return 0
    benign = {kind: harmless(kind, asked.limit) for kind in KINDS}
    own = [prompt for path in asked.rows for prompt in rows(path, 0)]
    if own:
        benign["rows labelled harmless"] = drawn(own, limit=asked.limit, seed=asked.seed)
    return compare(asked, attacks, benign)


if __name__ == "__main__":
    sys.exit(main())
