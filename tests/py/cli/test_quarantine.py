"""Native routes that crash, or are turned off: the log, the twin, `inlay ctl`."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time

import httpx
import pytest

pytestmark = pytest.mark.slow

ROUTES = r"""
#include <inlay.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int *volatile nowhere;

static int64_t deep(int64_t n)
{
    volatile char room[4096];

    room[0] = (char)n;
    return n < 0 ? 0 : deep(n + 1) + room[0];
}

static void die(inlay_str how)
{
    volatile int64_t zero = 0;

    if (how.len == 4 && memcmp(how.ptr, "segv", 4) == 0)
        *nowhere = 1;
    if (how.len == 3 && memcmp(how.ptr, "fpe", 3) == 0)
        zero = 12345 / zero;
    if (how.len == 5 && memcmp(how.ptr, "abort", 5) == 0)
        abort();
    if (how.len == 4 && memcmp(how.ptr, "deep", 4) == 0)
        zero = deep(1);
}

int64_t crash(inlay_str how)
{
    die(how);
    return getpid();
}
INLAY_DEFAULT(crash, how, "");
INLAY_GET("/crash", crash);
INLAY_GET("/alone", crash);

int64_t twice(int64_t n)
{
    return 2 * n;
}
INLAY_GET("/twice/{n}", twice);

int64_t well(void)
{
    return getpid();
}
INLAY_GET("/well", well);
"""
GUARD = """
void look(inlay_str how)
{
    die(how);
}
INLAY_HEADER(look, how, "x-how");
INLAY_DEFAULT(look, how, "");
INLAY_BEFORE("/guarded/*", look);
"""
APP = """
import os
import fast
from fastapi import FastAPI

app = FastAPI()

@app.get("/crash")
async def crash(how: str = ""):
    return "python"

@app.get("/twice/{number}")
async def twice(number: int):
    return "python"

@app.get("/guarded/{rest}")
async def guarded(rest: str):
    return "python"

@app.get("/pid")
async def pid():
    return os.getpid()

@app.get("/die")
async def die(how: str = ""):
    return fast.crash(how)
"""


@pytest.fixture
def start(inlay_run, write_app, tmp_path):
    def run(*options, app=APP, routes=ROUTES, **more):
        if app:
            write_app(app)
        (tmp_path / "fast.c").write_text(routes)
        return inlay_run("app:app" if app else str(tmp_path / "fast.c"), *options,
                         "--lifespan", "off", **more)  # fmt: skip

    return run


def ask(server, path, **more):
    """The answer of whoever is there; a connection may be one of a worker that
    has crashed meanwhile."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return server.get(path, **more)
        except httpx.HTTPError:
            assert time.monotonic() < deadline, server.log


def crash(server, path="/crash?how=segv", times=1, **more):
    """The route crashes, and the log says so within the second."""
    for _ in range(times):
        before = server.log.count(" crashed: ")
        while server.log.count(" crashed: ") == before:
            try:
                answer = server.get(path, **more)
            except httpx.HTTPError:
                begin = time.monotonic()
                while server.log.count(" crashed: ") == before:
                    assert time.monotonic() - begin < 1.0, server.log
                    time.sleep(0.005)
            else:
                pytest.fail(f"{answer}: {answer.text}")


