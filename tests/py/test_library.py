"""examples/library: one application written twice, in C and in FastAPI.

Some hundred good and bad requests, in one order (the books they add and change
are part of the answers): status, body and the place of every error are equal.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from .compare import load_app

LIBRARY = Path(__file__).parents[2] / "examples" / "library"
NATIVE = LIBRARY / "library.c"
STAFF = {"authorization": "Bearer staff"}
BOOK: dict[str, Any] = {
    "title": "Dune",
    "author": {"name": "Herbert", "born": 1920},
    "genre": "novel",
    "price": 9.5,
    "published": "1965-08-01",
    "reference": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "tags": ["sand", "worms"],
}
ABSENT = object()

Request = tuple[str, str, dict[str, Any]]


def get(path: str, **more: Any) -> Request:
    return "GET", path, more


def changed(**fields: Any) -> dict[str, Any]:
    """The book, with other fields; those that are ABSENT are left out."""
    book = {**BOOK, **fields}
    return {name: value for name, value in book.items() if value is not ABSENT}


def bodies() -> Iterator[Any]:
    """Good and bad books."""
    yield BOOK
    yield changed(published=None, reference=None, tags=[])
    yield changed(published=ABSENT, reference=ABSENT)
    yield changed(title="é" * 200, genre="poetry", price=1000)
    for title in ("", "x" * 201, None, 3, ["x"], ABSENT):
        yield changed(title=title)
    for name, born in itertools.product(("", "A", "n" * 101), (-1, 2100, 2101, "7")):
        yield changed(author={"name": name, "born": born})
    for author in (None, "x", {}, [], {"name": "x"}, {"born": 1.5, "name": 1}):
        yield changed(author=author)
    for genre in ("Novel", "", None, 1, [], "science"):
        yield changed(genre=genre)
    for price in (0.49, 0.5, 1000.5, "3.25", "abc", None, True, [1]):
        yield changed(price=price)
    for day in ("2024-02-29", "2023-02-29", "x", 0, 86400, 1.5, "", "2024-1-1", False):
        yield changed(published=day)
    for day in (
        "2024-01-01T00:00:00",
        "2024-01-01T10:00:00",
        "0000-01-01",
        "9999-12-31",
    ):
        yield changed(published=day)
    for reference in (
        "f81d4fae7dec11d0a76500a0c91e6bf6",
        "{F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6}",
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bfg",
        "f81d4fae",
        "",
        7,
        None,
    ):
        yield changed(reference=reference)
    for tags in (["a"] * 3, ["a"] * 4, "a", None, [1], [None, "x", {}], {}):
        yield changed(tags=tags)
    yield changed(more=1)
    yield changed(more=1, title="", price=0)
    yield changed(author={"name": "x", "born": 1, "more": 2})
    yield from ({}, [], None, "x", 1, [BOOK])


def of_books() -> Iterator[Request]:
    yield get("/books")
    for body in bodies():
        yield "POST", "/books", {"json": body}
    for text in ("", "{", '{"title":}', "null", "[1", '"x', "\xff", '{"a" 1}'):
        headers = {"content-type": "application/json"}
        yield "POST", "/books", {"content": text.encode("latin-1"), "headers": headers}
    yield (
        "POST",
        "/books",
        {"content": b"{}", "headers": {"content-type": "text/plain"}},
    )
    yield "POST", "/books", {}
    for query in (
        "limit=1",
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=",
        "limit=1&limit=2",
        "offset=-1",
        "offset=2",
        "offset=99999999999999999999",
        "genre=poetry",
        "genre=x",
        "genre=",
        "tag=sand",
        "tag=sand&tag=worms",
        "tag=none",
        "tag=",
        "limit=0&offset=-1&genre=x",
        "other=1",
        "limit=%31",
        "limit=+5",
        "limit=5.0",
        "limit=5.5",
    ):
        yield get(f"/books?{query}")
    for number in ("1", "2", "999", "0", "01", "99999999999999999999"):
        yield get(f"/books/{number}")
        yield "PUT", f"/books/{number}", {"json": changed(title=f"Other {number}")}
        yield "PUT", f"/books/{number}", {"json": changed(title="")}
    for number in ("x", "1.5", "", "1/2"):
        yield get(f"/books/{number}")
    yield "PUT", "/books/1", {"json": []}
    for number in ("2", "2", "999"):
        yield "DELETE", f"/books/{number}", {}
    yield get("/books/2")
    yield "PATCH", "/books/1", {"json": {}}
    yield "DELETE", "/books", {}


def of_readers() -> Iterator[Request]:
    for query in (
        "text=abc&page=1",
        "text=abc&page=9&genre=science",
        "text=ABC&page=1",
        "text=&page=1",
        "text=abc",
        "page=1",
        "",
        "text=abc&page=0",
        "text=abc&page=10",
        "text=abc&page=x",
        "text=abc&page=1&more=2",
        "text=A&page=x&genre=y&more=2",
        "text=abc&page=1&genre=",
        "text=abc%0A&page=1",
    ):
        yield get(f"/search?{query}")
    for data in (
        {"name": "Ann", "password": "open sesame"},
        {"name": "Ann", "password": "wrong"},
        {"name": "", "password": "x"},
        {"name": "n" * 51, "password": "x"},
        {"name": "Ann"},
        {"password": "x"},
        {},
        {"name": ["Ann", "Bob"], "password": "open sesame"},
        {"name": "Zoë & co", "password": "open sesame", "more": "1"},
    ):
        yield "POST", "/login", {"data": data}
    yield "POST", "/login", {"json": {"name": "Ann", "password": "open sesame"}}
    yield "POST", "/login", {"files": {"name": (None, "Ann"), "password": (None, "x")}}
    picture = ("a.png", b"\x89PNG" * 10, "image/png")
    yield "POST", "/covers/1", {"files": {"picture": picture}}
    yield "POST", "/covers/1", {"files": {"picture": picture}, "data": {"caption": "c"}}
    yield "POST", "/covers/1", {"files": {"picture": ("big", b"x" * 3_000_000, "a/b")}}
    yield "POST", "/covers/x", {"files": {"picture": picture}}
    yield "POST", "/covers/1", {"data": {"picture": "text"}}
    yield "POST", "/covers/1", {"data": {"caption": "c"}}
    yield "POST", "/covers/1", {"json": {}}
    yield "POST", "/covers/1", {}


def of_the_rest() -> Iterator[Request]:
    days = ("2026-11-21", "2026-02-30", "x", "", "1700000000")
    moments = (
        "2026-11-21T10:00:00",
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:00:00.123456%2B02:00",
        "2026-11-21 10:00",
        "2026-11-21",
        "2026-11-21T25:00:00",
        "1700000000",
        "1700000000123",
        "x",
    )
    for day, moment in itertools.product(days, moments):
        yield get(f"/loan?from={day}&to={moment}")
    yield get("/loan")
    yield get("/loan?from=2026-11-21")
    for path in ("/staff/stats", "/staff", "/staff/", "/staff/none", "//staff/stats"):
        yield get(path, headers=STAFF)
    for header in ("", "Bearer", "Bearer x", "Basic staff", "bearer staff", "staff"):
        yield get("/staff/stats", headers={"authorization": header})
    yield get("/staff/stats")
    yield get("/staff/none")
    for path in (
        "/notes/a",
        "/notes/a/b/c",
        "/notes/",
        "/notes/a%2Fb",
        "/notes/%C3%A9",
    ):
        yield get(path, headers={"x-token": "t"})
    for shout in ("true", "0", "maybe", "", "YES"):
        yield get(f"/notes/a?shout={shout}", headers={"x-token": "t"})
    yield get("/notes/a")
    yield get("/notes/a?shout=maybe")
    for path in ("/", "/none", "/books/1/none"):
        yield get(path)


@pytest.fixture(scope="module")
def twin() -> Iterator[TestClient]:
    """With cookies, and an answer when the application raises."""
    app = load_app(LIBRARY / "twin.py")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def answer(client: httpx.Client, request: Request) -> dict[str, Any]:
    method, path, more = request
    client.cookies.clear()
    more = dict(more)
    if "json" in more:  # infinity too, which httpx refuses
        more["content"] = json.dumps(more.pop("json")).encode()
        more.setdefault("headers", {"content-type": "application/json"})
    found = client.request(method, path, follow_redirects=False, **more)
    location = found.headers.get("location")
    return {
        "status": found.status_code,
        "body": found.json() if found.content else None,
        "type": found.headers.get("content-type") if found.content else None,
        "location": location and httpx.URL(location).raw_path,
        "challenge": found.headers.get("www-authenticate"),
        "cookie": "session" in found.cookies,
    }


def test_same_answers(native: httpx.Client, twin: TestClient) -> None:
    count, differences = 0, []
    for request in itertools.chain(of_books(), of_readers(), of_the_rest()):
        count += 1
        ours, theirs = answer(native, request), answer(twin, request)
        if ours != theirs:
            differences.append((request, ours, theirs))
    for request, ours, theirs in differences:
        print(request, f"C:       {ours}", f"FastAPI: {theirs}", sep="\n")
    assert count > 240
    assert not differences


def test_login(native: httpx.Client, twin: TestClient) -> None:
    found = []
    for client in (native, twin):
        client.cookies.clear()
        seen = [client.get("/me")]
        client.post("/login", data={"name": "Ann", "password": "open sesame"})
        seen.append(client.get("/me"))
        cookie = client.cookies["session"]
        client.cookies.clear()
        client.cookies.set("session", cookie[:-1] + ("0" if cookie[-1] != "0" else "1"))
        seen.append(client.get("/me"))
        found.append([(each.status_code, each.json()) for each in seen])
    assert found[0] == found[1]
    assert [status for status, _ in found[0]] == [401, 200, 401]
