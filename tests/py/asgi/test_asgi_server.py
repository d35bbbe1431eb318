"""inlay._core.Server as an object: arguments, start, stop, end."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
import weakref

import pytest
from inlay import _core


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def listener():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


def get(listener, path="/"):
    url = f"http://127.0.0.1:{listener.getsockname()[1]}{path}"
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read()


def ask(listener):
    client = socket.create_connection(listener.getsockname())
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return client


async def begun(server):
    while not server.in_flight():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


def run(main):
    return asyncio.run(main())


def make(listener, app=hello, **options):
    loop = asyncio.get_running_loop()
    return _core.Server(app, [listener], loop=loop, **options)


def test_serves_and_stops(listener):
    async def main():
        server = make(listener)
        server.start()
        assert await asyncio.to_thread(get, listener) == b"hello"
        assert server.requests() == 1 and server.in_flight() == 0
        server.drain()
        server.stop()
        server.stop()
        assert server.connections() == 0 and server.requests() == 1
        with pytest.raises(RuntimeError):
            server.start()

    run(main)


def test_root_path(listener):
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["root_path"], scope["path"], scope["raw_path"]))
        await hello(scope, receive, send)

    async def main():
        server = make(listener, app, root_path="/api")
        server.start()
        await asyncio.to_thread(get, listener, "/x%20y")
        server.stop()

    run(main)
    assert seen == [("/api", "/api/x y", b"/api/x%20y")]


def test_without_an_application(listener):
    async def main():
        server = make(listener, None)
        server.start()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            await asyncio.to_thread(get, listener)
        assert isinstance(server.native_routes(), list)
        assert server.openapi().startswith(b"{")
        server.stop()

    run(main)


def test_a_task_factory_is_used(listener):
    made = []

    def factory(loop, coroutine, **options):
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def main():
        asyncio.get_running_loop().set_task_factory(factory)
        server = make(listener)
        server.start()
        assert await asyncio.to_thread(get, listener) == b"hello"
        server.stop()

    run(main)
    assert len(made) >= 1


def test_cancel_and_in_flight(listener, caplog):
    ended = []

    async def app(scope, receive, send):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(True)
            raise

    async def main():
        server = make(listener, app)
        server.start()
        client = ask(listener)
        await begun(server)
        assert server.cancel("over") == 1
        await asyncio.sleep(0.01)
        assert server.in_flight() == 0 and ended == [True]
        server.stop()
        client.close()

    with caplog.at_level(logging.ERROR, "inlay.error"):
        run(main)
    assert not caplog.records


def test_stop_tells_running_requests(listener):
    told = []

    async def app(scope, receive, send):
        await receive()
        told.append((await receive())["type"])

    async def main():
        server = make(listener, app)
        server.start()
        client = ask(listener)
        await begun(server)
        server.stop()
        await asyncio.sleep(0.05)
        assert server.in_flight() == 0
        client.close()

    run(main)
    assert told == ["http.disconnect"]


def test_a_request_that_waits_is_not_collected(listener):
    """Nothing but the server has a reference to who waits in receive()."""
    told = []

    async def app(scope, receive, send):
        await receive()
        told.append((await receive())["type"])

    async def main():
        server = make(listener, app)
        server.start()
        client = ask(listener)
        await begun(server)
        gc.collect()
        assert server.in_flight() == 1
        client.close()
        await asyncio.sleep(0.1)
        assert server.in_flight() == 0
        server.stop()

    run(main)
    assert told == ["http.disconnect"]


def test_an_ended_request_is_freed(listener):
    class Mark:
        pass

    marks = []

    async def app(scope, receive, send):
        mark = Mark()
        mark.held = (scope, receive, send)
        marks.append(weakref.ref(mark))
        await hello(scope, receive, send)
        await asyncio.sleep(0)

    async def main():
        server = make(listener, app)
        server.start()
        assert await asyncio.to_thread(get, listener) == b"hello"
        await asyncio.sleep(0.05)
        assert marks[0]() is None
        server.stop()

    run(main)


def test_a_forgotten_server_goes_with_its_requests(listener):
    """Its loop is closed, tasks and all: a collection takes the rest."""
    loop = asyncio.new_event_loop()
    gone = []

    async def app(scope, receive, send):
        await receive()
        try:
            await receive()
        finally:
            gone.append(True)

    server = _core.Server(app, [listener], loop=loop)
    loop.call_soon(server.start)
    client = ask(listener)
    loop.run_until_complete(begun(server))
    loop.close()
    del server, loop
    gc.collect()
    gc.collect()
    assert gone == [True]
    client.close()


def test_a_request_may_stop_the_server(listener):
    box = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        box[0].stop()
        with pytest.raises(OSError):
            await send({"type": "http.response.body"})
        box.append(await receive())

    async def main():
        box.append(make(listener, app))
        box[0].start()
        client = ask(listener)
        while len(box) < 2:
            await asyncio.sleep(0.01)
        client.close()
        assert box[0].in_flight() == 0

    run(main)
    assert box[1] == {"type": "http.disconnect"}


@pytest.mark.parametrize("step", ["close", "send", "throw"])
def test_a_running_request_is_not_stepped(listener, step):
    async def app(scope, receive, send):
        coroutine = asyncio.current_task().get_coro()
        arguments = {"send": [None], "throw": [ValueError()]}.get(step, [])
        with pytest.raises(ValueError, match="already executing"):
            getattr(coroutine, step)(*arguments)
        await hello(scope, receive, send)

    async def main():
        server = make(listener, app)
        server.start()
        assert await asyncio.to_thread(get, listener) == b"hello"
        assert server.in_flight() == 0
        server.stop()

    run(main)


def test_a_failed_send_leaves_no_circle(listener):
    class Mark:
        pass

    marks = []

    async def app(scope, receive, send):
        mark = Mark()
        marks.append(weakref.ref(mark))
        failed = send({"type": "nonsense"})
        with contextlib.suppress(RuntimeError):
            await failed
        await hello(scope, receive, send)

    async def main():
        server = make(listener, app)
        server.start()
        assert await asyncio.to_thread(get, listener) == b"hello"
        server.stop()

    run(main)
    gc.collect()
    assert marks[0]() is None


def test_a_forked_child_leaves_the_server_alone(listener):
    """It has none of the threads, and shares the loop's epoll."""

    async def main():
        server = make(listener)
        server.start()
        child = os.fork()
        if not child:
            server.stop()
            os._exit(7)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 7
        assert await asyncio.to_thread(get, listener) == b"hello"
        server.stop()

    run(main)


