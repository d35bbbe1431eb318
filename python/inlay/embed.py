"""A server inside another program: `inlay.run`, `inlay.Config`, `inlay.Server`.

They stand where uvicorn's do: in `__main__`, in a running loop, in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from types import FrameType
from typing import Any

from . import banner, config, database, logs, options, serving, sockets, target
from .config import EXIT_FAILED, EXIT_STARTUP
from .lifespan import LifespanError
from .logs import log
from .options import OptionError
from .supervisor import supervise
from .target import ASGIApp

HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_LOOK = 0.1  # seconds between looks at the number of requests
# A signal that comes right before the loop falls asleep does not wake it.
_LOOK_FOR_SIGNALS = 0.5
# uvicorn's, without an effect here.
_IGNORED = frozenset({
    "http", "reset_contextvars", "timeout_notify", "ssl_version", "ssl_cert_reqs",
})  # fmt: skip
# uvicorn's, which would change what is served: refused unless unset.
_MISSING = frozenset({
    "callback_notify", "http2", "ssl_ca_certs", "ssl_certfile", "ssl_ciphers",
    "ssl_context_factory", "ssl_keyfile", "ssl_keyfile_password",
})  # fmt: skip
# What only a supervisor with workers of its own can do.
_SUPERVISED = (
    "workers", "reload", "preload", "spare", "limit_memory", "metrics_port", "control",
)  # fmt: skip


class Config:
    """What to serve and how: `app` as an object or "module:attribute", and the
    options of `inlay run` as keywords. None stands for an option's default.

    Options can be read and set as attributes until the server runs. Logging is
    configured at once, unless `log_config` is None. Raises OptionError (a
    ValueError) and TypeError.
    """

    app: ASGIApp | str
    settings: config.Config
    loaded: bool

    def __init__(self, app: ASGIApp | str, **keywords: Any) -> None:
        values = _read(keywords)
        name = app if isinstance(app, str) else _name(app)
        made = options.check(config.Config(name, **values))
        set_ = super().__setattr__
        set_("app", app)
        set_("settings", made)
        set_("loaded", False)
        set_("loaded_app", None)
        if made.env_file:
            from . import project

            project.load_env_file(made.env_file)
        database.prepare(made)
        if keywords.get("log_config", "") is not None:
            logs.configure(made)

    def __getattr__(self, name: str) -> Any:
        if name == "settings":
            raise AttributeError(name)
        return getattr(self.settings, options.field_of(name) or name)

    def __setattr__(self, name: str, value: Any) -> None:
        if options.field_of(name):
            changed = dataclasses.replace(self.settings, **_read({name: value}))
            super().__setattr__("settings", options.check(changed))
        elif name in ("app", "loaded", "loaded_app", "settings"):
            super().__setattr__(name, value)
        else:
            raise AttributeError(f"Config has no option {name!r}{_like(name)}")

    def load(self) -> ASGIApp | None:
        """The application as ASGI 3; None for a C file. Raises TargetError."""
        if not self.loaded:
            self.loaded_app = (
                target.load(self.settings)
                if isinstance(self.app, str)
                else target.prepare(self.app, self.settings)
            )
            self.loaded = True
        found: ASGIApp | None = self.loaded_app
        return found

    def bind_socket(self) -> socket.socket:
        """A bound socket of the (first) configured address. Raises BindError."""
        found = list(sockets.bind(self.settings))
        for other in found[1:]:
            other.close()
        return found[0]


def _name(app: Any) -> str:
    kind = app if isinstance(app, type) or hasattr(app, "__name__") else type(app)
    return f"{kind.__module__}:{kind.__name__}"


def _read(keywords: dict[str, Any]) -> dict[str, Any]:
    """Keywords as Config's fields."""
    values: dict[str, Any] = {}
    for name, value in keywords.items():
        if name in _MISSING:
            if value:
                raise OptionError(f"{name}: Inlay does not have it yet")
            continue
        if name in _IGNORED:
            continue
        field = options.field_of(name)
        if field is None:
            raise TypeError(f"Inlay has no option {name!r}{_like(name)}")
        if value is None:
            continue
        if field in values:
            raise TypeError(f"{name!r} is there by two names")
        if name == "log_config" and isinstance(value, Mapping):
            values[field] = logs.pack(value)
            continue
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if name == "forwarded_allow_ips" and not isinstance(value, str):
            value = ",".join(value)
        if name == "log_level" and isinstance(value, int):
            value = _level(value)
        try:
            values[field] = options.convert(field, value)
        except OptionError as error:
            raise OptionError(f"{name}: {error}") from None
    return values


def _like(name: str) -> str:
    return options.like(name, options.BY_FIELD)


def _level(number: int) -> str:
    """The name of a level of logging's: the nearest that says as much."""
    return min(logs.LEVELS, key=lambda name: abs(logs.LEVELS[name] - number))


class Listener:
    """The listening sockets, as asyncio's servers show them."""

    def __init__(self, found: Sequence[socket.socket]) -> None:
        self.sockets = tuple(found)


