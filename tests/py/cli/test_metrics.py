"""`--metrics-port`: what the page says while workers serve, hang and die."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

pytestmark = pytest.mark.slow

APP = """
import asyncio, threading, time
from fastapi import FastAPI, WebSocket

app = FastAPI()

@app.get("/items/{item}")
async def item(item: int):
    return item

@app.get("/boom")
async def boom():
    raise RuntimeError("boom")

@app.get("/block/{seconds}")
async def block(seconds: float):
    time.sleep(seconds)

@app.get("/spin")
async def spin():
    def run():
        end = time.monotonic() + 6
        while time.monotonic() < end:
            pass
    threading.Thread(target=run, daemon=True).start()

@app.websocket("/echo/{name}")
async def echo(websocket: WebSocket, name: str):
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())
"""

NATIVE = """
#include <inlay.h>

int64_t square(int64_t n)
{
    return n * n;
}
INLAY_ROUTE("GET", "/square/{n}", square);
"""


class Page:
    """The page of one scrape, checked by Prometheus' own parser."""

    def __init__(self, text: str, parse: Callable = text_string_to_metric_families):
        self.text = text
        self.families = {family.name: family for family in parse(text)}
        self.samples = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                assert key not in self.samples, f"{key} is there twice"
                self.samples[key] = sample.value

    def get(self, name: str, **labels: str) -> float | None:
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def sum(self, name: str, **labels: str) -> float:
        return sum(
            value
            for (sample, pairs), value in self.samples.items()
            if sample == name and labels.items() <= dict(pairs).items()
        )

    def worker(self, pid: int) -> str:
        """The number of the worker with this process."""
        for name, pairs in self.samples:
            if name == "inlay_worker_info" and dict(pairs)["pid"] == str(pid):
                return dict(pairs)["worker"]
        raise AssertionError(f"no worker has process {pid}")

    def labels(self, name: str, label: str) -> set[str]:
        return {dict(p)[label] for (s, p) in self.samples if s == name}


class Metered:
    def __init__(self, running) -> None:
        self.running = running
        self.url = re.search(r"Metrics on (http://\S+/metrics)", running.log)[1]

    def page(self) -> Page:
        response = httpx.get(self.url, timeout=5)
        assert response.status_code == 200
        return Page(response.text)

    def wait(self, condition: Callable[[Page], object], seconds: float = 10) -> Page:
        deadline = time.monotonic() + seconds
        while not condition(page := self.page()):
            assert time.monotonic() < deadline, page.text
            time.sleep(0.05)
        return page


@pytest.fixture
def metered(inlay_run, write_app):
    def start(*options: str, app: str = APP) -> Metered:
        folder = write_app(app)
        running = inlay_run(
            "app:app", "--metrics-port", "0", *options, app_dir=folder, wait=False
        )
        running.wait_for_log("Metrics on ")
        return Metered(running)

    return start


def counters(page: Page) -> dict:
    """What must never go back: all but the CPU time of a process."""
    return {
        key: value
        for key, value in page.samples.items()
        if key[0].endswith(("_total", "_bucket", "_count"))
        and not key[0].startswith("inlay_worker_")
    }


def assert_never_back(before: Page, after: Page) -> None:
    now = counters(after)
    for key, value in counters(before).items():
        assert now.get(key, -1) >= value, f"{key}: {value} -> {now.get(key)}"


