"""The same traffic in Locust, for people who like to watch a run.

    pip install locust
    locust -f loadtests/locustfile.py --host http://127.0.0.1:8000 Chatbot

Locust's users wait for their answer before they ask again, so a slow server gets fewer requests and
its stalls stay hidden. Publish figures from `python -m loadtests` instead.

Environment: LOADTEST_API_KEY if the server checks keys, LOADTEST_DATA for real texts.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, task

# Locust loads this file by its path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loadtests.scenarios import requests
from loadtests.texts import texts

_numbers = itertools.count()


class _User(FastHttpUser):
    """Sends one scenario; each user sends its own texts."""

    abstract = True
    scenario = "prompts"
    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        data = os.environ.get("LOADTEST_DATA")
        key = os.environ.get("LOADTEST_API_KEY")
        seed = next(_numbers)
        self._requests = requests(
            self.scenario, texts(Path(data) if data else None, seed=seed), seed=seed
        )
        self._headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})

    @task
    def ask(self) -> None:
        request = next(self._requests)
        with self.client.post(
            request.path,
            data=request.body,
            headers=self._headers,
            name=self.scenario,
            catch_response=True,
        ) as reply:
            self._judge(reply, request.texts)

    def _judge(self, reply: Any, texts: int) -> None:
        if reply.status_code != 200:
            reply.failure(f"status {reply.status_code}")
        elif len(reply.json()["results"]) != texts:
            reply.failure("not every text was judged")


class Prompts(_User):
    scenario = "prompts"


class Pairs(_User):
    scenario = "pairs"


class Batches(_User):
    scenario = "batches"


class Long(_User):
    scenario = "long"


class Chatbot(_User):
    scenario = "chatbot"
