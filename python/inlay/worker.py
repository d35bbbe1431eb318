"""A worker process: the application on the main thread, C on the I/O threads.

Executed by the supervisor as `main CONFIG START`, or forked by the zygote;
not for use by hand. It gets ready, then waits for the supervisor to send the
listening sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from . import _core, control, database, logs, metrics, private, serving, target
from .child import PINGS, STACKS_SIGNAL
from .config import EXIT_FAILED, EXIT_STARTUP, Config
from .control import Channel
from .lifespan import LifespanError
from .logs import log
from .serving import Serving
from .target import ASGIApp

_COUNT = 0.1  # seconds between looks at the number of requests

Load = Callable[[], "ASGIApp | None"]


@dataclass(frozen=True)
class Start:
    """What the supervisor gives a process."""

    config: Config
    channel: Channel
    sockets: int  # listening ones that it will be sent
    number: int  # the lowest that no other one has; -1: the zygote
    inherited: dict[str, int]  # descriptors that all processes have, by name


class Worker:
    """Start-up, serving and shutdown of one process."""

    def __init__(self, start: Start) -> None:
        self.config = start.config
        self.channel = start.channel
        # Whose places the listening sockets take when they come.
        self.places = [socket.socket(socket.AF_UNIX) for _ in range(start.sockets)]
        counting = metrics.settings(start.config, start.inherited, start.number)
        self.serving = Serving(self.config, self.places, **counting)
        self.broken = False  # the application can't be served
        self.listening: list[int] = []  # the sockets, sent
        self.patient = False  # others go on: idle clients have time to notice
        self.stopped = asyncio.Event()
        self.given = asyncio.Event()  # `listening` is there

    async def run(self, load: Load) -> int:
        """Serve what `load` returns when, and as long as, it is told to."""
        self.follow()
        self.channel.send("begun")
        app, problem = self.load(load)
        # Until here there was nothing to end gracefully.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stopped.set)
        starting = asyncio.ensure_future(self.start(app, problem))
        await self.unless_stopped(starting)
        if not starting.done():
            starting.cancel()
            return 0  # the application is cancelled with all other tasks
        starting.result()
        try:
            self.report()
            given = asyncio.ensure_future(self.given.wait())
            await self.unless_stopped(given)
            if given.done() and not self.stopped.is_set():
                await self.serve()
        finally:
            await self.serving.stop()
        return 0

    async def unless_stopped(self, what: asyncio.Future[Any]) -> None:
        """Wait for it, or the order to stop."""
        stopped = asyncio.ensure_future(self.stopped.wait())
        await asyncio.wait({what, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()

    def follow(self) -> None:
        """Obey the supervisor, on a thread of its own."""
        loop = asyncio.get_running_loop()

        def soon(do: Callable[..., object], *args: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(do, *args)

        def on_command(command: control.Message) -> None:
            if command["type"] == "ping":
                soon(self.pong)
            elif command["type"] == "serve":
                self.listening = command["fds"]
                soon(self.given.set)
            elif command["type"] == "retire":
                self.patient = True
                soon(self.stopped.set)
            elif command["type"] == "switch":
                self.serving.switch(command["off"], command["quarantined"])
            elif command["type"] == "swap":
                self.swap(command["module"])

        control.follow_supervisor(
            self.channel,
            self.config.timeout_graceful_shutdown,
            lambda: soon(self.stopped.set),
            on_command,
        )

    def load(self, load: Load) -> tuple[ASGIApp | None, str]:
        """The application; in dev also the reason why there is none."""
        try:
            return load(), ""
        except target.TargetError as error:
            if not self.config.dev:
                raise
            return None, str(error)

    async def start(self, app: ASGIApp | None, problem: str) -> None:
        """Start the application and make the server; in dev, when that can't
        be done, one that says why."""
        try:
            if problem:
                raise target.TargetError(problem)
            await self.serving.start(app)
        except (target.TargetError, LifespanError) as error:
            if not self.config.dev:
                raise
            from .broken import explain

            log.error("%s", error)
            self.broken = True
            await self.serving.start(explain(str(error)), native=False)

    async def serve(self) -> None:
        """Accept until told to stop, then let running requests end."""
        for fd, place in zip(self.listening, self.places, strict=True):
            os.dup2(fd, place.fileno(), inheritable=False)
            os.close(fd)
        self.serving.begin()
        self.channel.send("serving")
        if self.config.limit_max_requests:
            jitter = random.randint(0, self.config.limit_max_requests_jitter)
            self.count(self.config.limit_max_requests + jitter)
        await self.stopped.wait()
        await self.serving.drain(patient=self.patient)

    def count(self, most: int) -> None:
        """Tell when there have been so many requests: it is to be replaced."""
        served = self.serving.server.requests()
        if served >= most:
            self.channel.send("spent", reason=f"has served {served} requests")
        else:
            asyncio.get_running_loop().call_later(_COUNT, self.count, most)

    def pong(self) -> None:
        """The event loop turns; do the loops of the I/O threads?"""
        server = self.serving.server
        with contextlib.suppress(RuntimeError):  # it has been stopped
            stuck = server.stuck(PINGS) if server is not None else None
            self.channel.send("pong", stuck=stuck)

    def swap(self, module: str) -> None:
        """What `inlay dev` asks for; on the control thread."""
        from . import swap

        serving = self.serving
        if serving.server is not None:
            report = swap.swap(module, serving)
            self.channel.send("swapped", **report)

    def report(self) -> None:
        """Tell the supervisor what is served how, for its banner."""
        more: dict[str, Any] = {}
        if self.config.dev:
            from . import swap

            more["modules"] = swap.loaded()
            more["broken"] = self.broken
        self.channel.send("ready", **self.serving.describe(), **more)


def name(text: str) -> None:
    """What `ps -o comm` and `top` call this process."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as file:
        file.write(text)


