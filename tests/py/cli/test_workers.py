"""`inlay run`: workers come and go, requests are not lost."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from inlay import health
from inlay.config import Config
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from .load import Load

pytestmark = pytest.mark.slow

APP = """
import asyncio, os, sys, time

VERSION = 1
MEMORY = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    path = scope["path"]
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    if path == "/events":
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-type", b"text/event-stream")]})
        while True:
            event = {"type": "http.response.body", "body": b"data: x\\n\\n"}
            await send({**event, "more_body": True})
            await asyncio.sleep(0.05)
    if path == "/grow":
        MEMORY.append(b"x" * (64 << 20))
    if path == "/block":
        time.sleep(3600)
    if path == "/sleep":
        await asyncio.sleep(0.5)
    if path == "/stubborn":
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                print("CANCELLED", flush=True)
    body = str(VERSION if path == "/version" else os.getpid()).encode()
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})
"""


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def run(inlay_run, write_app):
    def start(*options, source=APP, **more):
        return inlay_run(
            "app:app", "--no-access-log", *options, app_dir=write_app(source), **more
        )

    return start


def pids(load):
    """Of the workers that serve, once each has answered."""
    load.answers.clear()
    load.go_on()
    return set(map(int, load.answers))


def workers(server):
    """Their pids."""
    found = set()
    for pid in server.children():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text() == "inlay-worker\n":
                found.add(pid)
    return found


def alive(pid):
    return os.path.exists(f"/proc/{pid}")


KINDS = [(), ("--reuse-port",), ("--preload",), ("--spare", "1")]


@pytest.mark.slow
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_roll_loses_no_request(run, options):
    server = run("--workers", "4", *options)
    with Load(server.port) as load:
        wait_until(lambda: len(workers(server)) == 4 + options.count("--spare"))
        old = workers(server)
        server.process.send_signal(signal.SIGHUP)
        load.wait(lambda: "All workers have been replaced" in server.log, 60)
        load.wait(lambda: not any(map(alive, old)))
        load.go_on()
    assert (load.failures, load.refused) == ([], 0)


@pytest.mark.slow
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_kill_fails_only_what_that_worker_had(run, options):
    server = run("--workers", "3", *options)
    with Load(server.port) as load:
        victim = pids(load).pop()
        os.kill(victim, signal.SIGKILL)
        server.wait_for_log(f"Worker {victim} was killed by SIGKILL (9); replacing it")
        load.go_on()
        failed = len(load.failures)
        load.go_on()
        assert len(load.failures) == failed, "some failed later"
    assert len(load.failures) <= len(load.threads)
    assert load.refused == 0


@pytest.mark.slow
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_sigterm_answers_whom_it_has_accepted(run, options):
    server = run("--workers", "2", *options)
    with Load(server.port, path="/sleep") as load:
        assert server.stop() == 0
    assert load.failures == []


@pytest.mark.slow
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_more_and_fewer_workers(run, options):
    server = run("--workers", "2", *options)
    with Load(server.port) as load:
        spare = options.count("--spare")
        for number, count in ((signal.SIGTTIN, 3), (signal.SIGTTOU, 2)) * 2:
            server.process.send_signal(number)
            load.wait(lambda count=count: len(workers(server)) == count + spare)
            load.go_on()
        server.process.send_signal(signal.SIGTTOU)
        load.wait(lambda: len(workers(server)) == 1 + spare)
        server.process.send_signal(signal.SIGTTOU)
        server.wait_for_log("no fewer")
        load.go_on()
    assert (load.failures, load.refused) == ([], 0)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=str)
def test_a_worker_is_replaced_after_so_many_requests(run, options):
    server = run(
        "--workers",
        "2",
        "--limit-max-requests",
        "20",
        "--limit-max-requests-jitter",
        "10",
        *options,
    )
    with Load(server.port, clients=2) as load:
        load.wait(lambda: len(load.answers) >= 5, 60)
    assert "requests: replacing it" in server.log
    assert (load.failures, load.refused) == ([], 0)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=str)
def test_a_worker_is_replaced_for_its_memory(run, options):
    server = run("--workers", "2", "--limit-memory", "120M", *options)
    with Load(server.port, clients=4) as load:
        old = pids(load)
        while not any(f"Worker {pid} has" in server.log for pid in old):
            server.get("/grow")
            time.sleep(0.1)
        grown = next(pid for pid in old if f"Worker {pid} has" in server.log)
        load.wait(lambda: not alive(grown))
        load.go_on()
    assert (load.failures, load.refused) == ([], 0)


def test_memory_that_no_worker_can_do_with(run):
    server = run("--limit-memory", "1M")
    server.wait_for_log("1 MiB, is too low for this application")
    assert "WARNING:  Worker " in server.log


def test_each_such_worker_gets_more_time(monkeypatch):
    now, used, replaced = 100.0, 2 << 20, []
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(health, "resident", lambda pid: used)
    config = Config("app:app", limit_memory=1 << 20, timeout_worker_healthcheck=0)
    looker = health.Health(config, lambda worker, why: replaced.append(why))

    def lives():
        """Seconds until a new worker is replaced."""
        nonlocal now
        worker = health.Worker.__new__(health.Worker)
        worker.__dict__.update(name="Worker", pid=1, ready=True, kill_at=None)
        worker.serving = True
        began, count = now, len(replaced)
        while len(replaced) == count and now - began < 2000:
            looker.look([worker])
            now += 1
        return now - began - 1

    try:
        assert [lives() for _ in range(3)] == [10, 20, 40]
        assert [lives() for _ in range(6)][-2:] == [600, 600]
        used = 1 << 20
        assert lives() == 1999  # for ever
        used = 2 << 20
        assert lives() == 10
    finally:
        looker.stacks.close()


@pytest.mark.slow
def test_a_new_worker_that_fails_leaves_the_old_ones(run, tmp_path):
    for options in ([], ["--preload"]):
        server = run("--workers", "2", *options)
        (tmp_path / "app.py").write_text("import nothing_of_that_name")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log("before it was ready: the old code goes on")
        assert "No module named 'nothing_of_that_name'" in server.log
        assert server.get("/version").text == "1"
        # Of another length: else a .pyc of this very second would do.
        (tmp_path / "app.py").write_text(APP.replace("VERSION = 1", "VERSION = 22"))
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log("All workers have been replaced")
        assert server.get("/version").text == "22"
        assert server.stop() == 0


@pytest.mark.slow
def test_a_successor_that_fails_is_tried_again(run, tmp_path):
    server = run("--limit-max-requests", "20")
    old = int(server.get("/").text)
    (tmp_path / "app.py").write_text("raise RuntimeError('not now')\n")
    for _ in range(20):
        assert int(server.get("/").text) == old
    wait_until(lambda: server.log.count("exited with status 1; replacing it") >= 2)
    assert int(server.get("/").text) == old
    (tmp_path / "app.py").write_text(APP)
    wait_until(lambda: int(server.get("/").text) != old)


@pytest.mark.slow
def test_a_spare_takes_over_at_once(run):
    slow = "import time; time.sleep(1.5)\n" + APP
    server = run("--spare", "1", source=slow)
    first = int(server.get("/").text)
    wait_until(lambda: len(server.children()) == 2)
    (spare,) = set(server.children()) - {first}
    time.sleep(2)  # it imports
    began = time.monotonic()
    os.kill(first, signal.SIGKILL)
    assert int(server.get("/").text) == spare
    assert time.monotonic() - began < 1
    wait_until(lambda: len(server.children()) == 2)


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(run):
    server = run("--timeout-worker-healthcheck", "0.6", "--workers", "2")
    seen = {server.get("/").text for _ in range(10)}
    with pytest.raises(httpx.HTTPError):
        server.get("/block")
    server.wait_for_log("hangs: its event loop has not turned for 0.6 s")
    assert 'app.py", line' in server.log, "no stack"
    server.wait_for_log("replacing it")
    assert server.get("/").status_code == 200
    assert seen


@pytest.mark.slow
def test_a_worker_whose_io_thread_hangs_is_replaced(run, tmp_path):
    (tmp_path / "hang.c").write_text(
        "#include <inlay.h>\n"
        "int hang(void) { for (volatile int i = 0;; i++) {} return 0; }\n"
        'INLAY_GET("/hang", hang);\n'
    )
    server = run(
        *("--timeout-worker-healthcheck", "0.6", "--workers", "2"),
        source="import hang\n" + APP,
    )
    with pytest.raises(httpx.HTTPError):
        server.get("/hang")
    server.wait_for_log("hangs: its I/O thread 0, in GET /hang -> hang() at ")
    assert "hang.c:2, has not turned for 0.6 s" in server.log
    server.wait_for_log("replacing it")
    assert server.get("/").status_code == 200
    assert server.log.count(" hangs: ") == 1


def test_a_start_that_hangs(run):
    """It is killed by Ctrl-C at once, while it imports or starts up."""
    for source in (
        "import time; print('HERE', flush=True); time.sleep(3600)",
        "async def app(scope, receive, send):\n"
        "    import asyncio; print('HERE', flush=True); await asyncio.sleep(3600)",
    ):
        server = run(source=source, wait=False)
        server.wait_for_log("HERE")
        began = time.monotonic()
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 3
        assert "Traceback" not in server.log


@pytest.mark.slow
def test_a_start_that_hangs_says_where(run):
    server = run(source="import time; time.sleep(3600)", wait=False)
    server.wait_for_log("has been starting for 10 s", 30)
    server.wait_for_log('app.py", line 1')
    assert server.stop() == 0


@pytest.mark.slow
def test_who_ignores_the_end_is_killed(run):
    server = run("--timeout-graceful-shutdown", "0.1", "--workers", "2")
    with pytest.raises(httpx.TimeoutException):
        httpx.get(server.url + "/stubborn", timeout=0.2)
    with pytest.raises(httpx.TimeoutException):
        httpx.get(server.url + "/block", timeout=0.2)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 9
    assert "did not stop in time: killing it" in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_streams_do_not_hold_up_the_end(run, number):
    server = run("--timeout-graceful-shutdown", "0.5")
    old = workers(server)
    url = f"ws://127.0.0.1:{server.port}/"
    with (
        connect(url) as ws,
        httpx.stream("GET", server.url + "/events", timeout=10) as events,
    ):
        lines = events.iter_lines()
        assert next(lines) == "data: x"
        server.process.send_signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            ws.recv(timeout=5)
        assert closed.value.rcvd.code == 1012
        began = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)
        assert time.monotonic() - began < 3
    if number == signal.SIGTERM:
        assert server.process.wait(5) == 0
    else:
        wait_until(lambda: not any(map(alive, old)), 5)
        assert server.get("/").status_code == 200


def test_a_second_ctrl_c_does_not_wait(run):
    server = run()
    with pytest.raises(httpx.TimeoutException):
        httpx.get(server.url + "/stubborn", timeout=0.2)
    server.process.send_signal(signal.SIGINT)
    server.wait_for_log("Waiting for running requests")
    began = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    server.process.wait(5)
    assert time.monotonic() - began < 2


@pytest.mark.slow
def test_preloaded_workers_share_and_differ(run):
    source = (
        "import numpy, os, random\n"
        "numpy.random.seed(1)\n"
        "print('IMPORTED', os.getpid(), flush=True)\n"
        + APP.replace("os.getpid()).encode", "drawn()).encode")
        + "\ndef drawn():\n"
        "    return f'{random.random()} {numpy.random.random()}'\n"
    )
    server = run("--preload", "--workers", "3", source=source)
    assert server.log.count("IMPORTED") == 1
    with Load(server.port) as load:
        load.go_on()
    for numbers in zip(*(answer.split() for answer in load.answers), strict=True):
        assert len(set(numbers)) == load.total, "workers draw the same numbers"
    # The zygote ends: another one imports, workers go on.
    zygote = int(server.log.split("IMPORTED ")[1].split()[0])
    os.kill(zygote, signal.SIGKILL)
    server.wait_for_log(f"Zygote {zygote} was killed by SIGKILL (9)")
    assert server.get("/").status_code == 200
    wait_until(lambda: server.log.count("IMPORTED") == 2)
    workers = [pid for pid in server.children() if pid != zygote]
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    wait_until(lambda: not any(map(alive, workers)))


def test_preload_says_what_does_not_fork(run):
    source = "import threading, time\n" + (
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n" + APP
    )
    server = run("--preload", source=source)
    assert "started threads (1)" in server.log
    assert server.get("/").status_code == 200


def test_preload_ends_with_an_import_that_fails(run):
    server = run("--preload", source="import nothing_of_that_name", wait=False)
    assert server.process.wait(20) == 1
    assert "No module named 'nothing_of_that_name'" in server.log


def test_orphans_of_preloaded_workers_are_reaped(run):
    source = APP.replace(
        'if path == "/grow":',
        'if path == "/orphan":\n'
        "        import subprocess\n"
        "        subprocess.run(['sh', '-c', 'sleep 0.1 & exit'])\n"
        '    if path == "/grow":',
    )
    server = run("--preload", source=source)
    before = set(server.children())
    server.get("/orphan")
    wait_until(lambda: set(server.children()) == before)


def test_a_supervisor_without_descriptors_tries_again(run):
    server = run("--workers", "2")
    pid = server.process.pid
    limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used - 2, limit[1]))
    os.kill(workers(server).pop(), signal.SIGKILL)
    server.wait_for_log("A worker can't be started: ")
    assert server.get("/").status_code == 200
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    wait_until(lambda: len(workers(server)) == 2)
    assert server.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=str)
def test_a_roll_is_disturbed(run, options):
    """A second SIGHUP, a successor that is killed, SIGTERM in the middle."""
    server = run("--workers", "3", *options)
    old = workers(server)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: workers(server) - old)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("All workers have been replaced")
    wait_until(lambda: len(workers(server)) == 3)
    assert not old & workers(server)
    assert server.log.count("All workers have been replaced") == 1

    old = workers(server)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: workers(server) - old)
    for pid in workers(server) - old:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "killed by SIGKILL (9)" in server.log)
    assert server.get("/").status_code == 200
    wait_until(lambda: len(workers(server)) == 3)

    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(workers(server)) == 4)
    assert server.stop() == 0
