"""A running server for tests: real sockets, real HTTP, in a thread.

    with LiveServer(app) as server:
        assert httpx.get(server.url).status_code == 200

The pytest plugin's `inlay_server` makes these.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import Any

from . import embed, logs, serving, sockets
from .child import hide
from .config import Config
from .supervisor import supervise
from .target import ASGIApp

# Tests should not wait for what never ends by itself.
_GRACE = 1.0
_TURN = 2.0  # seconds for the loop to turn; an application may block it
_MARGIN = 10.0  # seconds past that, for the application's shutdown


class StartError(RuntimeError):
    """The server did not start; the message says why, its log included."""


class LiveServer:
    """A server of `app` on a free port, with the options of `inlay run`.

    It runs in a thread of this process with a loop of its own, the lifespan
    included; with `process=True` in a process of its own, for which `app` is a
    "module:attribute". `start()` returns when clients are served.
    """

    def __init__(
        self,
        app: ASGIApp | str,
        *,
        process: bool = False,
        start_timeout: float = 30.0,
        **options: Any,
    ) -> None:
        usual = {"port": 0, "access_log": False, "timeout_graceful_shutdown": _GRACE}
        self.config = embed.Config(app, **{**usual, **options}, log_config=None)
        if process and not isinstance(app, str):
            raise ValueError('process=True needs the application as "module:attribute"')
        self.start_timeout = start_timeout
        self._runner: _Thread | _Process | None = None
        self._process = process
        self._names: list[Any] = []
        self._log = ""

    # --- Where it is ----------------------------------------------------------

    @property
    def host(self) -> str:
        """The host that clients connect to."""
        for name in self._names:
            if isinstance(name, tuple):
                host: str = name[0]
                # All addresses: this machine's own is one of them.
                return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return "localhost"

    @property
    def port(self) -> int:
        """The TCP port; 0 when there is none."""
        return next((name[1] for name in self._names if isinstance(name, tuple)), 0)

    @property
    def uds(self) -> str | None:
        """The path of the Unix socket, if it listens on one."""
        for name in self._names:
            if isinstance(name, (str, bytes)):  # bytes: an abstract one
                return os.fsdecode(name)
        return None

    @property
    def url(self) -> str:
        """http://HOST:PORT, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}" if self.port else f"http://{host}"

    @property
    def websocket_url(self) -> str:
        return "ws" + self.url.removeprefix("http")

    @property
    def log(self) -> str:
        """What the server has logged; of a process, all that it has printed."""
        return self._runner.log() if self._runner is not None else self._log

    def wait_for_log(self, text: str, seconds: float = 5.0) -> None:
        """Return when `log` has this text; AssertionError if it never does."""
        deadline = time.monotonic() + seconds
        while text not in self.log:
            if time.monotonic() > deadline:
                raise AssertionError(f"no {text!r} in the log:\n{self.log}")
            time.sleep(0.01)

    # --- Its life -------------------------------------------------------------

    def start(self) -> LiveServer:
        """Return when clients are served; raises StartError and BindError."""
        if self._runner is not None:
            raise RuntimeError("the server runs already")
        bound = sockets.bind(self.config.settings)
        self._names = [sock.getsockname() for sock in bound]
        kind = _Process if self._process else _Thread
        self._runner = kind(self.config, bound)
        try:
            self._runner.start(self.start_timeout)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop gracefully. RuntimeError when that fails."""
        runner, self._runner = self._runner, None
        if runner is not None:
            try:
                runner.stop(self.config.settings.timeout_graceful_shutdown + _MARGIN)
            finally:
                self._log = runner.log()
                runner.bound.close()
                runner.close()

    def __enter__(self) -> LiveServer:
        return self if self._runner is not None else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _Lines(logging.Handler):
    """What one thread logs."""

    def __init__(self, level: str) -> None:
        super().__init__()
        self.setFormatter(logs.DefaultFormatter(use_colors=False))
        self.lines: list[str] = []
        self.thread: int | None = None
        self.wanted = logs.LEVELS[level]
        self.before = logging.NOTSET
        self.logger = logging.getLogger("inlay")

    def _others(self) -> list[_Lines]:
        return [each for each in self.logger.handlers if isinstance(each, _Lines)]

    def attach(self) -> None:
        others = self._others()
        self.before = others[0].before if others else self.logger.level
        self.logger.addHandler(self)
        self.logger.setLevel(min(each.wanted for each in self._others()))

    def detach(self) -> None:
        self.logger.removeHandler(self)
        if not self._others():
            self.logger.setLevel(self.before)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.lines.append(self.format(record) + "\n")


class _Server(embed.Server):
    """Says when it serves."""

    def __init__(self, config: embed.Config, serves: threading.Event) -> None:
        super().__init__(config)
        self.serves = serves

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serves.set()


class _Thread:
    """A server in a thread of this process."""

    def __init__(self, config: embed.Config, bound: sockets.Listening) -> None:
        self.config = config
        self.bound = bound
        self.settled = threading.Event()  # it serves, or it never will
        self.server = _Server(config, self.settled)
        self.thread = threading.Thread(target=self._run, name="inlay-live", daemon=True)
        self.error: BaseException | None = None
        self.started = False
        self.lines = _Lines(config.settings.log_level)

    def start(self, seconds: float) -> None:
        self.lines.attach()
        self.thread.start()
        if not self.settled.wait(seconds):
            raise StartError(f"the server did not start in {seconds:g} s\n{self.log()}")
        if self.error is not None:
            raise StartError(
                f"the server did not start: {self.error}\n{self.log()}"
            ) from self.error
        self.started = True

    def _run(self) -> None:
        self.lines.thread = threading.get_ident()
        try:
            serving.run(self.server._serve(list(self.bound)), self.config.settings.loop)
        except BaseException as error:  # it is for start() or stop() to raise
            self.error = error
        finally:
            self.settled.set()

    def stop(self, seconds: float) -> None:
        self.server.should_exit = True
        self.server.force_exit = not self.started
        self.thread.join(seconds)
        self.lines.detach()
        if self.thread.is_alive():
            raise RuntimeError(f"the server did not stop in {seconds:g} s")
        if self.started and self.error is not None:
            raise RuntimeError(f"the server failed: {self.error!r}") from self.error

    def close(self) -> None:
        """There is nothing left."""

    def log(self) -> str:
        self._settle()
        return "".join(self.lines.lines)

    def _settle(self) -> None:
        """What the loop is about to log, of requests that have been answered
        or by I/O threads, is logged."""
        loop = self.server._loop
        if loop is None or threading.get_ident() == self.lines.thread:
            return
        turned = threading.Event()

        def turn(more: int) -> None:
            if more:
                loop.call_soon(turn, more - 1)
            else:
                turned.set()

        with contextlib.suppress(RuntimeError):  # it is closed: all is logged
            loop.call_soon_threadsafe(turn, 2)
            turned.wait(_TURN)


class _Process:
    """A supervisor and its workers, in processes of their own."""

    def __init__(self, config: embed.Config, bound: sockets.Listening) -> None:
        self.settings = config.settings
        self.bound = bound
        self.out = tempfile.TemporaryFile()
        self.process: subprocess.Popen[bytes] | None = None
        # It says when it serves, as it would to systemd.
        self.notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ready = threading.Event()

    def start(self, seconds: float) -> None:
        name = f"inlay-{secrets.token_hex(8)}"
        self.notes.bind(f"\0{name}")
        threading.Thread(target=self._read, name="inlay-notes", daemon=True).start()
        fds = [sock.fileno() for sock in self.bound]
        private = hide(self.settings.db)
        settings = dataclasses.replace(
            self.settings,
            bind=tuple(f"fd://{fd}" for fd in fds),
            uds=None,
            fd=None,
            db=(),
        )
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from inlay.testing import _main; _main()",
                settings.to_json(),
                str(private),
            ],
            stdin=subprocess.PIPE,
            stdout=self.out,
            stderr=self.out,
            pass_fds=[*fds, private],
            env={
                **os.environ,
                "NOTIFY_SOCKET": f"@{name}",
                "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path),
            },
        )
        os.close(private)
        # Clients of a server that has ended are to be refused.
        for sock in self.bound:
            sock.close()
        deadline = time.monotonic() + seconds
        while not self.ready.wait(0.05):
            if self.process.poll() is not None:
                raise StartError(
                    "the server did not start: it ended with status "
                    f"{self.process.returncode}\n{self.log()}"
                )
            if time.monotonic() > deadline:
                raise StartError(f"the server did not start in time\n{self.log()}")

    def _read(self) -> None:
        """All notes, so that they never have to wait."""
        while note := self.notes.recv(4096):
            if b"READY=1" in note.split(b"\n"):
                self.ready.set()

    def stop(self, seconds: float) -> None:
        process = self.process
        if process is None:
            return
        assert process.stdin is not None
        try:
            process.terminate()
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"the server did not stop in {seconds:g} s") from None
        finally:
            process.stdin.close()

    def close(self) -> None:
        self.notes.shutdown(socket.SHUT_RDWR)  # ends the thread
        self.notes.close()
        self.out.close()

    def log(self) -> str:
        self.out.seek(0)
        return self.out.read().decode(errors="replace")


def _main() -> None:
    """The process of `_Process`: it ends with its parent, however that does."""

    def follow() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    settings = Config.from_json(sys.argv[1])
    with open(int(sys.argv[2]), encoding="utf-8") as file:
        settings = dataclasses.replace(settings, db=tuple(json.load(file)))
    threading.Thread(target=follow, daemon=True).start()
    logs.configure(settings)
    sys.exit(supervise(settings))