def begin() -> Start:
    """The first thing in a process that the supervisor has executed."""
    config = Config.from_json(sys.argv[1])
    given = json.loads(sys.argv[2])
    if "db" in given:
        with open(given["db"], encoding="utf-8") as file:
            config = replace(config, db=tuple(json.load(file)))
    inherited: dict[str, int] = given["inherited"]
    for fd in (given["channel"], *inherited.values()):
        os.set_inheritable(fd, False)
    # Ctrl-C, or the terminal's end, reach its whole group: the supervisor
    # decides. It has blocked them until here.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.register(STACKS_SIGNAL, file=inherited["stacks"], all_threads=True)
    signal.pthread_sigmask(
        signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    )
    # What the application sees is the command that was typed.
    sys.argv[1:] = [config.target]
    logs.configure(config)
    database.prepare(config)
    _core.crash_report_to(inherited["crashes"])
    return Start(
        config,
        Channel(socket.socket(fileno=given["channel"])),
        given["sockets"],
        given["number"],
        inherited,
    )


def run(start: Start, load: Load) -> int:
    """A worker's life; its exit status."""
    name("inlay-worker")
    database.speak(start.number == 0)
    try:
        loop = serving.new_loop(start.config.loop)
        asyncio.set_event_loop(loop)
        code = loop.run_until_complete(Worker(start).run(load))
        serving.finish(loop)
        return code
    except target.TargetError as error:
        log.error("%s", error)
        return EXIT_FAILED
    except LifespanError as error:
        for line in str(error).splitlines():
            log.error("%s", line)
        return EXIT_STARTUP
    except SystemExit as error:
        return exit_code(error)


def exit_code(error: SystemExit) -> int:
    """The status of a process whose application has called sys.exit."""
    if isinstance(error.code, str):
        log.error("%s", error.code)
    return error.code if isinstance(error.code, int) else EXIT_FAILED


def end(code: int) -> None:
    """End the process, now: threads of the application (sync endpoints) must
    not hold it up."""
    logs.flush()
    private.remove()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Entry point; ends the process."""
    start = begin()
    end(run(start, lambda: target.load(start.config)))
