"""`inlay.run`, `inlay.Config` and `inlay.Server`, as uvicorn's are used."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import os
import signal
import socket
import threading
import time

import inlay
import pytest
from inlay import embed, target
from inlay.lifespan import LifespanError
from inlay.options import OptionError


class App:
    """Says hello, remembers its lifespan; /wait waits for `go`."""

    def __init__(self, fail: str = "") -> None:
        self.seen: list[str] = []
        self.fail = fail
        self.go = asyncio.Event()
        self.cancelled = False

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                self.seen.append(kind)
                if self.fail:
                    await send({"type": f"{kind}.failed", "message": self.fail})
                    return
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        if scope["path"] == "/wait":
            self.seen.append("waiting")
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})


def get(port: int, path: str = "/") -> bytes:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request("GET", path)
        return client.getresponse().read()
    finally:
        client.close()


def until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def server_of(app, **options) -> inlay.Server:
    usual = {"port": 0, "log_config": None, "access_log": False}
    return inlay.Server(inlay.Config(app, **{**usual, **options}))


class InThread:
    """What uvicorn's users write for their tests."""

    def __init__(self, server: inlay.Server) -> None:
        self.server = server
        self.thread = threading.Thread(target=server.run, daemon=True)

    def __enter__(self) -> int:
        self.thread.start()
        until(lambda: self.server.started or not self.thread.is_alive())
        assert self.server.started
        return self.server.servers[0].sockets[0].getsockname()[1]

    def __exit__(self, *_) -> None:
        self.server.should_exit = True
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_in_a_thread():
    app = App()
    server = server_of(app)
    with InThread(server) as port:
        assert get(port) == b"hello"
        assert server.port == port
        until(lambda: server.total_requests == 1)
    assert app.seen == ["lifespan.startup", "lifespan.shutdown"]
    assert not server.started
    with pytest.raises(OSError):
        get(port)


def test_in_a_running_loop():
    app = App()

    async def main():
        server = server_of(app)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        assert await asyncio.to_thread(get, server.port) == b"hello"
        server.should_exit = True
        await task

    asyncio.run(main())
    assert app.seen[-1] == "lifespan.shutdown"


def test_names_of_the_command_line():
    config = inlay.Config(
        App(), header=["X-A: 1", ("x-b", "2")], reload_dir="a", log_config=None
    )
    assert config.headers == config.header == ("x-a: 1", "x-b: 2")
    assert config.reload_dirs == ("a",)
    with pytest.raises(TypeError, match="by two names"):
        inlay.Config(App(), header=["a: 1"], headers=["b: 1"])
    with pytest.raises(TypeError, match="did you mean workers"):
        inlay.Config(App(), worker=2)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("static", ["/s=/no/such/folder"]),
        ("access_log_format", "%(nope)s"),
        ("forwarded_allow_ips", "1.2.3"),
        ("bind", ["foo"]),
        ("root_path", "x"),
    ],
)
def test_wrong_values_are_found_at_once(option, value):
    with pytest.raises(ValueError, match=f"--{option.replace('_', '-')}|no address"):
        inlay.Config(App(), log_config=None, **{option: value})


def test_wsgi_is_refused(caplog):
    class Flask:
        def __call__(self, environ, start_response): ...

    for app in (Flask(), Flask().__call__, lambda environ, start_response: []):
        config = inlay.Config(app, log_config=None)
        with pytest.raises(target.TargetError, match="a2wsgi"):
            config.load()


def test_several_in_one_loop():
    async def main():
        servers = [server_of(App()) for _ in range(3)]
        tasks = [asyncio.create_task(server.serve()) for server in servers]
        while not all(server.started for server in servers):
            await asyncio.sleep(0.01)
        assert len({server.port for server in servers}) == 3
        for server in servers:
            assert await asyncio.to_thread(get, server.port) == b"hello"
            server.should_exit = True
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_cancelling_serve_shuts_down():
    app = App()

    async def main():
        server = server_of(app)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not server.started

    asyncio.run(main())
    assert app.seen[-1] == "lifespan.shutdown"


def test_run_is_refused_in_a_running_loop():
    async def main():
        with pytest.raises(RuntimeError, match=r"await Server\.serve"):
            server_of(App()).run()

    asyncio.run(main())


def test_running_requests_may_end():
    app = App()
    server = server_of(app)
    bodies: list[bytes] = []
    with InThread(server) as port:
        thread = threading.Thread(target=lambda: bodies.append(get(port, "/wait")))
        thread.start()
        until(lambda: "waiting" in app.seen)
        server.should_exit = True
        until(lambda: refused(port))
        server._loop.call_soon_threadsafe(app.go.set)
        thread.join(10)
    assert bodies == [b"hello"]
    assert not app.cancelled


