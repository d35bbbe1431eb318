"""Raw ASGI: answers and bodies of some sizes, WebSocket echo and broadcast."""

from __future__ import annotations

from typing import Any

TEN = b"x" * 10_240
PART = b"x" * 65_536
HEADERS = [(b"content-type", b"application/octet-stream")]

room: set[Any] = set()


async def answer(send: Any, body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send(
        {"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]}
    )
    await send({"type": "http.response.body", "body": body})


async def stream(send: Any) -> None:
    """1 MiB in parts of 64 KiB."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    for _ in range(16):
        await send({"type": "http.response.body", "body": PART, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def echo(receive: Any, send: Any) -> None:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    await answer(send, b"".join(parts))


async def tell(peer: Any, message: dict[str, Any]) -> None:
    try:
        await peer(message)
    except OSError:  # it has left
        room.discard(peer)


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    everyone = scope["path"] == "/room"
    if everyone:
        room.add(send)
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            break
        message["type"] = "websocket.send"
        if everyone:
            for peer in list(room):
                await tell(peer, message)
        else:
            await send(message)
    room.discard(send)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await websocket(scope, receive, send)
    elif scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    elif scope["path"] == "/10k":
        await answer(send, TEN)
    elif scope["path"] == "/stream":
        await stream(send)
    else:
        await echo(receive, send)
