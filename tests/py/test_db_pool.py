"""One limit for the connections of a worker, whoever asks for them."""

from __future__ import annotations

import concurrent.futures
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .postgres import Postgres
from .server import UnixServer

C_FILE = r"""
#include <inlay.h>

INLAY_SLICE(texts, inlay_str);

int64_t native(inlay_db *db)
{
    return inlay_one(db, int64_t, "select 1::bigint from pg_sleep(0.002)");
}
INLAY_GET("/native", native);

/* On the pool. */
int64_t pooled(inlay_db *db)
{
    int64_t one = 0;

    inlay_transaction(db, 1)
        one = inlay_one(db, int64_t, "select 1::bigint from pg_sleep(0.002)");
    return one;
}
INLAY_ASYNC(pooled);
INLAY_GET("/pooled", pooled);

int64_t held(inlay_db *db, double seconds)
{
    inlay_transaction(db, 1)
        inlay_exec(db, "select pg_sleep($1)", seconds);
    return 1;
}
INLAY_GET("/held", held);

int64_t many(inlay_db *db, int64_t mib)
{
    texts all = inlay_all(db, texts,
                          "select repeat('x', 1024) from generate_series(1, $1)",
                          mib * 1024);
    return (int64_t)all.len;
}
INLAY_GET("/many", many);

void listen(inlay_db *db, inlay_request *request)
{
    inlay_notification note;

    inlay_listen(db, INLAY_STR("jobs"));
    inlay_event(request, "ready", "%s", "");
    while (inlay_notified(db, &note))
        inlay_event(request, "job", "%s", note.payload.ptr);
}
INLAY_GET("/listen", listen);
"""

APP = """
import json

import inlay
from inlay import db

import asked

ASKED = asked  # its routes


async def ask(path):
    if path == "/statement":
        return await db.one(int, "select 1::bigint from pg_sleep(0.002)")
    async with db.transaction() as tx:
        await tx.exec("select pg_sleep(0.002)")
        return await tx.one(int, "select 1::bigint")


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    try:
        status, body = 200, await ask(scope["path"])
    except inlay.Unavailable as error:
        status, body = 503, str(error)
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
"""

PATHS = ("/native", "/pooled", "/statement", "/transaction")


class Watch(threading.Thread):
    """The most connections that the server has had at once."""

    def __init__(self, postgres: Postgres) -> None:
        super().__init__()
        self.postgres = postgres
        self.ended = threading.Event()
        self.most = 0

    def run(self) -> None:
        while not self.ended.is_set():
            self.most = max(self.most, len(self.postgres.backends("inlay")))

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """One of our own: its connections are counted."""
    with Postgres() as made:
        yield made


def serve(folder: Path, url: str, *options: str) -> UnixServer:
    (folder / "asked.c").write_text(C_FILE)
    (folder / "app.py").write_text(textwrap.dedent(APP))
    return UnixServer(
        folder,
        "app:app",
        *("--app-dir", str(folder), "--io-threads", "2", "--db", url, *options),
    )


def load(server: UnixServer, seconds: float, clients: int) -> dict[str, int]:
    """So many clients of each path; how many answers of each were right."""
    end = time.monotonic() + seconds
    right = dict.fromkeys(PATHS, 0)

    def ask(path: str) -> None:
        with server.new_client() as client:
            while time.monotonic() < end:
                answer = client.get(path)
                assert (answer.status_code, answer.json()) == (200, 1), answer.text
                right[path] += 1

    with concurrent.futures.ThreadPoolExecutor(clients * len(PATHS)) as pool:
        list(pool.map(ask, PATHS * clients))
    return right


@pytest.mark.parametrize("size", [1, 4])
def test_never_more_than_max_size(
    postgres: Postgres, tmp_path: Path, size: int
) -> None:
    """Statements and transactions, on I/O threads, on the pool and of Python."""
    with (
        serve(tmp_path, postgres.url(), "--db-max-size", str(size)) as server,
        Watch(postgres) as watch,
    ):
        right = load(server, 3, 4)
    assert min(right.values()) > 20, right
    assert watch.most == size


def test_one_connection_beside_one_that_listens(
    postgres: Postgres, tmp_path: Path
) -> None:
    with (
        serve(tmp_path, postgres.url(), "--db-max-size", "1") as server,
        server.new_client() as client,
        client.stream("GET", "/listen") as stream,
    ):
        lines = stream.iter_lines()
        assert next(line for line in lines if "ready" in line)
        for path in PATHS * 5:
            assert server.client.get(path).json() == 1
        postgres.psql("notify jobs, 'hello'")
        assert next(line for line in lines if "hello" in line)
        assert len(postgres.backends("inlay")) == 2


def test_waiting_for_a_connection_of_another_thread_has_an_end(
    postgres: Postgres, tmp_path: Path
) -> None:
    options = ("--db-max-size", "1", "--db-pool-timeout", "0.3")
    with serve(tmp_path, postgres.url(), *options) as server:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            held = pool.submit(server.client.get, "/held", params={"seconds": 4})
            time.sleep(0.3)
            with server.new_client() as client:
                for path in PATHS:
                    assert client.get(path).status_code == 503
                assert "all 1 are busy (max_size)" in client.get("/transaction").text
            assert held.result().json() == 1
        for path in PATHS:
            assert server.client.get(path).json() == 1


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_too_many_rows_fail_alone(
    postgres: Postgres, tmp_path: Path, tcp: bool
) -> None:
    options = ("--db-max-size", "1", "--limit-request-memory", "512M")
    with serve(tmp_path, postgres.url(tcp=tcp), *options) as server:
        assert server.client.get("/many", params={"mib": 40}).json() == 40 * 1024
        before = {pid for pid, _, _ in postgres.backends("inlay")}
        answer = server.client.get("/many", params={"mib": 2000})
        assert answer.status_code == 500
        server.wait_logged("the rows are more than 256 MiB")
        for path in PATHS:
            assert server.client.get(path).json() == 1
        assert {pid for pid, _, _ in postgres.backends("inlay")} == before
