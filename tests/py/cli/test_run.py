"""`inlay run`: what it prints, what it refuses, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest

from .conftest import INLAY

HELLO = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""

PIDS = """
import asyncio, ctypes, os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                print("SHUTDOWN", os.getpid(), flush=True)
                return
    path = scope["path"]
    if path == "/slow":
        print("SLOW", flush=True)
        await asyncio.sleep(1)
    if path == "/never":
        await asyncio.Event().wait()
    if path == "/crash":
        ctypes.string_at(0)
    if path == "/block":
        while True:
            pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_banner_says_what_is_served(inlay_run, write_app):
    server = inlay_run("app:app", app_dir=write_app(HELLO))
    assert server.get("/").text == "hello"
    assert "ASGI application app:app" in server.log
    assert "no native routes" in server.log
    assert f"Inlay running on http://127.0.0.1:{server.port}" in server.log


def test_access_log_in_uvicorns_format(inlay_run, write_app):
    server = inlay_run("app:app", app_dir=write_app(HELLO))
    server.get("/x?y=1")
    server.wait_for_log('"GET /x?y=1 HTTP/1.1" 200 OK')
    quiet = inlay_run("app:app", "--no-access-log", app_dir=write_app(HELLO))
    quiet.get("/x?y=1")
    assert quiet.stop() == 0
    assert "GET" not in quiet.log


@pytest.mark.parametrize(
    ("target", "source", "message"),
    [
        ("nomodule:app", "", 'there is no module "nomodule"'),
        ("app:nothing", "x = 1", 'has no attribute "nothing"'),
        ("app:x", "x = 1", "int, not an ASGI application"),
        ("app", "x = 1", 'write "module:attribute"'),
        ("app:app", "import does_not_exist", "No module named 'does_not_exist'"),
        ("app:app", "def f(:", "SyntaxError"),
        ("none.c", "", "there is no file none.c"),
    ],
)
def test_a_target_that_cannot_be_served(inlay_run, write_app, target, source, message):
    server = inlay_run(target, app_dir=write_app(source), wait=False)
    assert server.process.wait(20) == 1
    assert message in server.log


ROUTE = """#include <inlay.h>
int64_t one(int64_t a) { return a; }
INLAY_GET("/one", one);
"""


# Imported already, by Inlay, not yet, built in, of a package, and one that says
# so when it is imported.
@pytest.mark.parametrize("name", ["queue", "inlay", "wave", "time", "pytest", "this"])
def test_a_c_file_named_as_another_module_is_refused(tmp_path, name):
    (tmp_path / f"{name}.c").write_text(ROUTE)
    ended = routes(tmp_path, f"{name}.c")
    assert ended.returncode == 1
    assert f"{name}.c can't be served: " in ended.stderr
    assert f"another module called {name}" in ended.stderr
    assert "give the file another name" in ended.stderr
    assert ended.stdout == ""


def routes(folder, target):
    command = [str(INLAY), "routes", target]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("options", [(), ("--preload",)])
def test_run_ends_for_a_c_file_named_as_another_module(inlay_run, tmp_path, options):
    (tmp_path / "queue.c").write_text(ROUTE)
    server = inlay_run("queue.c", *options, wait=False)
    assert server.process.wait(20) == 1
    assert "queue.c can't be served: Python has another module called" in server.log


def test_a_c_file_beside_a_python_file_of_its_name(tmp_path):
    (tmp_path / "fast.c").write_text(ROUTE)
    (tmp_path / "fast.py").write_text("print('imported')")
    ended = routes(tmp_path, "fast.c")
    assert ended.returncode == 1
    assert f"called fast ({tmp_path}/fast.py): give" in ended.stderr
    assert "imported" not in ended.stdout
    # Unless all that the Python file does is to load the module.
    subprocess.run([str(INLAY), "build", "fast.c"], cwd=tmp_path, check=True)
    shim = "__import__('inlay').load_built(__name__, __file__)"
    (tmp_path / "fast.py").write_text(shim)
    assert "/one" in routes(tmp_path, "fast.c").stdout


def test_a_c_file_through_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/fast.c").write_text(ROUTE)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "quick.c").symlink_to("real/fast.c")
    assert "/one" in routes(tmp_path, "link/fast.c").stdout
    assert "quick.one" in routes(tmp_path, "quick.c").stdout


def test_compile_error_ends_the_start(inlay_run, write_app):
    folder = write_app("import broken\napp = None")
    (folder / "broken.c").write_text("int f(void) { return x; }\n")
    server = inlay_run("app:app", app_dir=folder, wait=False)
    assert server.process.wait(20) == 1
    assert "broken.c:1" in server.log
    assert "undeclared" in server.log


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('INLAY_GET("/{x}", f);', "{x}"),
        ("INLAY_DEFAULT(f, nothing, 1);", "no parameter"),
        ('INLAY_GET("/a", f);\nINLAY_GET("/a", f);', "/a"),
    ],
)
def test_a_route_that_cannot_be_bound(inlay_run, write_app, source, message):
    folder = write_app("import routes\n" + HELLO)
    (folder / "routes.c").write_text(
        f"#include <inlay.h>\nint f(int a) {{ return a; }}\n{source}\n"
    )
    server = inlay_run("app:app", app_dir=folder, wait=False)
    assert server.process.wait(20) == 1
    assert "routes.c:" in server.log
    assert message in server.log
    assert "Traceback" not in server.log


def test_port_in_use(inlay_run, write_app):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = inlay_run("app:app", app_dir=write_app(HELLO), wait=False, port=port)
        assert server.process.wait(20) == 1
    assert f"cannot listen on http://127.0.0.1:{port}" in server.log
    assert "in use" in server.log


