"""Ray Serve: two replicas, batches of up to 32 that wait 2 ms at most."""

from __future__ import annotations

import sys
import time
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from loadtests.peers.model import MAX_BATCH_SIZE, PeerModel


@serve.deployment(num_replicas=2, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0.5})
class Classifier:
    def __init__(self) -> None:
        self.model = PeerModel(threads=1)

    @serve.batch(max_batch_size=MAX_BATCH_SIZE, batch_wait_timeout_s=0.002)
    async def classify(self, prompts: list[str]) -> list[float]:
        return self.model.probabilities(prompts)

    async def __call__(self, request: Request) -> dict[str, float]:
        return {"probability": await self.classify((await request.json())["prompt"])}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    deployment: Any = Classifier  # the decorator changed its type
    serve.run(deployment.bind(), route_prefix="/classify")
    while True:
        time.sleep(3600)
