"""Values of every type, from C to a database and back, on both databases."""

from __future__ import annotations

import base64
import datetime
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .databases.schema import EVERY
from .postgres import Postgres
from .server import UnixServer

FOLDER = Path(__file__).parent / "databases"


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("types")
    if request.param == "sqlite":
        file = folder / "types.db"
        with sqlite3.connect(file) as connection:
            connection.executescript(EVERY["sqlite"])
        url = f"sqlite:///{file}"
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create_database("types")
        postgres.psql(EVERY["postgresql"], "types")
    with UnixServer(folder, FOLDER / "every.c", "--db", url) as server:
        yield server.client


def every(**changes: Any) -> dict[str, Any]:
    return {
        "flag": True,
        "small": -32768,
        "medium": 2147483647,
        "big": 1,
        "narrow": 1.5,
        "precise": 0.1,
        "words": "words",
        "data": "AAEC/w==",
        "day": "2024-02-29",
        "moment": "2024-02-29T12:34:56.123456Z",
        "id": "12345678-1234-5678-1234-567812345678",
        "colour": "GREEN",
        "maybe": None,
        "note": "a note",
        "amount": "12345678901234.5678",
        "numbers": [1, -2, 9223372036854775807],
        "names": ["a", "b,c", 'd"e', "f\\g", "{h}", "", "NULL", "i\nj\tk"],
        "place": {"x": 1, "y": -2},
        **changes,
    }


ROWS = [
    every(),
    every(
        big=2,
        flag=False,
        narrow=-0.0,
        precise=1.7976931348623157e308,
        words="'; drop table every; --",
        data="",
        day="0001-01-01",
        moment="1999-12-31T23:59:59Z",
        note=None,
        maybe=-5,
        amount="0.0000",
        numbers=[],
        names=[],
    ),
    every(
        big=9223372036854775807,
        precise=5e-324,
        words="ünïcödé 🎉 \\N \\. \t\r\n\b\f\v",
        day="9999-12-31",
        moment="9999-12-31T23:59:59.999999Z",
        colour="BLUE",
        data=base64.b64encode(bytes(range(256))).decode(),
    ),
]


@pytest.mark.parametrize("way", ["batch", "copy"])
def test_rows_come_back_as_they_went(client: httpx.Client, way: str) -> None:
    assert client.delete("/all").status_code == 204
    answer = client.post(f"/{way}", json=ROWS)
    assert answer.status_code == 200, answer.text
    assert answer.json() == ROWS


def test_many_rows_at_once(client: httpx.Client) -> None:
    client.delete("/all")
    rows = [every(big=i, words="x" * (i % 300)) for i in range(5000)]
    answer = client.post("/batch", json=rows)
    assert answer.status_code == 200, answer.text
    assert answer.json() == rows


def test_no_rows_at_all(client: httpx.Client) -> None:
    client.delete("/all")
    assert client.post("/batch", json=[]).json() == []
    assert client.post("/copy", json=[]).json() == []


@pytest.mark.parametrize(
    "text",
    ["", "plain", "'; drop table every; --", "$1", "\\", "'", '"', "🎉", "a" * 100_000],
)
def test_texts(client: httpx.Client, text: str) -> None:
    length = 30_000 if len(text) > 30_000 else len(text)
    assert client.get("/text", params={"value": text[:length]}).json() == text[:length]


@pytest.mark.parametrize("value", [0, -1, 2**63 - 1, -(2**63)])
def test_integers(client: httpx.Client, value: int) -> None:
    assert client.get("/int", params={"value": value}).json() == value


@pytest.mark.parametrize("value", [0.0, 0.1, -1e308, 5e-324, 1 / 3])
def test_reals(client: httpx.Client, value: float) -> None:
    assert client.get("/real", params={"value": repr(value)}).json() == value


def test_optionals(client: httpx.Client) -> None:
    assert client.get("/maybe").json() is None
    assert client.get("/maybe", params={"value": 7}).json() == 7
    assert client.get("/point", params={"most": 1}).json() == {"x": 1, "y": 2}
    assert client.get("/point", params={"most": 0}).json() is None


def test_literals_of_c_are_parameters_too(client: httpx.Client) -> None:
    assert client.get("/literal").json() == 'it\'s \\ "x"'


def test_examples_are_what_they_say() -> None:
    """The rows above hold real dates and ids."""
    for row in ROWS:
        datetime.date.fromisoformat(row["day"])
        uuid.UUID(row["id"])