def test_bad_option(inlay_run):
    server = inlay_run("app:app", "--no-such-option", wait=False)
    assert server.process.wait(20) == 2
    assert "--no-such-option" in server.log
    server = inlay_run("app:app", "--workers", "0", wait=False)
    assert server.process.wait(20) == 2


def test_failed_startup_exits_with_3(inlay_run, write_app):
    server = inlay_run(
        "app:app",
        app_dir=write_app(
            "async def app(scope, receive, send):\n"
            "    await receive()\n"
            "    await send({'type': 'lifespan.startup.failed', 'message': 'no db'})\n"
        ),
        wait=False,
    )
    assert server.process.wait(20) == 3
    assert "no db" in server.log


def test_exit_while_importing_says_why(inlay_run, write_app):
    folder = write_app("raise SystemExit('set DB_URL first')\n")
    server = inlay_run("app:app", app_dir=folder, wait=False)
    assert server.process.wait(20) == 1
    assert "set DB_URL first" in server.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_the_worker_starts(inlay_run, write_app, number):
    server = inlay_run("app:app", app_dir=write_app(HELLO), wait=False)
    wait_until(server.children)
    os.killpg(server.process.pid, number)
    assert server.process.wait(20) == 0
    assert "Traceback" not in server.log


def test_factory_option_and_environment(inlay_run, write_app):
    folder = write_app(HELLO + "\ndef make():\n    return app\n")
    server = inlay_run(
        "app:make", "--factory", app_dir=folder, env={"INLAY_ROOT_PATH": "/v1"}
    )
    assert server.get("/").text == "hello"


def test_unix_socket(inlay_run, write_app, tmp_path):
    path = tmp_path / "s.sock"
    server = inlay_run("app:app", "--uds", str(path), app_dir=write_app(HELLO))
    transport = httpx.HTTPTransport(uds=str(path))
    with httpx.Client(transport=transport) as client:
        assert client.get("http://x/").text == "hello"
    assert server.stop() == 0
    assert not path.exists()


def test_unix_socket_left_by_a_killed_server(inlay_run, write_app, tmp_path):
    path = tmp_path / "s.sock"
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.close()
    inlay_run("app:app", "--uds", str(path), app_dir=write_app(HELLO))


def test_ipv6(inlay_run, write_app):
    server = inlay_run("app:app", "--host", "::1", app_dir=write_app(HELLO))
    assert httpx.get(f"http://[::1]:{server.port}/").text == "hello"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_drain_and_stop(inlay_run, write_app, number):
    server = inlay_run("app:app", "--workers", "2", app_dir=write_app(PIDS))
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(server.get("/slow").status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: server.log.count("SLOW") == 8)
    assert server.stop(number) == 0
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert server.log.count("SHUTDOWN") == 2


def test_ctrl_c_reaches_the_whole_group(inlay_run, write_app):
    server = inlay_run("app:app", app_dir=write_app(PIDS))
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait(10) == 0
    assert "SHUTDOWN" in server.log
    assert "Traceback" not in server.log


@pytest.mark.slow
def test_a_request_that_never_ends_is_cut_at_the_deadline(inlay_run, write_app):
    server = inlay_run(
        "app:app", "--timeout-graceful-shutdown", "0.5", app_dir=write_app(PIDS)
    )

    answers: list[int] = []

    def ask():
        try:
            answers.append(server.get("/never").status_code)
        except httpx.HTTPError:
            answers.append(0)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 5
    thread.join()
    # Its task is cancelled: a 500 or nothing, never a 200.
    assert answers in ([500], [0])


def test_a_killed_worker_is_replaced(inlay_run, write_app):
    server = inlay_run("app:app", app_dir=write_app(PIDS))
    first = int(server.get("/").text)
    os.kill(first, signal.SIGKILL)
    server.wait_for_log(f"Worker {first} was killed by SIGKILL (9); replacing it")
    wait_until(lambda: server.children() not in ([], [first]))
    assert int(server.get("/").text) != first


def test_a_crashed_worker_is_replaced(inlay_run, write_app):
    server = inlay_run("app:app", "--workers", "2", app_dir=write_app(PIDS))
    with pytest.raises(httpx.HTTPError):
        server.get("/crash")
    # AddressSanitizer takes the signal and aborts.
    name = "SIGABRT (6)" if "ASAN_OPTIONS" in os.environ else "SIGSEGV (11)"
    server.wait_for_log(f"was killed by {name}; replacing it")
    assert server.get("/").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("path", [None, "/block"])
def test_no_orphans_when_the_parent_is_killed(inlay_run, write_app, path):
    server = inlay_run(
        "app:app",
        "--workers",
        "2",
        "--timeout-graceful-shutdown",
        "0.2",
        app_dir=write_app(PIDS),
    )
    workers = server.children()
    assert len(workers) == 2
    if path:
        with pytest.raises(httpx.HTTPError):
            httpx.get(server.url + path, timeout=0.2)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()

    def gone():
        return not any(os.path.exists(f"/proc/{pid}") for pid in workers)

    wait_until(gone)


def test_sighup_replaces_workers_without_a_lost_request(inlay_run, write_app):
    server = inlay_run("app:app", "--workers", "2", app_dir=write_app(PIDS))
    old = set(server.children())
    done = threading.Event()
    failures: list[str] = []

    def load():
        while not done.is_set():
            try:
                if httpx.get(server.url + "/", timeout=5).status_code != 200:
                    failures.append("status")
            except httpx.HTTPError as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not old & set(server.children()), 20)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(server.children()) == 2
