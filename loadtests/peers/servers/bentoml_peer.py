"""BentoML: adaptive batching, two workers. Started by `bentoml serve`."""

from __future__ import annotations

import bentoml

from loadtests.peers.model import MAX_BATCH_SIZE, PeerModel


@bentoml.service(workers=2, traffic={"timeout": 10, "max_concurrency": 4096})
class Classifier:
    def __init__(self) -> None:
        self.model = PeerModel(threads=1)

    @bentoml.api(
        batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=1000, route="/classify"
    )
    def classify(self, prompts: list[str]) -> list[float]:
        return self.model.probabilities(prompts)