def refused(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("how", ["deadline", "force_exit"])
def test_those_that_do_not_are_cut(how):
    app = App()
    grace = 0.1 if how == "deadline" else 60
    server = server_of(app, timeout_graceful_shutdown=grace)

    def ask() -> None:
        with contextlib.suppress(http.client.HTTPException, OSError):
            assert get(port, "/wait") != b"hello"

    with InThread(server) as port:
        thread = threading.Thread(target=ask)
        thread.start()
        until(lambda: "waiting" in app.seen)
        server.should_exit = True
        server.force_exit = how == "force_exit"
        thread.join(10)
        assert not thread.is_alive()
    assert app.cancelled
    assert app.seen[-1] == "lifespan.shutdown"


def test_sockets_of_the_caller():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        server = server_of(App())

        async def main():
            task = asyncio.create_task(server.serve(sockets=[sock]))
            while not server.started:
                await asyncio.sleep(0.01)
            assert await asyncio.to_thread(get, port) == b"hello"
            server.should_exit = True
            await task

        asyncio.run(main())
        assert sock.fileno() == -1


def test_unix_socket_is_removed(tmp_path):
    path = str(tmp_path / "sock")
    server = server_of(App(), uds=path)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    assert server.port is None
    assert os.path.exists(path)
    server.should_exit = True
    thread.join(10)
    assert not os.path.exists(path)


def test_limit_max_requests_ends_it():
    server = server_of(App(), limit_max_requests=2)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    port = server.port
    get(port)
    get(port)
    thread.join(10)
    assert not thread.is_alive()


def test_stopping_before_it_starts():
    app = App()
    server = server_of(app)
    server.should_exit = True
    server.run()
    assert app.seen == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.parametrize(
    ("app", "options", "status", "message"),
    [
        (App(fail="no database"), {}, 3, "no database"),
        ("nothing:app", {}, 1, 'no module "nothing"'),
        ("app", {}, 1, 'write "module:attribute"'),
        (App(), {"host": "192.0.2.1"}, 1, "cannot listen on http://192.0.2.1:"),
    ],
)
def test_it_cannot_be_served(app, options, status, message, caplog):
    server = server_of(app, **options)
    with pytest.raises(SystemExit) as error:
        server.run()
    assert error.value.code == status
    assert message in caplog.text
    assert not server.started


def test_start_up_step_by_step():
    async def main():
        server = server_of(App(fail="no"))
        with pytest.raises(LifespanError):
            await server.startup()
        await server.shutdown()

    asyncio.run(main())


# --- Signals and processes ----------------------------------------------------

APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""

MAIN = """
import os, signal, sys, threading, time, http.client
sys.path.insert(0, os.path.dirname(__file__))
{app}
import inlay

class Watch(threading.Thread):
    def run(self):
        global server
        while not getattr(server, "started", False):
            time.sleep(0.01)
        client = http.client.HTTPConnection("127.0.0.1", server.port)
        client.request("GET", "/")
        print(client.getresponse().read().decode(), flush=True)
        os.kill(os.getpid(), signal.{signal})

def before(number, frame):
    print("before", number, flush=True)

signal.signal(signal.SIGTERM, before)
server = None
kind = inlay.Server
class Server(kind):
    def __init__(self, config):
        global server
        super().__init__(config)
        server = self
from inlay import embed
embed.Server = Server
Watch(daemon=True).start()
inlay.run(app, port=0, access_log=False{options})
print("after", signal.getsignal(signal.SIGTERM) is before)
"""


@pytest.mark.parametrize("loop", ["asyncio", "auto"])
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_signals_end_run(project, number, loop):
    code = MAIN.format(app=APP, signal=number, options=f", loop={loop!r}")
    status, out, err = project.run(code)
    assert status == 0, err
    lines = out.split("\n")
    assert lines[0] == "hello"
    assert "Application shutdown complete." in err
    # Who had the signal before gets it afterwards.
    if number == "SIGTERM":
        assert lines[1] == f"before {int(signal.SIGTERM)}"
    assert lines[-2] == "after True"


def test_run_with_workers(project):
    project.write("served.py", APP)
    process = project.start(
        project.write(
            "main.py",
            """
            import os, sys
            import inlay
            os.chdir(os.path.dirname(__file__))
            inlay.run("served:app", port=0, workers=2)
            print("after")
            """,
        )
    )
    lines = iter(process.stderr.readline, "")
    address = next(line for line in lines if "Inlay running on" in line)
    port = int(address.split(":")[3].split()[0])
    assert get(port) == b"hello"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.endswith("after\n")


# --- Config -------------------------------------------------------------------


def test_keywords_of_uvicorn():
    config = inlay.Config(
        App(),
        host="::1",
        http="httptools",
        ws="websockets",
        headers=[("x-a", "b"), (b"x-c", b"d")],
        forwarded_allow_ips=["10.0.0.1", "10.0.0.2"],
        h11_max_incomplete_event_size=1000,
        limit_concurrency=None,
        timeout_keep_alive=3,
        reload_dirs="src",
        log_level=10,
        log_config=None,
        ssl_keyfile=None,
    )
    assert config.host == "::1"
    assert config.headers == ("x-a: b", "x-c: d")
    assert config.forwarded_allow_ips == "10.0.0.1,10.0.0.2"
    assert config.h11_max_incomplete_event_size == config.limit_head_bytes == 1000
    assert (config.limit_concurrency, config.reload_dirs) == (0, ("src",))
    assert config.log_level == "debug"
    config.port = 9
    assert config.settings.port == 9


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"prot": 1}, TypeError, "no option 'prot'"),
        ({"port": "x"}, OptionError, "port: 'x'"),
        ({"host": ["a"]}, OptionError, "is a list"),
        ({"interface": "wsgi"}, OptionError, "a2wsgi"),
        ({"ssl_keyfile": "x"}, OptionError, "does not have it yet"),
        ({"limit_queue": 1}, OptionError, "needs --limit-concurrency"),
        ({"env_file": "/nowhere"}, OptionError, "/nowhere"),
    ],
)
def test_wrong_keywords(keywords, error, message):
    with pytest.raises(error, match=message):
        inlay.Config(App(), log_config=None, **keywords)


