"""PostgreSQL under a server: its pool, its end, and what it alone can do."""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from .postgres import Postgres
from .server import PortServer, UnixServer

FOLDER = Path(__file__).parent / "databases"
SETUP = """
create table rows as select i::bigint as id, 'row ' || i as name
    from generate_series(1, 1000) i;
alter table rows add primary key (id);
create table counter as select 0::bigint as total;
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    """One of our own: it is killed."""
    with Postgres() as made:
        made.create_database("load")
        made.psql(SETUP, "load")
        yield made


def serve(folder: Path, url: str, *options: str) -> UnixServer:
    return UnixServer(folder, FOLDER / "load.c", "--db", url, *options)


@pytest.fixture(scope="module")
def server(
    cluster: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[UnixServer]:
    folder = tmp_path_factory.mktemp("load")
    url = cluster.url("load") + ("&" if "?" in cluster.url("load") else "?")
    url += "application_name=inlay-load"
    with serve(folder, url, "--db-max-size", "10") as made:
        yield made


async def ask_all(server: UnixServer, paths: list[str]) -> list[httpx.Response]:
    transport = httpx.AsyncHTTPTransport(
        uds=server.uds, limits=httpx.Limits(max_connections=None)
    )
    async with httpx.AsyncClient(
        transport=transport, base_url="http://native", timeout=60
    ) as client:
        return await asyncio.gather(*[client.get(path) for path in paths])


def eventually(what: Callable[[], object], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def test_500_at_once_on_10_connections(server: UnixServer, cluster: Postgres) -> None:
    paths = [f"/rows/{i % 1000 + 1}" for i in range(500)]
    answers = asyncio.run(ask_all(server, paths))
    for number, answer in enumerate(answers):
        assert answer.json() == {"id": number + 1, "name": f"row {number + 1}"}
    assert 1 <= len(cluster.backends("inlay-load")) <= 10


def test_an_error_is_of_one_alone(server: UnixServer) -> None:
    paths = ["/fails" if i % 3 == 0 else f"/rows/{i}" for i in range(1, 301)]
    answers = asyncio.run(ask_all(server, paths))
    for path, answer in zip(paths, answers, strict=True):
        if path == "/fails":
            assert answer.status_code == 422
        else:
            assert answer.json()["name"] == f"row {path.split('/')[2]}"


def send(server: UnixServer, path: str) -> socket.socket:
    connection = server.connect()
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    return connection


def active(cluster: Postgres) -> list[str]:
    """Statements that run now."""
    return [
        query
        for _, state, query in cluster.backends("inlay-load")
        if state == "active" and "pg_sleep" in query
    ]


def test_a_slow_statement_ends_with_its_client(
    server: UnixServer, cluster: Postgres
) -> None:
    """One in a transaction is cancelled, and nothing of that stays."""
    connection = send(server, "/slow-within?seconds=600")
    assert eventually(lambda: active(cluster))
    connection.close()
    assert eventually(lambda: not active(cluster), 10)
    assert cluster.psql("select count(*) from rows where id = -1", "load") == "0"
    assert server.client.get("/rows/1").json()["name"] == "row 1"


def test_a_slow_statement_ends_with_a_client_of_tcp(
    cluster: Postgres, tmp_path: Path
) -> None:
    """Its socket's end looks like that of its side alone."""
    url = cluster.url("load") + ("&" if "?" in cluster.url("load") else "?")
    url += "application_name=inlay-load"
    with PortServer(tmp_path, FOLDER / "load.c", "--db", url) as server:
        connection = server.connect()
        connection.sendall(b"GET /slow-within?seconds=600 HTTP/1.1\r\nhost: a\r\n\r\n")
        assert eventually(lambda: active(cluster))
        connection.close()
        assert eventually(lambda: not active(cluster), 10)
        connection = server.connect()
        connection.sendall(b"GET /slow?seconds=0.2 HTTP/1.1\r\nhost: a\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert b" 200 OK" in connection.recv(65536)  # it was quick enough
        connection.close()
        for path in "/slow", "/slow-within":
            connection = server.connect()
            request = f"GET {path}?seconds=60 HTTP/1.1\r\nhost: a\r\n\r\n"
            connection.sendall(request.encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(65536) == b""  # and no answer is made up
            connection.close()


def test_neighbours_of_one_whose_client_left(server: UnixServer) -> None:
    """Its connection is shared: others get their rows all the same."""
    gone = [send(server, "/slow?seconds=0.5") for _ in range(20)]
    for connection in gone:
        connection.close()
    answers = asyncio.run(ask_all(server, [f"/rows/{i}" for i in range(1, 101)]))
    assert [answer.json()["id"] for answer in answers] == list(range(1, 101))


def test_serialization_failures_are_tried_again(
    server: UnixServer, cluster: Postgres
) -> None:
    def add(_: int) -> int:
        with server.new_client() as client:
            return client.post("/add", params={"amount": 1}).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(add, range(80))) == {200}
    assert cluster.psql("select total from counter", "load") == "80"


def test_notifications_are_a_stream(server: UnixServer, cluster: Postgres) -> None:
    with server.new_client() as client, client.stream("GET", "/listen") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: ready"
        threading.Timer(
            0.1, cluster.psql, ["notify jobs, 'one'; notify jobs, 'two'", "load"]
        ).start()
        seen: list[str] = []
        for line in lines:
            if line.startswith("data: ") and line != "data: ":
                seen.append(line.removeprefix("data: "))
            if len(seen) == 2:
                break
    assert seen == ["one", "two"]


def test_many_listeners_share_a_connection(
    server: UnixServer, cluster: Postgres
) -> None:
    connections = [send(server, "/listen") for _ in range(50)]
    for connection in connections:
        assert b"ready" in connection.recv(65536)
    assert len(cluster.backends("inlay-load")) <= 12
    cluster.psql("notify jobs, 'all of you'", "load")
    for connection in connections:
        data = b""
        while b"all of you" not in data:
            data += connection.recv(65536)
        connection.close()


def test_functions_of_the_pool_and_providers(server: UnixServer) -> None:
    assert server.client.get("/pooled/10").json() == len("row 10")
    assert server.client.get("/provided/10").json() == "row 10"
    assert server.client.get("/provided/100000").status_code == 404


def test_statement_timeout(cluster: Postgres, tmp_path: Path) -> None:
    with serve(
        tmp_path, cluster.url("load"), "--db-statement-timeout", "0.3"
    ) as server:
        assert server.client.get("/slow", params={"seconds": 5}).status_code == 504
        assert server.client.get("/rows/1").status_code == 200


def test_waiting_for_a_connection_has_an_end(cluster: Postgres, tmp_path: Path) -> None:
    options = ["--db-max-size", "1", "--db-pool-timeout", "0.3"]
    with serve(tmp_path, cluster.url("load"), *options) as server:
        held = send(server, "/slow-within?seconds=3")
        time.sleep(0.3)
        begun = time.monotonic()
        assert server.client.get("/rows/1").status_code == 503
        assert time.monotonic() - begun < 2
        server.wait_logged("max.size")
        held.close()
        assert eventually(lambda: server.client.get("/rows/1").status_code == 200)


def test_a_database_that_is_not_there_at_first(tmp_path: Path) -> None:
    with Postgres() as late:
        late.create_database("load")
        late.psql(SETUP, "load")
        late.stop()
        with serve(tmp_path, late.url("load")) as server:
            assert server.client.get("/rows/1").status_code == 503
            late.start()
            assert eventually(lambda: server.client.get("/rows/1").status_code == 200)


def test_killed_under_load(cluster: Postgres, server: UnixServer) -> None:
    """Right answers and 503s, then right answers; no connection is lost."""
    statuses: set[int] = set()
    wrong: list[str] = []
    ended = threading.Event()

    def load(number: int) -> None:
        with server.new_client() as client:
            while not ended.is_set():
                answer = client.get(f"/rows/{number}")
                statuses.add(answer.status_code)
                expected = {"id": number, "name": f"row {number}"}
                if answer.status_code == 200 and answer.json() != expected:
                    wrong.append(answer.text)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for number in range(1, 17):
            pool.submit(load, number)
        try:
            for _ in range(2):
                time.sleep(0.5)
                cluster.kill()
                time.sleep(0.5)
                cluster.start()
                assert eventually(
                    lambda: server.client.get("/rows/1").status_code == 200
                )
        finally:
            ended.set()
    assert not wrong
    assert statuses == {200, 503}
    server.wait_logged("lost a connection: .*; another one is made")
    assert "This probably means" not in server.logged()
    answers = asyncio.run(ask_all(server, [f"/rows/{i}" for i in range(1, 101)]))
    assert {answer.status_code for answer in answers} == {200}
    assert len(cluster.backends("inlay-load")) <= 10
