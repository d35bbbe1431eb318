"""What the guards of guarded.c protect, in every kind of ASGI route."""

from __future__ import annotations

import os

import guarded  # noqa: F401
from fastapi import FastAPI, Request, WebSocket
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

app = FastAPI()


@app.api_route("/admin/app", methods=["GET", "POST", "DELETE", "OPTIONS", "HEAD"])
def secret() -> PlainTextResponse:
    return PlainTextResponse("SECRET app")


@app.get("/admin/items/{item:path}")
def item(item: str) -> PlainTextResponse:
    return PlainTextResponse(f"SECRET item {item}")


@app.post("/admin/upload")
@app.post("/slow/upload")
async def upload(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"SECRET {len(await request.body())}")


@app.get("/slow/app")
async def slow() -> PlainTextResponse:
    return PlainTextResponse("SECRET slow")


@app.websocket("/admin/ws")
@app.websocket("/slow/ws")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("SECRET ws")
    await socket.close()


def inner(request: Request) -> PlainTextResponse:
    return PlainTextResponse("SECRET sub")


app.mount("/admin/sub", Starlette(routes=[Route("/deep", inner)]))
app.mount("/nested", Starlette(routes=[Mount("/x", routes=[Route("/deep", inner)])]))
# It works out dots by itself.
app.mount("/", StaticFiles(directory=os.environ["GUARDED_FILES"]))