def test_log_config_as_uvicorn_takes_it(tmp_path):
    """A dictionary, for uvicorn or for us; a path; nothing."""
    before = logging.getLogger("inlay")
    kept = (before.level, list(before.handlers), before.propagate, before.parent)
    settings = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "file": {"class": "logging.FileHandler", "filename": f"{tmp_path}/log"}
        },
        "loggers": {"inlay": {"handlers": ["file"], "level": "INFO"}},
    }
    path = tmp_path / "log.json"
    path.write_text(json.dumps(settings))
    try:
        for number, value in enumerate((settings, path, str(path))):
            inlay.Config(App(), log_config=value)
            logging.getLogger("inlay.error").info("line %d", number)
            for handler in logging.getLogger("inlay").handlers:
                handler.close()
    finally:
        before.handlers[:] = kept[1]
        before.setLevel(kept[0])
        before.propagate, before.parent = kept[2:]
    assert (tmp_path / "log").read_text() == "line 0\nline 1\nline 2\n"
    with pytest.raises(ValueError, match="log_config"):
        inlay.Config(App(), log_config={"version": object()})


def test_wrong_attributes():
    config = inlay.Config(App(), log_config=None)
    with pytest.raises(AttributeError, match="prot"):
        config.prot = 1
    with pytest.raises(AttributeError, match="prot"):
        config.prot  # noqa: B018
    with pytest.raises(OptionError):
        config.port = "x"


@pytest.mark.parametrize("option", [{"workers": 2}, {"reload": True}, {"spare": 1}])
def test_an_object_has_no_workers(option):
    with pytest.raises(OptionError, match="module:attribute"):
        inlay.run(App(), log_config=None, **option)


def test_a_server_has_no_workers(caplog):
    with InThread(server_of(App(), workers=2)) as port:
        assert get(port) == b"hello"
    assert "workers has no effect here" in caplog.text


def test_factories():
    made = App()
    config = inlay.Config(lambda: made, factory=True, log_config=None)
    assert config.load() is made
    # uvicorn finds out by itself.
    assert inlay.Config(lambda: made, log_config=None).load() is made
    with pytest.raises(inlay.embed.target.TargetError, match="failed"):
        inlay.Config(lambda: 1 // 0, factory=True, log_config=None).load()


def test_names_are_looked_up_when_asked_for(project):
    status, out, err = project.run(
        "import inlay, sys\n"
        "print('click' in sys.modules, 'inlay.embed' in sys.modules)\n"
        "print(inlay.run, inlay.Config, inlay.Server)\n"
    )
    assert status == 0, err
    assert out.startswith("False False\n")
    assert embed.Server is inlay.Server
