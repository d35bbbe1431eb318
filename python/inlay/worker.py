"""A worker process: the application on the main thread, C on the I/O threads.

Started by the supervisor as `main CONFIG PIPES`; not for use by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import signal
import sys
import time
from typing import Any

from . import _core, control, logs, openapi, private, settings, target
from .config import Config
from .lifespan import Lifespan, LifespanError
from .logs import log

EXIT_STARTUP = 3
_POLL = 0.02  # seconds between looks at what is still running


def new_loop(choice: str) -> asyncio.AbstractEventLoop:
    """An event loop: uvloop's when installed (`auto`) or asked for."""
    if choice in ("auto", "uvloop"):
        try:
            import uvloop

            return uvloop.new_event_loop()
        except ImportError:
            if choice == "uvloop":
                raise target.TargetError(
                    "--loop uvloop: uvloop is not installed (pip install uvloop)"
                ) from None
    return asyncio.new_event_loop()


class Worker:
    """Start-up, serving and shutdown of one process."""

    def __init__(self, config: Config, listen: list[int], status: int) -> None:
        self.config = config
        self.listen = listen
        self.status = status
        self.app: Any = None
        self.server: Any = None
        self.document: openapi.Document | None = None
        self.broken = False  # the application can't be served

    async def run(self, commands: int) -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        # Ctrl-C, or the terminal's end, reach its whole group: the supervisor
        # decides.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        # The supervisor blocked them for the start.
        signal.pthread_sigmask(
            signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        )

        def stop_soon() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(stop.set)

        control.follow_supervisor(
            commands,
            self.config.timeout_graceful_shutdown,
            stop_soon,
            self.on_command,
        )
        lifespan = await self.start()
        try:
            self.server.start()
            try:
                self.report()
                await stop.wait()
                await self.drain(self.server)
            finally:
                self.server.stop()
        finally:
            await lifespan.shutdown()
        return 0

    async def start(self) -> Lifespan:
        """Load the application and make the server; in dev, one that says why
        that can't be done."""
        try:
            return await self._start(target.load(self.config))
        except (target.TargetError, LifespanError) as error:
            if not self.config.dev:
                raise
            from .broken import explain

            log.error("%s", error)
            self.broken = True
            return await self._start(explain(str(error)), native=False)

    async def _start(self, app: Any, native: bool = True) -> Lifespan:
        lifespan = Lifespan(app, self.config.lifespan if native else "off")
        await lifespan.startup()
        self.app = app
        try:
            self.server = self.create_server(app, lifespan.state, native)
        except target.TargetError:
            await lifespan.shutdown()
            raise
        return lifespan

    def on_command(self, command: control.Message) -> None:
        """What the supervisor of `inlay dev` asks for; on the control thread."""
        from . import swap

        if command["type"] == "swap" and self.server is not None:
            report = swap.swap(command["module"], self.app, self.server, self.document)
            control.send(self.status, "swapped", **report)

    def create_server(
        self, app: Any, state: dict[str, Any], native: bool
    ) -> _core.Server:
        """The C server, its native routes bound; TargetError when they can't be."""
        try:
            server = _core.Server(
                app,
                self.listen,
                loop=asyncio.get_running_loop(),
                state=state,
                native=native,
                **settings.of(self.config),
            )
        except ImportError as error:
            raise target.TargetError(str(error)) from None
        if app is not None:
            self.document = openapi.install(app, server.openapi())
        return server

    async def drain(self, server: Any) -> None:
        """No new requests; those that run may end until the deadline."""
        server.drain()
        while server.accepting():
            await asyncio.sleep(_POLL / 10)
        # New clients are to be refused, not to wait in a queue of ours.
        for fd in self.listen:
            os.close(fd)
        deadline = time.monotonic() + self.config.timeout_graceful_shutdown
        waiting = max(server.in_flight(), server.connections())
        if waiting:
            log.info(
                "Waiting for running requests to end: %d (CTRL+C to force quit)",
                waiting,
            )
        while server.connections() > 0 or server.in_flight() > 0:
            if time.monotonic() >= deadline:
                log.warning(
                    "Cut, as they did not end within %g s: %d",
                    self.config.timeout_graceful_shutdown,
                    max(server.in_flight(), server.connections()),
                )
                server.cancel()
                await asyncio.sleep(0)
                break
            await asyncio.sleep(_POLL)

    def report(self) -> None:
        """Tell the supervisor what is served how, for its banner."""
        more: dict[str, Any] = {}
        if self.config.dev:
            from . import swap

            more["modules"] = swap.loaded()
            more["broken"] = self.broken
        control.send(
            self.status,
            "ready",
            app=_describe_app(self.app),
            native=self.server.native_routes(),
            loop=type(asyncio.get_running_loop()).__module__.split(".")[0],
            python=platform.python_version(),
            **more,
        )
        if not self.config.dev:
            os.close(self.status)


def _describe_app(app: Any) -> str | None:
    if app is None:
        return None
    owner = openapi.find_documented(app) or app
    return getattr(owner, "__name__", None) or type(owner).__name__


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """What asyncio.run does at the end, within bounds."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=2.0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def main() -> None:
    """Entry point; ends the process."""
    config = Config.from_json(sys.argv[1])
    pipes = json.loads(sys.argv[2])
    for fd in (*pipes["listen"], pipes["status"], pipes["control"]):
        os.set_inheritable(fd, False)
    # What the application sees is the command that was typed.
    sys.argv[1:] = [config.target]
    logs.configure(config.log_level, config.use_colors)
    worker = Worker(config, pipes["listen"], pipes["status"])
    code = 1
    try:
        loop = new_loop(config.loop)
        asyncio.set_event_loop(loop)
        code = loop.run_until_complete(worker.run(pipes["control"]))
        _finish(loop)
    except target.TargetError as error:
        log.error("%s", error)
    except LifespanError as error:
        for line in str(error).splitlines():
            log.error("%s", line)
        code = EXIT_STARTUP
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
        if isinstance(error.code, str):
            log.error("%s", error.code)
    logs.flush()
    private.remove()
    # Threads of the application (sync endpoints) must not hold the exit up.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
