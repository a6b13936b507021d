"""Adds verdicts to a Hugging Face dataset with `Dataset.map`, from a running server.

python examples/datasets_map/judge.py chats.csv --output verdicts.jsonl

Needs `pip install datasets` and a server. Rows that cannot be judged get an `error` and no verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from datasets import Dataset, Features, Value

NEW = {
    "harmful": Value("bool"),
    "probability": Value("float64"),
    "threshold": Value("float64"),
    "decided_by": Value("string"),
    "error": Value("string"),
}
# Fewer than POSTERN_MAX_ITEMS. Several processes keep the server's batches full.
ROWS = 64


def main() -> int:
    parser = argparse.ArgumentParser(description="Judge a dataset with Dataset.map.")
    parser.add_argument("file", help=".csv or .jsonl")
    parser.add_argument("--output", required=True, help=".jsonl file to write")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--prompt-column", default="prompt")
    parser.add_argument("--response-column", default="response")
    parser.add_argument("--processes", type=int, default=None)
    given = parser.parse_args()
    load = Dataset.from_csv if given.file.endswith(".csv") else Dataset.from_json
    dataset = load(given.file)
    judged = dataset.map(
        verdicts,
        batched=True,
        batch_size=ROWS,
        num_proc=given.processes,
        features=Features({**dataset.features, **NEW}),
        fn_kwargs={
            "url": given.url,
            "columns": (given.prompt_column, given.response_column),
            # `map` reuses its results for equal arguments: not those of another student.
            "artifact": call(given.url, "/info")["model"]["sha256"],
        },
        desc="judging",
    )
    judged.to_json(given.output)
    return 0


def verdicts(
    batch: dict[str, list[Any]], *, url: str, columns: tuple[str, str], artifact: str
) -> dict[str, list[Any]]:
    """The new columns of a batch. A missing response is absent, an empty one is judged."""
    prompts = batch[columns[0]]
    responses = batch.get(columns[1], [None] * len(prompts))
    exchanges = [
        {"prompt": "" if prompt is None else str(prompt)}
        | ({} if response is None else {"response": str(response)})
        for prompt, response in zip(prompts, responses, strict=True)
    ]
    found = ask(url, exchanges)
    return {name: [one.get(name) for one in found] for name in NEW}


def ask(url: str, exchanges: list[dict[str, str]]) -> list[dict[str, Any]]:
    """A result for each exchange. What the server refuses is asked in halves, down to one row."""
    while True:
        try:
            results: list[dict[str, Any]] = call(url, "/classify", {"inputs": exchanges})["results"]
            return results
        except urllib.error.HTTPError as refused:
            if refused.code in (429, 503):
                time.sleep(float(refused.headers.get("Retry-After", 1)))
                continue
            if refused.code not in (400, 413, 422):
                raise
            if len(exchanges) == 1:
                return [{"error": json.load(refused)["detail"]}]
        half = len(exchanges) // 2
        return ask(url, exchanges[:half]) + ask(url, exchanges[half:])


def call(url: str, path: str, body: Any = None) -> Any:
    headers = {"Content-Type": "application/json"}
    if "POSTERN_KEY" in os.environ:
        headers["Authorization"] = f"Bearer {os.environ['POSTERN_KEY']}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, headers)
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.load(reply)


if __name__ == "__main__":
    sys.exit(main())
