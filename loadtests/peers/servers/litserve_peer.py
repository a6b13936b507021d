"""LitServe: two workers, batches of up to 32 that wait 2 ms at most."""

from __future__ import annotations

import sys

import litserve

from loadtests.peers.model import MAX_BATCH_SIZE, PeerModel


class Classifier(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = PeerModel(threads=1)

    # No type annotation: LitServe would take it for a body model and look for it in the query.
    def decode_request(self, request) -> str:  # type: ignore[no-untyped-def]
        return str(request["prompt"])

    def batch(self, inputs: list[str]) -> list[str]:
        return inputs

    def predict(self, batch: list[str]) -> list[float]:
        return self.model.probabilities(batch)

    def unbatch(self, output: list[float]) -> list[float]:
        return output

    def encode_response(self, output: float) -> dict[str, float]:
        return {"probability": output}


if __name__ == "__main__":
    api = Classifier(max_batch_size=MAX_BATCH_SIZE, batch_timeout=0.002, api_path="/classify")
    litserve.LitServer(api, accelerator="cpu", workers_per_device=2).run(
        host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False
    )
