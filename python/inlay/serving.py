"""An application on its sockets, in the running loop: what a worker process and
a server inside another program have in common.
"""

from __future__ import annotations

import asyncio
import importlib
import platform
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from . import (
    _core,
    bypass,
    database,
    importer,
    lift,
    openapi,
    quarantine,
    routes,
    settings,
)
from .config import Config
from .lifespan import Lifespan
from .logs import TRACE, log
from .target import ASGIApp, TargetError
from .tracing import traced

_T = TypeVar("_T")
_METHODS = frozenset({
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    "WEBSOCKET",
})  # fmt: skip
_POLL = 0.02  # seconds between looks at what is still running


class Serving:
    """Start-up, serving and shutdown of an application.

    `sockets` listen already; drain() closes them. `more` are further keywords
    of `_core.Server`.
    """

    def __init__(
        self, config: Config, sockets: list[socket.socket], **more: Any
    ) -> None:
        self.config = config
        self.sockets = sockets
        self.more = more
        self.app: ASGIApp | None = None
        self.lifespan: Lifespan | None = None
        self.server: Any = None
        self.document: openapi.Document | openapi.Generated | None = None
        self.bypasses: list[bypass.Bypass] = []
        self.lifts: list[lift.Decision] = []
        self.routes = routes.Routes()  # of the application
        self._off: Sequence[str] = config.native_off
        self._quarantined: Sequence[str] = ()
        self._guards: set[tuple[str, str]] = set()  # that have been switched

    async def start(self, app: ASGIApp | None, native: bool = True) -> None:
        """The application's start-up, then the C server: it may begin().

        Raises LifespanError, or TargetError when native routes can't be bound.
        """
        lifespan = Lifespan(app, self.config.lifespan if native else "off")
        try:
            await lifespan.startup()
        except asyncio.CancelledError:
            lifespan.cancel()
            raise
        self.app = app
        try:
            self.server = self._create_server(app, lifespan.state, native)
        except BaseException:
            await lifespan.shutdown()
            raise
        self.lifespan = lifespan
        if native:
            importer.servers.append(self)
        self.switch(self._off, self._quarantined)

    def _create_server(
        self, app: ASGIApp | None, state: dict[str, Any], native: bool
    ) -> _core.Server:
        if native:
            for name, why in importer.unguarded.items():
                raise TargetError(f"{name} has guards and could not be loaded: {why}")
        try:
            server = _core.Server(
                traced(app) if app and log.isEnabledFor(TRACE) else app,
                [sock.fileno() for sock in self.sockets],
                loop=asyncio.get_running_loop(),
                state=state,
                native=native,
                **{**settings.of(self.config), **self.more},
            )
        except (ImportError, OSError, ValueError) as error:
            # A route that can't be bound; an option that C reads.
            raise TargetError(getattr(error, "strerror", "") or str(error)) from None
        if app is not None:
            self.document = openapi.install(app, server.openapi())
            self.arrange(app, server)
        return server

    def arrange(self, app: ASGIApp, server: _core.Server) -> None:
        """Native routes and the application's, side by side: what goes past
        what, and which endpoints are lifted. Raises TargetError when something
        would be skipped that must not be."""
        self.routes = read_routes(app)
        self.bypasses = check_bypasses(self.routes)
        self.lifts = lift.decide(self.routes, self.config.lift_past)
        if self.config.lift:
            lift.apply(server, self.lifts)
        for path in {route["path"] for route in server.native_routes()}:
            server.alone(path, self.routes.lack(path))

    def switch(self, off: Sequence[str], quarantined: Sequence[str]) -> None:
        """Which native routes are not to run, by patterns and by names; any
        thread, also before start()."""
        self._off, self._quarantined = off, quarantined
        server = self.server
        if server is None:
            return
        found = quarantine.modes(
            server.native_routes(),
            self.lifted(),
            None if self.app is None else self.routes,
            off,
            quarantined,
        )
        for guard in self._guards:
            found.setdefault(guard, quarantine.ON)
        both = quarantine.GUARD, quarantine.HOOK
        self._guards = {key for key in found if key[0] in both}
        for (methods, path), mode in found.items():
            server.switch(methods, path, mode)

    def lifted(self) -> list[dict[str, str]]:
        """The application's endpoints that are answered without it."""
        if not self.config.lift:
            return []
        return [each.message() for each in self.lifts if not each.reason]

    def replace_native(self) -> bool:
        """After a hot swap: routes, endpoints and documents of the new code, or
        those from before and an error. False: those from before, as the first
        guard of a server needs a new one."""
        app, server = self.app, self.server
        if app is not None:
            check_bypasses(read_routes(app))
        if not server.replace_native():
            return False
        if app is not None:
            self.arrange(app, server)
        self.switch(self._off, self._quarantined)
        if self.document is not None:
            self.document.update(server.openapi())
        return True

    def begin(self) -> None:
        """Accept clients."""
        self.server.start()

    async def drain(
        self, hurry: Callable[[], bool] = lambda: False, patient: bool = False
    ) -> None:
        """No new requests; those that run may end until the deadline, or until
        someone is in a hurry."""
        server = self.server
        if patient:
            server.retire()
        else:
            server.drain()
        while server.accepting():
            await asyncio.sleep(_POLL / 10)
        # New clients are to be refused, not to wait in a queue of ours.
        for sock in self.sockets:
            sock.close()
        deadline = time.monotonic() + self.config.timeout_graceful_shutdown
        if running := server.in_flight():
            log.info(
                "Waiting for running requests to end: %d (CTRL+C to force quit)",
                running,
            )
        while server.connections() > 0 or server.in_flight() > 0:
            if time.monotonic() >= deadline or hurry():
                running = server.in_flight()
                # Idle ones are closed at once, but by a patient server.
                cut = running if patient else max(running, server.connections())
                if cut:
                    log.warning(
                        "Cut, as they did not end within %g s: %d",
                        self.config.timeout_graceful_shutdown,
                        cut,
                    )
                server.cancel()
                await asyncio.sleep(0)
                break
            await asyncio.sleep(_POLL)

    async def stop(self) -> None:
        """Cut what is left; then the application's shutdown."""
        if self in importer.servers:
            importer.servers.remove(self)
        if self.server is not None:
            self.server.stop()
        if self.lifespan is not None:
            await self.lifespan.shutdown()

    def warnings(self) -> list[str]:
        """What can hardly be meant."""
        found = [
            f"{where}: {method} is no method of RFC 9110 or RFC 5789"
            for native in _core.modules()
            for methods, _, _, _, where in native.routes
            for method in methods.split(",")
            if method.strip() not in _METHODS
        ]
        if self.app is None and not self.server.native_routes():
            found.append("no native routes: every request is a 404")
        if (self.app is None or self.routes.plain) and not (
            self.config.root_path or self.config.static
        ):
            found.extend(bypass.idle(self.routes, _core.modules()))
        if self.routes.known:
            found.extend(
                f"--lift-past {name}: the application has no such middleware"
                for name in lift.strays(self.routes, self.config.lift_past)
            )
        return found

    def describe(self) -> dict[str, Any]:
        """What is served how, for the banner."""
        return {
            "app": _describe_app(self.app),
            "native": self.server.native_routes(),
            "guards": [
                f"{'after' if after else 'guard'} {pattern} -> {native.name}.{function}"
                for native in _core.modules()
                for pattern, function, after, *_ in native.guards
            ],
            "bypasses": [each.line() for each in self.bypasses if each.text()],
            "databases": database.listed(),
            "warnings": self.warnings(),
            "lifted": [each.text() for each in self.lifts if not each.reason],
            "lifted_routes": self.lifted(),
            "not_lifted": [each.text() for each in self.lifts if each.reason],
            "loop": type(asyncio.get_running_loop()).__module__.split(".")[0],
            "python": platform.python_version(),
        }


