"""A server in a process of its own: ours, and uvicorn for comparison."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
APPS = HERE.parent / "apps"


class Reply:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()


class Served:
    """A running server: `get` for whole answers, `connect` for raw bytes."""

    def __init__(
        self,
        name: str,
        target: str,
        loop: str,
        log: Path,
        options: dict[str, object] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(512)
            self.port = listener.getsockname()[1]
            fd = listener.fileno()
            paths = [str(APPS), os.environ.get("PYTHONPATH", "")]
            with log.open("wb") as out:
                self.process = subprocess.Popen(
                    [
                        sys.executable,
                        str(HERE / "runner.py"),
                        name,
                        target,
                        str(fd),
                        loop,
                        json.dumps(options or {}),
                    ],
                    pass_fds=[fd],
                    stdout=out,
                    stderr=out,
                    env={
                        **os.environ,
                        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                    },
                )
        # The socket listens already: the first request waits for the start.

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def logged(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_logged(self, text: str, seconds: float = 5.0) -> bool:
        end = time.monotonic() + seconds
        while text not in self.logged():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def client(self, timeout: float = 10.0) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(
        self, path: str, method: str = "GET", body=None, headers=None, **options
    ) -> Reply:
        client = self.client(**options)
        try:
            client.request(method, path, body, headers or {}, encode_chunked=False)
            return Reply(client.getresponse())
        finally:
            client.close()

    def connect(self, data: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        connection.sendall(data)
        return connection


def _loops() -> list[str]:
    found = importlib.util.find_spec("uvloop")
    return ["asyncio", "uvloop"] if found else ["asyncio"]


SERVERS = [("inlay", loop) for loop in _loops()]
if importlib.util.find_spec("uvicorn"):
    SERVERS.append(("uvicorn", "asyncio"))


@pytest.fixture(scope="module", params=SERVERS, ids="-".join)
def served(request, tmp_path_factory):
    """The module's APP on each server in turn: the same tests for all. SETTINGS
    of the module are ours."""
    name, loop = request.param
    log = tmp_path_factory.mktemp("served") / "log"
    settings = getattr(request.module, "SETTINGS", None)
    server = Served(name, request.module.APP, loop, log, settings)
    yield server
    code = server.stop()
    assert code == 0 or (name == "uvicorn" and code == -15), server.logged()


@pytest.fixture(scope="module")
def ours(request, tmp_path_factory):
    """The module's APP on our server only."""
    log = tmp_path_factory.mktemp("ours") / "log"
    settings = getattr(request.module, "SETTINGS", None)
    server = Served("inlay", request.module.APP, "asyncio", log, settings)
    yield server
    assert server.stop() == 0, server.logged()


@pytest.fixture
def serve(tmp_path):
    """serve(APP): a server for one test, which may stop it itself. Options
    are settings of _core.Server."""
    servers = []

    def make(
        target: str, loop: str = "asyncio", server: str = "inlay", **options: object
    ) -> Served:
        log = tmp_path / f"log{len(servers)}"
        servers.append(Served(server, target, loop, log, options))
        return servers[-1]

    yield make
    for server in servers:
        if server.process.poll() is None:
            server.stop()
