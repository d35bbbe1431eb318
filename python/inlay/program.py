"""The interpreter inside a C program: an ASGI application behind the program's
own native routes (include/inlay/server.h, src/embed/python.c).

It is `inlay.Server` on sockets that the program has made.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from typing import Any

from . import _core, banner, embed, logs, options, serving
from .config import EXIT_FAILED
from .options import OptionError
from .target import ASGIApp, TargetError

_PROGRAM = "/proc/self/exe"


class Below:
    """An application below a path: to it, as if it were mounted there. What
    is elsewhere is 404."""

    def __init__(self, path: str, app: ASGIApp) -> None:
        self.path = path
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root)
        if path == self.path or path.startswith(self.path + "/"):
            await self.app({**scope, "root_path": root + self.path}, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            headers = [(b"content-type", b"application/json")]
            await send(
                {"type": "http.response.start", "status": 404, "headers": headers}
            )
            await send(
                {"type": "http.response.body", "body": b'{"detail":"Not Found"}'}
            )


class ProgramServer(embed.Server):
    """Stops also when the program says so, by its descriptor `wake`."""

    def __init__(self, config: embed.Config, wake: int) -> None:
        super().__init__(config)
        self.wake_fd = wake

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.wake_fd, self.stop)
        await super().startup(sockets)
        assert self._serving is not None
        banner.show(self.config.settings, self.sockets, self._serving.describe())

    def stop(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake_fd, 8)
        self.should_exit = True


def main() -> None:
    """Entry point; SystemExit with the program's status."""
    given = json.loads(sys.argv[1])
    sys.argv[1:] = [given["target"]]
    # What the server does with them counts; nothing is left for afterwards.
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    try:
        server = _server(given)
        sockets = [socket.socket(fileno=os.dup(fd)) for fd in given["fds"]]
        serving.run(server.serve(sockets), server.config.settings.loop)
    except (OptionError, TypeError, TargetError, ImportError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    logs.flush()


def _server(given: dict[str, Any]) -> ProgramServer:
    _core.load("program", _PROGRAM, "")
    config = embed.Config(given["target"], **_keywords(given["options"]))
    path = given["path"].rstrip("/")
    if path:
        app = config.load()
        if app is not None:
            config.loaded_app = Below(path, app)
    return ProgramServer(config, given["wake"])


def _keywords(given: list[tuple[str, str]]) -> dict[str, Any]:
    """Options as they were set, one by one; those of lists are collected."""
    found: dict[str, Any] = {}
    for name, value in given:
        field = options.field_of(name)
        if field is None:
            raise OptionError(f"there is no option {name}{_like(name)}")
        if options.BY_FIELD[field].multiple:
            found.setdefault(field, []).append(value)
        else:
            found[field] = value
    return found


def _like(name: str) -> str:
    return options.like(name, options.NAMES)
