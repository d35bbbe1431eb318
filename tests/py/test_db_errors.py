"""What goes wrong with a database, how it is said, and what is undone then."""

from __future__ import annotations

import concurrent.futures
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from .databases.schema import ITEMS
from .postgres import Postgres
from .server import UnixServer

FOLDER = Path(__file__).parent / "databases"


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[UnixServer]:
    folder = tmp_path_factory.mktemp("errors")
    urls = []
    for name in ("items", "reports"):
        place = f"create table place as select '{name}' as name"
        if request.param == "sqlite":
            file = folder / f"{name}.db"
            with sqlite3.connect(file) as connection:
                connection.executescript(f"{ITEMS}; {place}")
            urls.append(f"sqlite:///{file}")
        else:
            postgres: Postgres = request.getfixturevalue("postgres")
            urls.append(postgres.create_database(f"errors_{name}"))
            postgres.psql(f"{ITEMS}; {place}", f"errors_{name}")
    options = ["--db", urls[0], "--db", f"reports={urls[1]}"]
    with UnixServer(folder, FOLDER / "errors.c", *options) as made:
        made.kind = request.param
        yield made


@pytest.fixture(autouse=True)
def empty(server: UnixServer) -> None:
    assert server.client.delete("/items").status_code == 200


ITEM = {"id": 1, "name": "one", "count": 1}


def test_the_ways_of_a_row(server: UnixServer) -> None:
    client = server.client
    assert client.post("/items", json=ITEM).status_code == 201
    assert client.get("/items/1").json() == ITEM
    assert client.get("/items").json() == [ITEM]
    assert client.put("/items/1", params={"name": "new"}).json() == 1
    assert client.put("/items/2", params={"name": "new"}).json() == 0
    assert client.get("/items/1").json()["name"] == "new"
    assert client.delete("/items").json() == 1


def test_no_row_is_not_found(server: UnixServer) -> None:
    assert server.client.get("/items/7").status_code == 404


def test_the_same_key_is_a_conflict(server: UnixServer) -> None:
    server.client.post("/items", json=ITEM)
    answer = server.client.post("/items", json=ITEM)
    assert answer.status_code == 409
    assert answer.json() == {"detail": "it conflicts with what is stored"}
    server.wait_logged(r"database: \S*errors\.c:\d+: .*(?i:unique)")


def test_what_a_check_refuses_is_invalid(server: UnixServer) -> None:
    answer = server.client.post("/items", json={**ITEM, "count": -1})
    assert answer.status_code == 422, answer.text
    said = {"detail": "the database does not take one of the values"}
    assert answer.json() == said
    server.wait_logged(r"database: \S*errors\.c:\d+: .*(?i:check)")


def test_injections_are_stored_as_they_are(server: UnixServer) -> None:
    texts = ["'; drop table items; --", "' or '1'='1", "$1", "%s", "\\'; select 1"]
    for number, text in enumerate(texts):
        row = {"id": number, "name": text, "count": 0}
        assert server.client.post("/items", json=row).status_code == 201
    names = [row["name"] for row in server.client.get("/items").json()]
    assert names == texts


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("column", ["count", "struct item|item"]),
        ("null", ["count", "null"]),
        ("wide", ["int16_t", "70000"]),
        ("type", ["int64_t"]),
        ("rounded", ["9007199254740993", "double"]),
        ("large", ["64 MiB", "--limit-request-memory", "inlay_each"]),
        ("sql", ["choose"]),
        ("rows", ["inlay_exec"]),
    ],
)
def test_mistakes_are_told_to_the_log(
    server: UnixServer, path: str, words: list[str]
) -> None:
    answer = server.client.get(f"/wrong/{path}")
    assert answer.status_code == 500
    assert "errors.c" not in answer.text
    pattern = r"errors\.c:\d+: " + "".join(f"(?=.*(?:{word}))" for word in words)
    server.wait_logged(pattern)


def count_of(server: UnixServer, number: int) -> int:
    return len([1 for row in server.client.get("/items").json() if row["id"] == number])


def test_what_is_left_open_is_rolled_back(server: UnixServer) -> None:
    assert server.client.post("/left-open", params={"id": 5}).json() == 1
    assert count_of(server, 5) == 0


def test_a_failure_rolls_back(server: UnixServer) -> None:
    answer = server.client.post("/failed-within", params={"id": 5})
    assert answer.status_code == 403
    assert count_of(server, 5) == 0


def test_break_rolls_back(server: UnixServer) -> None:
    assert server.client.post("/broken-off", params={"id": 5}).json() == 0


def test_a_statement_that_ends_its_transaction(server: UnixServer) -> None:
    answer = server.client.post("/ended-within", params={"id": 5})
    assert answer.status_code == 500
    assert count_of(server, 5) == 0
    server.wait_logged("the transaction has ended already")


def test_what_may_be_tried_again_is_neutral_too(server: UnixServer) -> None:
    if server.kind == "sqlite":
        pytest.skip("SQLite has no such text")
    answer = server.client.get("/wrong/serialization")
    assert answer.status_code == 409
    said = {"detail": "it conflicts with another request: try again"}
    assert answer.json() == said
    server.wait_logged(r"errors\.c:\d+: a secret")


def test_savepoints(server: UnixServer) -> None:
    rows = server.client.post("/savepoints").json()
    assert [row["id"] for row in rows] == [1, 3]


def test_misuses_are_named(server: UnixServer) -> None:
    assert server.client.post("/wrong/commit").status_code == 500
    server.wait_logged("inlay_commit: no transaction is open")
    assert server.client.get("/wrong/write").status_code == 500
    server.wait_logged("inlay_write: .*transaction is open")


def test_a_cursor_gives_all_rows(server: UnixServer) -> None:
    lines = server.client.get("/stream", params={"most": 20_000}).text.split()
    assert [int(line) for line in lines] == list(range(1, 20_001))


def test_a_cursor_gives_more_than_a_request_has_memory_for(server: UnixServer) -> None:
    assert server.client.get("/large").json() == 70 << 20


def test_a_cursor_may_be_left(server: UnixServer) -> None:
    for _ in range(30):
        assert server.client.get("/first").json() == 55 + 1000


def test_the_row_that_a_loop_was_left_with(server: UnixServer) -> None:
    for _ in range(20):
        assert server.client.get("/tenth").json() == "name 10"


def test_dynamic_text(server: UnixServer) -> None:
    for number in (1, 2, 3):
        server.client.post("/items", json={**ITEM, "id": number})
    assert server.client.get("/sorted", params={"down": True}).json() == [3, 2, 1]
    assert server.client.get("/sorted", params={"down": False}).json() == [1, 2, 3]


def test_two_databases(server: UnixServer) -> None:
    assert server.client.get("/both").json() == {"one": "items", "other": "reports"}


def test_many_write_at_once(server: UnixServer) -> None:
    def write(number: int) -> int:
        with server.new_client() as client:
            row = {"id": number, "name": "x", "count": 1}
            return client.post("/items", json=row).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(write, range(200))) == {201}
    assert len(server.client.get("/items").json()) == 200
