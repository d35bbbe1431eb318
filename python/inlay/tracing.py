"""`--log-level trace`: the application's messages in the log, as in uvicorn."""

from __future__ import annotations

import itertools
from typing import Any

from .logs import TRACE, log
from .target import ASGIApp

_SIZED = ("body", "bytes", "text")


def _shown(message: dict[str, Any]) -> dict[str, Any]:
    """With sizes in place of bodies."""
    sizes = {
        key: f"<{len(message[key])} bytes>"
        for key in _SIZED
        if message.get(key) is not None
    }
    return {**message, **sizes}


def traced(app: ASGIApp) -> ASGIApp:
    """The application, each scope and message of it logged."""
    numbers = itertools.count(1)

    async def tracing(scope: Any, receive: Any, send: Any) -> None:
        client = scope.get("client")
        who = f"{client[0]}:{client[1]} - ASGI" if client else "ASGI"
        prefix = f"{who} [{next(numbers)}]"

        async def traced_receive() -> Any:
            message = await receive()
            log.log(TRACE, "%s Receive %s", prefix, _shown(message))
            return message

        async def traced_send(message: Any) -> None:
            log.log(TRACE, "%s Send %s", prefix, _shown(message))
            await send(message)

        log.log(TRACE, "%s Started scope=%s", prefix, scope)
        try:
            await app(scope, traced_receive, traced_send)
        except BaseException as error:
            log.log(TRACE, "%s Raised %r", prefix, error)
            raise
        log.log(TRACE, "%s Completed", prefix)

    return tracing
