"""FastAPI without batching, as most people start. Two uvicorn workers, one thread each."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from loadtests.peers.model import PeerModel


class Body(BaseModel):
    prompt: str


def create_app() -> FastAPI:
    app = FastAPI()
    model = PeerModel(threads=1)

    @app.post("/classify")
    def classify(body: Body) -> dict[str, float]:  # in FastAPI's thread pool, off the event loop
        return {"probability": model.probabilities([body.prompt])[0]}

    return app


if __name__ == "__main__":
    uvicorn.run(
        "loadtests.peers.servers.fastapi_plain:create_app",
        factory=True,
        port=int(sys.argv[1]),
        workers=2,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
