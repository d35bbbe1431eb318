"""The pytest plugin and `inlay.testing.LiveServer`."""

from __future__ import annotations

import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from inlay.testing import LiveServer, StartError

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

APP = """
import os, threading

seen = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            seen.append(message["type"])
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/fail":
        raise ValueError("broken on purpose")
    if scope["path"] == "/who":
        body = f"{os.getpid()} {threading.current_thread().name}"
    else:
        body = "hello"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})
"""


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A module with an application, by a name of its own."""
    name = f"served_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(APP)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def get(server: LiveServer, path: str = "/") -> tuple[int, str]:
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    if server.uds:
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.connect(server.uds)
    try:
        client.request("GET", path)
        response = client.getresponse()
        return response.status, response.read().decode()
    finally:
        client.close()


# --- LiveServer ---------------------------------------------------------------


@pytest.mark.parametrize("process", [False, True])
def test_it_serves_until_it_is_stopped(served, process):
    with LiveServer(f"{served}:app", process=process) as server:
        assert get(server) == (200, "hello")
        pid, thread = get(server, "/who")[1].split()
        assert (int(pid) == os.getpid()) is not process
        assert (thread == "inlay-live") is not process
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert server.websocket_url == f"ws://127.0.0.1:{server.port}"
        assert get(server, "/fail")[0] == 500
    assert "broken on purpose" in server.log
    assert "Application startup complete." in server.log
    assert "Application shutdown complete." in server.log
    with pytest.raises(OSError):
        get(server)


def test_the_log_has_what_an_answer_follows_from(served):
    with LiveServer(f"{served}:app") as server:
        for count in range(1, 50):
            assert get(server, "/fail")[0] == 500
            assert server.log.count("ValueError: broken on purpose") == count


def test_waiting_for_the_log(served):
    with LiveServer(f"{served}:app", process=True) as server:
        assert get(server, "/fail")[0] == 500
        server.wait_for_log("broken on purpose")
        with pytest.raises(AssertionError, match="no 'never there' in the log"):
            server.wait_for_log("never there", 0.05)


@pytest.mark.parametrize("process", [False, True])
def test_unix_socket(served, process, tmp_path):
    path = str(tmp_path / "sock")
    with LiveServer(f"{served}:app", process=process, uds=path) as server:
        assert (server.uds, server.port, server.url) == (path, 0, "http://localhost")
        assert get(server) == (200, "hello")
    assert not os.path.exists(path)


@pytest.mark.parametrize("process", [False, True])
def test_a_start_that_fails(process):
    server = LiveServer("no_such_module:app", process=process)
    with pytest.raises(StartError, match='no module "no_such_module"'):
        server.start()
    server.stop()


def test_a_start_that_takes_too_long():
    async def app(scope, receive, send):
        await receive()
        await forever.wait()

    import asyncio

    forever = asyncio.Event()
    server = LiveServer(app, start_timeout=0.1)
    with pytest.raises(StartError, match="did not start in 0.1 s"):
        server.start()
    assert not any(t.name == "inlay-live" for t in threading.enumerate())


def test_a_port_that_is_taken(served):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Exception, match="cannot listen on"):
            LiveServer(f"{served}:app", port=taken.getsockname()[1]).start()


def test_it_starts_again(served):
    server = LiveServer(f"{served}:app")
    for _ in range(2):
        with server:
            assert get(server) == (200, "hello")


def test_a_process_has_a_name_to_import():
    with pytest.raises(ValueError, match="module:attribute"):
        LiveServer(lambda scope, receive, send: None, process=True)


def test_loggers_are_left_as_they_were(served):
    logger = logging.getLogger("inlay")
    before = (logger.level, list(logger.handlers), logger.propagate)
    with LiveServer(f"{served}:app", log_level="debug"):
        pass
    assert (logger.level, list(logger.handlers), logger.propagate) == before


def test_a_server_ends_with_the_process_that_started_it(served, tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from inlay.testing import LiveServer
server = LiveServer("{served}:app", process=True).start()
print(server.port, flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)):
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- The plugin ---------------------------------------------------------------


@pytest.fixture
def pytester(pytester, monkeypatch):
    pytester.makepyfile(served=APP)
    pytester.syspathinsert()
    path = [str(pytester.path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    return pytester


def test_inlay_server(pytester):
    pytester.makepyfile(
        """
        import httpx, served

        def test_names_and_objects(inlay_server):
            one = inlay_server("served:app")
            two = inlay_server(served.app)
            assert one.port != two.port
            for server in (one, two):
                assert httpx.get(server.url).text == "hello"
            one.stop()
            assert served.seen.count("lifespan.shutdown") == 1

        def test_all_are_stopped():
            assert served.seen.count("lifespan.startup") == 2
            assert served.seen.count("lifespan.shutdown") == 2

        def test_in_a_process(inlay_server):
            server = inlay_server("served:app", process=True)
            assert httpx.get(server.url).text == "hello"
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:xdist")
    result.assert_outcomes(passed=3)


def test_inlay_client(pytester):
    pytester.makeini("[pytest]\ninlay_app = served:app\n")
    pytester.makepyfile(
        """
        def test_default(inlay_client):
            assert inlay_client().get("/").text == "hello"

        def test_unix_socket(inlay_client, tmp_path):
            client = inlay_client(uds=str(tmp_path / "sock"))
            assert client.get("/").text == "hello"
        """
    )
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=2)


def test_inlay_client_without_httpx(pytester):
    pytester.makepyfile(httpx="raise ImportError")
    pytester.makepyfile("def test(inlay_client): pass")
    result = pytester.runpytest_subprocess("-p", "no:xdist")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install httpx*"])


def test_no_application(pytester):
    pytester.makepyfile("def test(inlay_server): inlay_server()")
    result = pytester.runpytest_subprocess("-p", "no:xdist")
    result.stdout.fnmatch_lines(["*inlay_server() needs an application*"])


def test_a_run_without_servers_imports_nothing_of_ours(pytester):
    pytester.makepyfile(
        """
        import sys

        def test():
            assert "pytest_inlay" in sys.modules
            assert not [name for name in sys.modules if name.startswith("inlay")]
        """
    )
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)


def test_async_tests(pytester):
    pytester.makepyfile(
        """
        import anyio, httpx, pytest

        @pytest.mark.anyio
        async def test(inlay_server):
            server = inlay_server("served:app")
            async with httpx.AsyncClient(base_url=server.url) as client:
                assert (await client.get("/")).text == "hello"

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """
    )
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)


@pytest.mark.slow
def test_with_xdist(pytester):
    pytest.importorskip("xdist")
    pytester.makepyfile(
        """
        import httpx, pytest

        @pytest.mark.parametrize("number", range(8))
        def test(inlay_server, number):
            server = inlay_server("served:app")
            assert httpx.get(server.url).text == "hello"
        """
    )
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=8)
