"""What `inlay dev` serves while the application can't be loaded."""

from __future__ import annotations

from typing import Any

from inlay.target import ASGIApp


def explain(problem: str) -> ASGIApp:
    """An application that answers every request with `problem`, as text."""
    body = f"The application can't be served:\n\n{problem.strip()}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
