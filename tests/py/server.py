"""`inlay run` in a process of its own: tests derive theirs from these classes."""

from __future__ import annotations

import functools
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx


class Server:
    """`inlay run` of a target with these options and a log in `folder`.

    As a context it is one that answers; it is stopped at the end.
    """

    def __init__(
        self,
        folder: Path,
        target: str | Path,
        *options: str,
        env: dict[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "inlay", "run", str(target)),
                    *("--no-access-log", *options),
                ],
                env={**os.environ, **(env or {})},
                pass_fds=pass_fds,
                stdout=log,
                stderr=log,
            )

    def __enter__(self):
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def connect(self) -> socket.socket:
        raise NotImplementedError

    def wait(self) -> None:
        """Return when it answers."""
        end = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None, self.logged()
            assert time.monotonic() < end, self.logged()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with self.connect() as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return bool(connection.recv(1))
        except OSError:
            return False

    def logged(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_logged(self, pattern: str) -> re.Match[str]:
        """What is found of that in the log, as soon as it is there."""
        end = time.monotonic() + 20
        while not (found := re.search(pattern, self.logged())):
            assert time.monotonic() < end, (pattern, self.logged())
            time.sleep(0.01)
        return found

    def stop(self) -> int:
        """Stop gracefully; the status."""
        self.process.terminate()
        return self.process.wait(20)


class PortServer(Server):
    """On a TCP socket that listens already: who connects is served."""

    def __init__(self, folder: Path, target: str | Path, *options: str) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(512)
            self.port = listener.getsockname()[1]
            fd = listener.fileno()
            super().__init__(folder, target, "--fd", str(fd), *options, pass_fds=(fd,))

    def connect(self, timeout: float = 20) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)


class UnixServer(Server):
    """On a Unix socket, which the server makes when it starts."""

    def __init__(
        self, folder: Path, target: str | Path, *options: str, **env: str
    ) -> None:
        self.uds = str(folder / "socket")
        super().__init__(folder, target, "--uds", self.uds, *options, env=env)

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(30)
        connection.connect(self.uds)
        return connection

    @functools.cached_property
    def client(self) -> httpx.Client:
        """The one that ends with the server."""
        return self.new_client()

    def new_client(self) -> httpx.Client:
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=self.uds),
            base_url="http://native",
            timeout=60,
        )

    def stop(self) -> int:
        if "client" in self.__dict__:
            self.client.close()
        return super().stop()