def ctl(tmp_path, *words, check=True):
    done = subprocess.run(
        [sys.executable, "-m", "inlay", "ctl", "--control", str(tmp_path / "ctl"),
         *words],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if check:
        assert done.returncode == 0, done.stderr
        return done.stdout
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize(
    ("how", "number"),
    [("segv", "SIGSEGV"), ("fpe", "SIGFPE"), ("abort", "SIGABRT"), ("deep", "SIGSEGV")],
)
def test_report(start, how, number):
    """Worker, signal, route, function and place, within the second; the other
    worker goes on."""
    server = start("--workers", "2")
    workers = set(server.children())
    crash(server, f"/crash?how={how}")
    found = re.search(
        r"Worker (\d+) crashed: (\w+) in GET /crash -> crash\(\) at "
        r"(\S*/fast\.c):(\d+) \(1 of 3 crashes in 600 s\)",
        server.log,
    )
    assert found, server.log
    assert found[2] == number
    assert int(found[1]) in workers
    line = ROUTES.splitlines()[int(found[4]) - 1]
    assert {"segv": "nowhere = 1", "fpe": "/ zero", "abort": "abort();"}.get(
        how, ""
    ) in line
    (other,) = workers - {int(found[1])}
    answers = {ask(server, "/well").json() for _ in range(20)}
    assert other in answers
    assert int(found[1]) not in answers


def test_twin_answers(start, tmp_path):
    """Three crashes: the Python route answers, in every worker, also in those
    that come later, until it is lifted."""
    server = start("--workers", "2", "--control", str(tmp_path / "ctl"))
    crash(server, times=2)
    assert ask(server, "/crash").json() != "python"
    crash(server)
    server.wait_for_log("GET /crash is quarantined in all workers")
    for _ in range(20):
        assert ask(server, "/crash?how=segv").json() == "python"
    assert ask(server, "/alone").json() != "python"  # the same C, another route
    assert "GET /crash  since " in ctl(tmp_path, "quarantine", "list")
    ctl(tmp_path, "reload")
    server.wait_for_log("All workers have been replaced")
    for _ in range(20):
        assert ask(server, "/crash?how=segv").json() == "python"
    assert ctl(tmp_path, "quarantine", "lift", "GET /crash") == "Lifted: GET /crash\n"
    deadline = time.monotonic() + 5
    while any(ask(server, "/crash").json() == "python" for _ in range(8)):
        assert time.monotonic() < deadline
    # And the count begins anew.
    crash(server, times=2)
    assert ask(server, "/crash").json() != "python"
    assert "not quarantined" in ctl(
        tmp_path, "quarantine", "lift", "GET /crash", check=False
    )


@pytest.mark.parametrize("app", [APP, ""])
def test_no_twin(start, app):
    """Nobody else answers: 503, and when to come again."""
    server = start("--quarantine-crashes", "2", app=app)
    path = "/alone" if app else "/crash"
    crash(server, f"{path}?how=segv", times=2)
    server.wait_for_log(f"GET {path} is quarantined")
    answer = ask(server, path)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"
    assert answer.json() == {"detail": "Service Unavailable"}
    assert ask(server, "/twice/4").json() == 8


def test_lifted(start, tmp_path):
    """An endpoint that was lifted out of the application is the same C there:
    in quarantine it is 503, but turned off it is the application's."""
    app = APP + '\napp.get("/lifted")(fast.crash)\n'
    server = start(
        "--quarantine-crashes", "2", "--control", str(tmp_path / "ctl"), app=app
    )  # fmt: skip
    crash(server, "/lifted?how=segv", times=2)
    server.wait_for_log("GET /lifted is quarantined")
    for _ in range(5):
        assert ask(server, "/lifted").status_code == 503
    ctl(tmp_path, "native-off", "/lifted")
    ctl(tmp_path, "quarantine", "lift", "*")
    deadline = time.monotonic() + 5
    while ask(server, "/lifted").status_code != 200:
        assert time.monotonic() < deadline
    assert re.search(r"/lifted +off ", ctl(tmp_path, "routes"))


def test_guard(start):
    """A guard that may not run is no pass."""
    server = start("--quarantine-crashes", "2", routes=ROUTES + GUARD)
    assert ask(server, "/guarded/x").json() == "python"
    crash(server, "/guarded/x", times=2, headers={"x-how": "segv"})
    server.wait_for_log("guard /guarded/* is quarantined")
    for path in ("/guarded/x", "/guarded", "/guarded/../guarded/x"):
        answer = ask(server, path)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
    assert ask(server, "/crash").status_code == 200


def test_hook(start):
    """Nor is a hook: what it adds may be what makes the answer safe."""
    hook = GUARD.replace("INLAY_BEFORE", "INLAY_AFTER")
    server = start("--quarantine-crashes", "2", routes=ROUTES + hook)
    assert ask(server, "/guarded/x").json() == "python"
    crash(server, "/guarded/x", times=2, headers={"x-how": "segv"})
    server.wait_for_log("hook /guarded/* is quarantined")
    server.wait_for_log("500 for what it is for")
    for _ in range(4):
        assert ask(server, "/guarded/x").status_code == 500
    assert ask(server, "/crash").status_code == 200


def test_no_route_crashed(start):
    """A killed worker, or C that Python has called, is nobody's crash."""
    server = start("--quarantine-crashes", "1")
    pid = ask(server, "/pid").json()
    os.kill(pid, signal.SIGKILL)
    server.wait_for_log(f"Worker {pid} was killed by SIGKILL")
    assert ask(server, "/pid").json() != pid
    assert "crashed" not in server.log
    with pytest.raises(httpx.HTTPError):
        server.get("/die?how=segv")
    server.wait_for_log("crashed: SIGSEGV in ")
    assert ask(server, "/crash").json() != "python"
    assert "quarantined" not in server.log


def test_never(start):
    server = start("--quarantine-crashes", "0")
    crash(server, times=4)
    assert ask(server, "/crash").json() != "python"
    assert "quarantined" not in server.log


def test_old_crashes(start):
    """Only those within the window count."""
    server = start("--quarantine-crashes", "2", "--quarantine-window", "0.001")
    crash(server, times=3)
    assert ask(server, "/crash").json() != "python"


def test_native_off(start, tmp_path):
    """The Python routes answer: by option, by command, by signal."""
    server = start(
        "--native-off", "/twice/*", "--native-off", "GET /nothing",
        "--control", str(tmp_path / "ctl"),
    )  # fmt: skip
    server.wait_for_log("--native-off GET /nothing: there is no such native route")
    assert server.get("/twice/4").json() == "python"
    assert server.get("/crash").json() != "python"

    def settled(path, python):
        deadline = time.monotonic() + 5
        while (server.get(path).json() == "python") is not python:
            assert time.monotonic() < deadline

    assert "GET /twice/{n}" in ctl(tmp_path, "native-on", "/twice/*")
    settled("/twice/4", False)
    ctl(tmp_path, "native-off", "GET /crash")
    settled("/crash", True)
    assert server.get("/twice/4").json() == 8
    server.process.send_signal(signal.SIGUSR2)
    settled("/twice/4", True)
    assert server.get("/well").status_code == 503  # nobody else has it
    server.process.send_signal(signal.SIGUSR2)
    settled("/twice/4", False)
    assert server.get("/crash").json() == "python"  # as it was before
    ctl(tmp_path, "native-on", "*")
    settled("/crash", False)
    assert "is not off" in ctl(tmp_path, "native-on", "/x", check=False)
    assert "is no pattern" in ctl(tmp_path, "native-off", "x", check=False)


def test_guards_still_run(start):
    """What is turned off is the route alone."""
    guard = """
void refuse(void)
{
    inlay_fail(INLAY_DENIED, "no");
}
INLAY_BEFORE("/twice/*", refuse);
"""
    server = start("--native-off", "*", routes=ROUTES + guard)
    assert server.get("/crash").json() == "python"
    assert server.get("/twice/4").status_code == 403


def test_metrics(start, tmp_path):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    server = start(
        "--metrics-port", str(port), "--quarantine-crashes", "2",
        "--control", str(tmp_path / "ctl"),
    )  # fmt: skip
    crash(server, times=2)
    server.wait_for_log("is quarantined")
    page = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'inlay_route_crashes_total{route="GET /crash"} 2\n' in page
    assert 'inlay_route_quarantined{route="GET /crash"} 1\n' in page
    ctl(tmp_path, "quarantine", "lift", "*")
    page = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'inlay_route_crashes_total{route="GET /crash"} 2\n' in page
    assert 'inlay_route_quarantined{route="GET /crash"} 0\n' in page


def test_ctl(start, tmp_path):
    """The socket, and its lines."""
    path = tmp_path / "ctl"
    server = start("--control", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    status = json.loads(ctl(tmp_path, "--json", "status"))
    assert status["pid"] == server.process.pid
    assert status["target"] == "app:app"
    assert [w["state"] for w in status["workers"]] == ["serving"]
    assert re.search(r"GET  /twice/\{n\}  on  fast\.twice", ctl(tmp_path, "routes"))
    assert "2 workers" in ctl(tmp_path, "workers", "+1")
    server.wait_for_log("There are to be 2 workers")
    assert "1 worker" in ctl(tmp_path, "workers", "-1")
    assert "can't be 0" in ctl(tmp_path, "workers", "-1", check=False)

    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        file = sock.makefile("rwb", 0)
        for line, part in (
            (b"nothing\n", "Expecting value"),
            (b"[]\n", "a request is a JSON object"),
            (b'{"command": "x"}\n', 'no command "x"'),
            (b'{"command": "native-off"}\n', '"pattern" is missing'),
            (b'{"command": "workers", "change": "many"}\n', '"change"'),
        ):
            file.write(line)
            answer = json.loads(file.readline())
            assert answer["ok"] is False
            assert part in answer["error"]
        # Several at once are answered in order.
        file.write(b'{"command": "status"}\n{"command": "routes"}\n')
        assert "workers" in json.loads(file.readline())
        assert "routes" in json.loads(file.readline())
        # A line without an end is not kept for ever.
        with pytest.raises(OSError):
            for _ in range(100):
                sock.sendall(b"x" * 65536)
                time.sleep(0.001)
    assert server.stop() == 0
    assert not path.exists()
    assert "no server at" in ctl(tmp_path, "status", check=False)


def test_a_result_of_a_lifted_route_that_cannot_be_read(start):
    wild = """
        struct wild { int64_t n; };
        struct wild *wild(void) { return (struct wild *)16; }
    """
    app = 'app.get("/wild")(fast.wild)\n'
    server = start(app=APP + app, routes=ROUTES + wild)
    crash(server, "/wild")
    assert (
        "SIGSEGV in GET /wild -> wild() while its result was written (1" in server.log
    )
