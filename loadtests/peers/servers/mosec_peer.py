"""mosec: two workers, batches of up to 32 that wait 1 ms at most (its default of 10 is slower)."""

from __future__ import annotations

from mosec import Server, Worker

from loadtests.peers.model import MAX_BATCH_SIZE, PeerModel


class Classifier(Worker):
    def __init__(self) -> None:
        self.model = PeerModel(threads=1)

    def forward(self, data: list[dict[str, str]]) -> list[dict[str, float]]:
        found = self.model.probabilities([one["prompt"] for one in data])
        return [{"probability": one} for one in found]


if __name__ == "__main__":  # mosec reads the port from its own flag
    server = Server()
    server.append_worker(
        Classifier, num=2, max_batch_size=MAX_BATCH_SIZE, max_wait_time=1, route="/classify"
    )
    server.run()