def test_requests_by_route_and_kind(metered, tmp_path):
    (tmp_path / "fast.c").write_text(NATIVE)
    server = metered(app="import fast\n" + APP)
    for number in range(5):
        assert server.running.get(f"/items/{number}").json() == number
        assert server.running.get(f"/square/{number}").json() == number**2
    assert server.running.get("/nothing/here").status_code == 404
    assert server.running.get("/boom").status_code == 500
    page = server.wait(lambda page: page.sum("inlay_requests_total") >= 12)
    total, get = "inlay_requests_total", {"method": "GET"}
    item = {"kind": "asgi", "route": "/items/{item}", **get}
    assert page.get(total, status="200", **item) == 5
    assert page.get(total, kind="native", route="/square/{n}", status="200", **get) == 5
    assert page.get(total, kind="asgi", route="*", status="404", **get) == 1
    assert page.get(total, kind="asgi", route="/boom", status="500", **get) == 1
    duration = "inlay_request_duration_seconds"
    assert page.get(duration + "_count", kind="asgi", route="/items/{item}") == 5
    assert page.get(duration + "_count", kind="native", route="/square/{n}") == 5
    assert page.get("inlay_application_errors_total", type="exception") == 1
    assert page.get("inlay_queue_duration_seconds_count") == 7
    assert page.get("inlay_queue_depth") == 0
    # Paths of requests are in no label.
    assert "/nothing" not in page.text
    assert "/items/1" not in page.text


def test_both_formats(metered):
    server = metered()
    server.running.get("/items/1")
    plain = httpx.get(server.url)
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3"
    modern = httpx.get(server.url, headers={"accept": accept})
    assert modern.headers["content-type"].startswith("application/openmetrics-text")
    page = Page(modern.text, openmetrics.text_string_to_metric_families)
    assert set(page.families) == set(Page(plain.text).families)
    info = page.families["inlay_build_info"].samples[0]
    assert set(info.labels) == {"version", "python"}
    assert httpx.post(server.url).status_code == 405
    assert httpx.get(server.url.removesuffix("metrics")).status_code == 404


def test_workers_one_by_one(metered):
    server = metered("--workers", "2", "--io-threads", "2")
    page = server.page()
    assert page.labels("inlay_worker_up", "worker") == {"0", "1"}
    assert page.sum("inlay_worker_ready") == 2
    pids = {int(pid) for pid in page.labels("inlay_worker_info", "pid")}
    assert pids == set(server.running.children())
    for number in "01":
        assert page.get("inlay_worker_resident_bytes", worker=number) > 5e6
        assert page.get("inlay_worker_cpu_seconds_total", worker=number) > 0
        started = page.get("inlay_worker_start_time_seconds", worker=number)
        assert abs(started - time.time()) < 60


def test_a_spare_is_no_worker_that_starts(metered):
    server = metered("--workers", "2", "--spare", "1")
    page = server.wait(lambda page: page.get("inlay_workers", state="spare") == 1)
    assert page.get("inlay_workers", state="ready") == 2
    assert page.get("inlay_workers", state="starting") == 0
    assert page.sum("inlay_worker_ready") == 2


def test_counts_outlive_a_killed_worker(metered):
    server = metered("--workers", "2")
    with contextlib.ExitStack() as clients:
        for _ in range(8):
            client = clients.enter_context(httpx.Client(base_url=server.running.url))
            client.get("/items/1")
        before = server.wait(lambda page: page.sum("inlay_requests_total") == 8)
        assert before.get("inlay_connections_open") == 8
        victim, other = server.running.children()
        os.kill(victim, signal.SIGKILL)
        after = server.wait(
            lambda page: page.get("inlay_restarts_total", reason="signal") == 1
        )
        assert_never_back(before, after)
        # What it held is gone with it.
        left = before.sum("inlay_worker_connections_open") - before.get(
            "inlay_worker_connections_open", worker=before.worker(victim)
        )
        assert after.get("inlay_connections_open") == left
    page = server.wait(lambda page: page.get("inlay_workers", state="ready") == 2)
    assert_never_back(after, page)
    assert str(victim) not in page.labels("inlay_worker_info", "pid")
    assert str(other) in page.labels("inlay_worker_info", "pid")
    for _ in range(4):
        server.running.get("/items/1")
    page = server.wait(lambda page: page.sum("inlay_requests_total") == 12)
    assert_never_back(after, page)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--preload"]])
