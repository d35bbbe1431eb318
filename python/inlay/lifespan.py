"""The ASGI lifespan protocol: an application's start-up and shutdown.

One task runs the application with the lifespan scope for as long as the
worker serves. What the application puts into `state` during start-up is what
every request's scope gets a shallow copy of.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

log = logging.getLogger("inlay.error")

_MESSAGES = (
    "lifespan.startup.complete",
    "lifespan.startup.failed",
    "lifespan.shutdown.complete",
    "lifespan.shutdown.failed",
)


class LifespanError(Exception):
    """The application could not start; the text says why."""


class Lifespan:
    """Start-up and shutdown of `app`; mode is auto, on or off.

    `auto` serves an application that raises instead of knowing the protocol;
    `on` takes that for a failure.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]] | None,
        mode: str = "auto",
    ) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._mode = "off" if app is None else mode
        self._task: asyncio.Task[None] | None = None
        self._events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()
        self._startup_failure: str | None = None
        self._shutdown_failure: str | None = None
        self._error: BaseException | None = None

    async def startup(self) -> None:
        """Return when requests may come; LifespanError when they may not."""
        if self._mode == "off":
            return
        log.info("Waiting for application startup.")
        self._events.put_nowait({"type": "lifespan.startup"})
        self._task = asyncio.get_running_loop().create_task(self._run())
        await self._started.wait()
        if self._startup_failure is not None:
            raise LifespanError(
                f"{self._startup_failure}\nApplication startup failed.".lstrip("\n")
            )
        if self._error is not None and self._mode == "on":
            raise LifespanError("Application startup failed.") from self._error
        log.info("Application startup complete.")

    def cancel(self) -> None:
        """Give the application up, in the middle of its start-up."""
        if self._task is not None:
            self._task.cancel()

    async def shutdown(self) -> None:
        """Return when the application has cleaned up, or said it can't."""
        if self._task is None or self._error is not None:
            return
        log.info("Waiting for application shutdown.")
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await self._stopped.wait()
        if self._shutdown_failure is not None:
            if self._shutdown_failure:
                log.error("%s", self._shutdown_failure)
            log.error("Application shutdown failed.")
        elif self._error is None:
            log.info("Application shutdown complete.")

    async def _run(self) -> None:
        assert self._app is not None
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except BaseException as error:  # SystemExit must not end the loop
            self._error = error
            self._report(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self._started.set()
            self._stopped.set()

    def _report(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            return
        if self._startup_failure is not None or self._shutdown_failure is not None:
            return  # it said so before it raised
        if self._mode == "auto" and not self._started.is_set():
            log.info("ASGI 'lifespan' protocol appears unsupported.")
        else:
            log.error("Exception in 'lifespan' protocol", exc_info=error)

    async def _receive(self) -> dict[str, str]:
        return await self._events.get()

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind not in _MESSAGES:
            raise RuntimeError(f"Unexpected ASGI message {kind!r}.")
        event = self._started if kind.startswith("lifespan.startup") else self._stopped
        wanted = event is self._started or self._started.is_set()
        if event.is_set() or not wanted:
            raise RuntimeError(
                f"ASGI message {kind!r} in the wrong state of the lifespan."
            )
        if kind == "lifespan.startup.failed":
            self._startup_failure = str(message.get("message", ""))
        elif kind == "lifespan.shutdown.failed":
            self._shutdown_failure = str(message.get("message", ""))
        event.set()
