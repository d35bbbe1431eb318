"""An application behind native routes that pass requests on to it."""

from __future__ import annotations

import native  # type: ignore[import-not-found]
from fastapi import FastAPI, Request

app = FastAPI()


@app.post("/python/{kind}")
async def body_of(kind: str, request: Request) -> dict[str, object]:
    size, parts = 0, 0
    async for part in request.stream():
        size += len(part)
        parts += 1
    return {"kind": kind, "size": size, "many": parts > 2}


@app.get("/python/stream")
async def nothing() -> str:
    return "from Python"


@app.get("/nap")
def nap() -> bool:
    result: bool = native.nap(1)
    return result