def test_counts_outlive_a_reload(metered, options):
    server = metered("--workers", "2", *options)
    for _ in range(6):
        server.running.get("/items/1")
    before = server.wait(lambda page: page.sum("inlay_requests_total") == 6)
    server.running.process.send_signal(signal.SIGHUP)
    after = server.wait(
        lambda page: page.get("inlay_restarts_total", reason="reload") == 2, 30
    )
    assert_never_back(before, after)
    server.running.get("/items/1")
    page = server.wait(lambda page: page.sum("inlay_requests_total") == 7)
    assert_never_back(after, page)


@pytest.mark.slow
def test_worker_that_hangs_hides_nothing(metered):
    server = metered()
    blocked = threading.Thread(target=server.running.get, args=("/block/2",))
    blocked.start()
    page = server.wait(
        lambda page: page.get("inlay_worker_loop_blocked_seconds", worker="0") > 0.3
    )
    assert page.get("inlay_requests_in_flight") == 1
    # The next one waits for Python; it is seen to.
    waiting = threading.Thread(target=server.running.get, args=("/items/1",))
    waiting.start()
    server.wait(lambda page: page.get("inlay_queue_depth") == 1)
    blocked.join()
    waiting.join()
    page = server.wait(lambda page: page.sum("inlay_requests_total") == 2)
    assert page.get("inlay_queue_depth") == 0
    assert page.get("inlay_queue_duration_seconds_sum") > 0.3
    assert page.get("inlay_worker_loop_blocked_seconds", worker="0") < 0.3


@pytest.mark.slow
def test_idle_loop_is_measured(metered):
    server = metered()
    page = server.wait(lambda page: page.get("inlay_loop_lag_seconds_count") >= 2)
    assert page.sum("inlay_requests_total") == 0


@pytest.mark.slow
def test_wait_for_the_gil(metered):
    server = metered()
    name = "inlay_gil_wait_seconds"
    page = server.wait(lambda page: page.get(f"{name}_count") >= 1)
    before = page.get(f"{name}_sum")
    server.running.get("/spin")
    # A thread that computes keeps it for 5 ms (sys.getswitchinterval).
    server.wait(lambda page: page.get(f"{name}_sum") - before > 0.004)


def test_websockets(metered):
    server = metered()
    url = server.running.url.replace("http", "ws") + "/echo/me"
    with connect(url) as websocket:
        for _ in range(3):
            websocket.send("hello")
            assert websocket.recv() == "hello"
        page = server.page()
        assert page.get("inlay_websockets_open") == 1
        assert page.get("inlay_requests_in_flight") == 0
    page = server.wait(lambda page: page.get("inlay_websockets_open") == 0)
    assert page.get("inlay_websocket_messages_received_total") == 3
    assert page.get("inlay_websocket_messages_sent_total") == 3
    assert (
        page.get(
            "inlay_requests_total",
            kind="websocket",
            route="/echo/{name}",
            method="GET",
            status="101",
        )
        == 1
    )


def test_refusals(metered):
    server = metered("--limit-body-bytes", "10")
    with socket.create_connection(("127.0.0.1", server.running.port)) as sock:
        sock.sendall(b"GARBAGE\r\n\r\n")
        assert b" 400 " in sock.recv(4096)
    response = httpx.post(server.running.url + "/items/1", content=b"x" * 11)
    assert response.status_code == 413
    page = server.wait(lambda page: page.sum("inlay_refused_total") == 2)
    assert page.get("inlay_refused_total", reason="parse") == 1
    assert page.get("inlay_refused_total", reason="limit") == 1
    assert page.sum("inlay_requests_total", kind="refused") == 2


def test_port_in_use(inlay_run, write_app):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        server = inlay_run(
            "app:app",
            "--metrics-port",
            str(port),
            app_dir=write_app(APP),
            wait=False,
        )
        assert server.process.wait(20) == 1
    assert f"cannot listen on http://127.0.0.1:{port}" in server.log


def test_off_by_default(inlay_run, write_app):
    server = inlay_run("app:app", app_dir=write_app(APP))
    assert "Metrics on" not in server.log
    assert server.get("/items/1").json() == 1
