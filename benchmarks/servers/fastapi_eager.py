"""FastAPI and eager torch, one image at a time: an application factory for uvicorn."""

from typing import Any

from fastapi import FastAPI, Request

from benchmarks.servers.network import answers, pixels, served


def app() -> FastAPI:
    version, made = served(), FastAPI()

    @made.post("/predict")
    async def predict(request: Request) -> list[dict[str, Any]]:
        # Not in FastAPI's pool of threads: 32 forward passes at once take each other's cores (slower).
        return answers(version, [pixels(version, await request.body())])[0]

    return made