class Server:
    """One server in this process: run() in a program of its own, `await
    serve()` in a running loop.

    `started` says that clients are accepted. Setting `should_exit`, from any
    thread, stops gracefully; `force_exit` does not wait for running requests.
    SIGINT and SIGTERM do so while it runs in the main thread.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.started = False
        self.servers: list[Listener] = []
        self._exit = self._force = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self._serving: serving.Serving | None = None
        self._signals: list[int] = []
        self._bound: sockets.Listening | None = None  # by us

    # --- Its state ------------------------------------------------------------

    @property
    def should_exit(self) -> bool:
        return self._exit

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._exit = value
        self._notify()

    @property
    def force_exit(self) -> bool:
        return self._force

    @force_exit.setter
    def force_exit(self, value: bool) -> None:
        self._force = value
        self._notify()

    def _notify(self) -> None:
        loop = self._loop
        if loop is not None and (self._exit or self._force):
            with contextlib.suppress(RuntimeError):  # it has been closed
                loop.call_soon_threadsafe(self._wake.set)
                if self._force and self._starting is not None:
                    loop.call_soon_threadsafe(self._starting.cancel)

    @property
    def sockets(self) -> list[socket.socket]:
        """What it listens on."""
        return [sock for each in self.servers for sock in each.sockets]

    @property
    def port(self) -> int | None:
        """The (first) TCP port."""
        for sock in self.sockets:
            if sock.family != socket.AF_UNIX:
                return int(sock.getsockname()[1])
        return None

    # --- Running --------------------------------------------------------------

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop, in a loop of its own."""
        try:
            serving.run(self.serve(sockets), self.config.settings.loop)
        except target.TargetError as error:
            log.error("%s", error)  # of the loop
            sys.exit(EXIT_FAILED)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop, in this loop; `sockets` instead of the
        configured addresses. SystemExit when that can't be done, as uvicorn."""
        with self.capture_signals():
            try:
                await self._serve(sockets)
            except (target.TargetError, LifespanError, BindError) as error:
                for line in str(error).splitlines():
                    log.error("%s", line)
                failed = isinstance(error, LifespanError)
                sys.exit(EXIT_STARTUP if failed else EXIT_FAILED)

    async def _serve(self, sockets: list[socket.socket] | None) -> None:
        self._loop = asyncio.get_running_loop()
        for name in _SUPERVISED:
            if _differs(self.config.settings, name):
                log.warning("%s has no effect here: inlay.run() follows it", name)
        self._starting = asyncio.ensure_future(self.startup(sockets))
        try:
            await asyncio.wait([self._starting])
            if not self._starting.cancelled():
                self._starting.result()
                await self.main_loop()
        finally:
            # This task may have been cancelled; that one goes on by itself.
            if self._starting.cancel():
                await asyncio.wait([self._starting])
            await self.shutdown()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load, listen and begin. Raises TargetError, LifespanError and
        BindError; shutdown() has to follow in any case."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        settings = self.config.settings
        app = self.config.load()
        listening = self._listen(sockets)
        self.servers = [Listener(listening)]
        self._serving = serving.Serving(settings, listening)
        await self._serving.start(app)
        self._serving.begin()
        if sockets is None:
            banner.show(settings, listening, self._serving.describe())
        self.started = True

    def _listen(self, given: list[socket.socket] | None) -> list[socket.socket]:
        settings = self.config.settings
        if given is None:
            self._bound = sockets.bind(settings)
            return list(self._bound)
        for sock in given:
            sock.listen(settings.backlog)
            sock.setblocking(False)
        return given

    async def main_loop(self) -> None:
        """Until told to stop, or limit_max_requests is reached."""
        settings = self.config.settings
        most = settings.limit_max_requests
        if most:
            most += random.randint(0, settings.limit_max_requests_jitter)
        main = threading.current_thread() is threading.main_thread()
        pause = _LOOK if most else _LOOK_FOR_SIGNALS if main else None
        while not self._exit and not self._force:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            if most and self.total_requests >= most:
                log.info("Stopping: it has answered %d requests", most)
                return

    @property
    def total_requests(self) -> int:
        """Requests that were answered or aborted."""
        server = self._serving.server if self._serving else None
        return server.requests() if server is not None else 0

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, stop, and have the application shut down."""
        running, self._serving = self._serving, None
        try:
            try:
                if running is not None and self.started:
                    log.info("Shutting down")
                    if self._bound is not None:
                        self._bound.refuse()
                    await running.drain(lambda: self._force)
            finally:
                if running is not None:
                    await running.stop()
        finally:
            self.started = False
            for sock in self.sockets:
                sock.close()
            if self._bound is not None:
                self._bound.close()
            self._bound = self._loop = None

    # --- Signals --------------------------------------------------------------

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGINT and SIGTERM stop the server meanwhile, if this is the main
        thread; afterwards they are raised again for whoever had them before."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in HANDLED_SIGNALS
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        for captured in reversed(self._signals):
            signal.raise_signal(captured)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: stop; the second SIGINT, at once."""
        self._signals.append(sig)
        if self._exit and sig == signal.SIGINT:
            self.force_exit = True
        else:
            self.should_exit = True


BindError = sockets.BindError


def run(app: ASGIApp | str, **keywords: Any) -> None:
    """Serve `app` until a signal, with the options of `inlay run` as keywords.

    One worker is this process. With more, or with `reload` and whatever else
    needs processes of their own, `app` has to be "module:attribute". SystemExit
    when it can't be served.
    """
    if keywords.get("workers") is None and "WEB_CONCURRENCY" in os.environ:
        keywords["workers"] = os.environ["WEB_CONCURRENCY"]
    made = Config(app, **keywords)
    wanted = [name for name in _SUPERVISED if _differs(made.settings, name)]
    if wanted:
        if not isinstance(app, str):
            raise OptionError(
                f'{wanted[0]} needs the application as "module:attribute": other '
                "processes import it"
            )
        if code := supervise(made.settings):
            sys.exit(code)
        return
    with contextlib.suppress(KeyboardInterrupt):
        Server(made).run()


def _differs(settings: config.Config, name: str) -> bool:
    return bool(getattr(settings, name) != getattr(options.DEFAULTS, name))