@pytest.mark.parametrize(
    "options,error",
    [
        ({"io_threads": 0}, ValueError),
        ({"nonsense": 1}, TypeError),
        ({"body_timeout": 1 << 40}, ValueError),
        ({"body_bytes": -1}, ValueError),
        ({"body_bytes": "1"}, TypeError),
        ({"headers": "x: y"}, TypeError),
        ({"headers": [1]}, TypeError),
        ({"state": 1}, TypeError),
        ({"app": 1}, TypeError),
        ({"root_path": 1}, TypeError),
    ],
)
def test_bad_arguments(listener, options, error):
    async def main():
        with pytest.raises(error):
            make(listener, **options)

    run(main)
    gc.collect()


@pytest.mark.parametrize("how", ["pass", "sys.exit(0)", "kept.append(server)"])
def test_interpreter_ends_without_stop(how):
    code = f"""
        import asyncio, socket, sys
        from inlay import _core
        kept = []
        async def app(scope, receive, send):
            await asyncio.Event().wait()
        async def main():
            s = socket.create_server(("127.0.0.1", 0))
            server = _core.Server(app, [s], loop=asyncio.get_running_loop())
            server.start()
            c = socket.create_connection(s.getsockname())
            c.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            await asyncio.sleep(.1)
            assert server.in_flight() == 1
            {how}
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code)],
        capture_output=True,
        timeout=30,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Fatal" not in done.stderr