def check_bypasses(found: routes.Routes) -> list[bypass.Bypass]:
    """What native routes go past; raises TargetError when they must not."""
    bypasses = bypass.find(found, _core.modules())
    for each in bypasses:
        if problem := each.problem():
            raise TargetError(problem)
    return bypasses


def read_routes(app: ASGIApp) -> routes.Routes:
    """The application's routes; none when it can't be seen what they are."""
    try:
        return routes.collect(app)
    except Exception as error:
        # Of a version, or a subclass, that does things in another way.
        log.warning("The routes of the application can't be read: %r", error)
        return routes.Routes()


def _describe_app(app: Any) -> str | None:
    if app is None:
        return None
    owner = openapi.find_documented(app) or app
    return getattr(owner, "__name__", None) or type(owner).__name__


# --- Loops --------------------------------------------------------------------


def new_loop(choice: str) -> asyncio.AbstractEventLoop:
    """An event loop: uvloop's when installed (`auto`) or asked for, or what
    MODULE:FACTORY makes."""
    if choice == "zuvloop":
        choice = "zuvloop:new_event_loop"
    if ":" in choice:
        return _custom_loop(choice)
    if choice in ("auto", "uvloop"):
        try:
            import uvloop

            return uvloop.new_event_loop()
        except ImportError:
            if choice == "uvloop":
                raise TargetError(
                    "--loop uvloop: uvloop is not installed (pip install uvloop)"
                ) from None
    return asyncio.new_event_loop()


def _custom_loop(choice: str) -> asyncio.AbstractEventLoop:
    module, _, attribute = choice.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise TargetError(f"--loop {choice}: {error}") from None
    loop = factory()
    if not isinstance(loop, asyncio.AbstractEventLoop):
        raise TargetError(
            f"--loop {choice} made {type(loop).__name__}, not an event loop"
        )
    return loop


def finish(loop: asyncio.AbstractEventLoop) -> None:
    """What asyncio.run does at the end, within bounds."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=2.0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def run(main: Coroutine[Any, Any, _T], choice: str) -> _T:
    """asyncio.run on a loop of this choice."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        main.close()
        raise RuntimeError(
            "an event loop runs already in this thread: await Server.serve() there"
        )
    loop = new_loop(choice)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        try:
            finish(loop)
        finally:
            asyncio.set_event_loop(None)
