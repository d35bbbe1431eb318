"""A crash while a request is served names the route, the function and the place,
to the log and, in one line, to the supervisor; the watchdog names those that
only take too long."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import PortServer

SOURCE = Path(__file__).parent / "crashes" / "crashes.c"
LINES = {
    found[1]: number
    for number, line in enumerate(SOURCE.read_text().splitlines(), 1)
    if (found := re.search(r"/\* line: (\w+) \*/", line))
}


class Server(PortServer):
    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, SOURCE, *options)

    def ask(self, target: str, more: str = "") -> bytes:
        """All that comes back until the connection ends."""
        with self.connect(60) as client:
            head = f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}"
            client.sendall(head.encode() + b"\r\n")
            parts = []
            try:
                while part := client.recv(65536):
                    parts.append(part)
            except ConnectionResetError:
                pass
        return b"".join(parts)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[object]:
    servers = []

    def make(*options: str) -> Server:
        servers.append(Server(tmp_path, *options))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def place(function: str) -> str:
    return rf"{function}\(\) at /\S*/crashes\.c:{LINES[function]}"


UPGRADE = (
    "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
# What is asked for, and what is said of it: signal, place, route.
WAYS = {
    "plain": ("/plain/7", "SIGSEGV", place("touch"), "GET /plain/{n}"),
    "coroutine": ("/waits", "SIGSEGV", place("touch"), "GET /waits"),
    "pool": ("/pool", "SIGSEGV", place("touch"), "GET /pool"),
    "guard": ("/guarded/x", "SIGSEGV", place("touch"), "guard /guarded/*"),
    "provider": ("/provided", "SIGSEGV", place("touch"), "GET /provided"),
    "abort": (
        "/gives-up",
        "SIGABRT",
        rf"code called by {place('gives_up')}",
        "GET /gives-up",
    ),
    "divide": (
        "/divides?by=0",
        r"SIGFPE \(integer division by zero\)",
        place("divides"),
        "GET /divides",
    ),
    "overflow": (
        "/deep?n=1000000000",
        r"SIGSEGV \(stack overflow\)",
        r"recurse\(\) at /\S*/crashes\.c:\d+",
        "GET /deep",
    ),
    "overflow in a coroutine": (
        "/deep-waits?n=1000000000",
        r"SIGSEGV \(stack overflow\)",
        r"recurse\(\) at /\S*/crashes\.c:\d+",
        "GET /deep-waits",
    ),
    "websocket": ("/socket", "SIGSEGV", place("touch"), "WEBSOCKET /socket"),
    "loop": ("/loop", "SIGSEGV", place("touch"), "GET /loop"),
}


@pytest.mark.parametrize("way", WAYS)
def test_route_is_named(serve, way):
    target, number, where, route = WAYS[way]
    server = serve()
    began = time.monotonic()
    server.ask("/well")
    started = time.monotonic()
    server.ask(target, UPGRADE if way == "websocket" else "")
    server.wait_logged(
        rf"inlay: {number} in {where}, for {re.escape(route)} \(.*thread .*\)\n"
    )
    assert time.monotonic() - started < 5 + (started - began)
    assert b"200 OK" in server.ask("/well")  # by the next worker


@pytest.mark.parametrize("name", ["slice", "text", "bytes", "struct", "waits", "pool"])
def test_result_that_cannot_be_read(serve, name):
    """It is the route's crash, although none of its code runs any more."""
    server = serve()
    server.ask("/well")
    server.ask(f"/wild-{name}")
    signal = "SIG(SEGV|ABRT)"  # sanitizers abort where they see it first
    server.wait_logged(
        rf"inlay: {signal} while the result of wild_{name}\(\) was written, for "
        rf"GET /wild-{name} \(.*thread inlay-io-\d+\)\n"
    )
    server.wait_logged(
        rf"crashed: {signal} in GET /wild-{name} -> wild_{name}\(\) while its "
        r"result was written \(1 of 3 crashes"
    )
    assert b"200 OK" in server.ask("/well")  # by the next worker


def test_watchdog(serve):
    server = serve("--watchdog", "0.05")
    assert server.ask("/well").endswith(b"1")
    assert server.ask("/slow?ms=200").endswith(b"200")
    found = server.wait_logged(
        rf"GET /slow: slow\(\) at /\S*/crashes\.c:{LINES['slow']} held I/O thread "
        r"0 for (\d+) ms;"
    )
    assert 100 <= int(found[1]) < 2000


def test_watchdog_sees_steps_of_coroutines(serve):
    """Its waits are not counted, what lies between them is."""
    server = serve("--watchdog", "0.1")
    assert server.ask("/slow-waits?ms=0&waits=300").endswith(b"0")
    assert server.ask("/slow-waits?ms=300&waits=0").endswith(b"300")
    found = server.wait_logged(r"GET /slow-waits: slow_waits\(\) .* for (\d+) ms;")
    assert 150 <= int(found[1]) < 3000
    assert server.logged().count("slow_waits()") == 1


def test_watchdog_off(serve):
    server = serve("--watchdog", "0")
    assert server.ask("/slow?ms=300").endswith(b"300")
    server.stop()
    assert "slow()" not in server.logged()
