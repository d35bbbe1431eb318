"""Where parameters come from: the same requests to C routes and to FastAPI.

twins/sources.c is served by `inlay run`; twins/sources_twin.py, the same in
FastAPI, runs in process. Status, body (byte for byte) and media type must be
equal.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import python_multipart

TWINS = Path(__file__).parent / "twins"
FORM = {"content-type": "application/x-www-form-urlencoded"}
PARTS = {"content-type": "multipart/form-data; boundary=B"}
UUID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
# What both clients send: it is shown when a field of a header model is missing.
COMMON = {
    "host": "twins",
    "accept": "*/*",
    "accept-encoding": "identity",
    "connection": "keep-alive",
    "user-agent": "twins",
}


def wait_for(server: subprocess.Popen[bytes], client: httpx.Client) -> None:
    for _ in range(300):
        assert server.poll() is None, "inlay run has ended"
        try:
            client.get("/path/int/1")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("inlay run does not answer")


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    uds = str(tmp_path_factory.mktemp("sources") / "socket")
    command = [sys.executable, "-m", "inlay", "run", str(TWINS / "sources.c")]
    options = ["--uds", uds, "--no-access-log", "--limit-form-bytes", "20M"]
    server = subprocess.Popen([*command, *options])
    transport = httpx.HTTPTransport(uds=uds)
    try:
        with httpx.Client(transport=transport, base_url="http://twins") as client:
            wait_for(server, client)
            yield client
    finally:
        server.terminate()
        server.wait(10)


class Twin:
    """A client of an application in process, which gets bytes as they are."""

    def __init__(self, app: Any) -> None:
        transport = httpx.ASGITransport(app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://twins")
        self.loop = asyncio.new_event_loop()

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        self.client.cookies.clear()
        return self.loop.run_until_complete(self.client.request(method, url, **more))

    def post(self, url: str, **more: Any) -> httpx.Response:
        return self.request("POST", url, **more)


@pytest.fixture(scope="module")
def twin() -> Twin:
    spec = importlib.util.spec_from_file_location(
        "sources_twin", TWINS / "sources_twin.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["sources_twin"] = module
    spec.loader.exec_module(module)
    return Twin(module.app)


Headers = list[tuple[bytes, bytes]]


def same(
    native: httpx.Client,
    twin: Twin,
    method: str,
    url: str,
    headers: dict[str, str] | Headers | None = None,
    content: bytes | None = None,
    **more: Any,
) -> httpx.Response:
    """Asks both; their answers are equal."""
    own = list(headers.items() if isinstance(headers, dict) else headers or [])
    given = {
        name if isinstance(name, str) else name.decode("latin-1") for name, _ in own
    }
    all_headers: Any = [
        (name.encode(), value.encode())
        for name, value in COMMON.items()
        if name not in {name.lower() for name in given}
    ] + [
        (
            name if isinstance(name, bytes) else name.encode(),
            value if isinstance(value, bytes) else value.encode("latin-1"),
        )
        for name, value in own
    ]
    native.cookies.clear()
    more |= {"headers": all_headers, "content": content}
    ours = native.request(method, url, **more)
    theirs = twin.request(method, url, **more)
    what = (method, url, more)
    assert (ours.status_code, ours.content) == (
        theirs.status_code,
        theirs.content,
    ), what
    if theirs.content:
        assert ours.headers["content-type"] == theirs.headers["content-type"], what
    return ours


# --- Path --------------------------------------------------------------------

PATHS = [
    *(f"/path/str/{text}" for text in ("x", "a%2Fb", "%C3%A4", "", "a/b", "-1", "+")),
    *(f"/path/int/{text}" for text in ("7", "007", "-7", "+7", "1.0", "x", "", "1_0")),
    *(
        f"/path/float/{text}"
        for text in ("7", "1.5", "0.10", "-1.5", "1.", ".5", "1e3", "nan", "x")
    ),
    *(
        f"/path/{kind}/{text}"
        for kind in ("uuid", "any-uuid")
        for text in (
            UUID,
            UUID.upper(),
            UUID.replace("-", ""),
            UUID[:-1],
            UUID + "0",
            "{" + UUID + "}",
            "urn:uuid:" + UUID,
            "x",
        )
    ),
    "/path/uuid/f81d4fae7dec-11d0-a76500a0c91e6bf6",
    "/path/uuid/f81d4fae7dec--11d0-a76500a0c91e6bf6",
    *(
        f"/path/date/{text}"
        for text in (
            "2026-11-21",
            "2024-02-29",
            "2023-02-29",
            "2026-13-01",
            "2026-11-00",
            "2026-1-1",
            "20261121",
            "0000-01-01",
            "9999-12-31",
            "2026-11-21T00:00:00",
            "2026-11-21T01:00:00",
            "1700000000",
            "0",
            "x",
        )
    ),
    *(f"/path/color/{text}" for text in ("red", "Red", "1", "", "%20red")),
    *(f"/path/rest/{text}" for text in ("", "a", "a/b", "/", "a//b", "a%2Fb", ".x")),
    "/path/rest",
]


@pytest.mark.parametrize("url", PATHS)
def test_path(native: httpx.Client, twin: Twin, url: str) -> None:
    same(native, twin, "GET", url)


# --- Query -------------------------------------------------------------------

TEXTS = {
    "n": ["1", "-1", "+1", " 1 ", "1.0", "1.5", "1e3", "x", "", "0x1", "1_0", "_1"],
    "x": ["1", "-1.5", "1e3", ".5", "5.", "x", "", " 1", "1_0.5", "0x1p3"],
    "b": ["1", "0", "true", "FALSE", "on", "Off", "y", "n", "2", "", "tru", " 1"],
    "s": ["", "x", " x ", "\u00e4\u20ac", "a&b", "null", '"'],
    "day": [
        "2026-11-21",
        "2023-02-29",
        "2026-11-21T00:00:00Z",
        "2026-11-21T00:00:01Z",
        "1700000000",
        "1700006400",
        "",
        "x",
        "2026-11-2",
        "2026/11/21",
        " 2026-11-21",
    ],
    "at": [
        "2026-11-21T10:00:00",
        "2026-11-21T10:00:00Z",
        "2026-11-21 10:00:00.5+01:00",
        "2026-11-21T10:00:00.123456789Z",
        "2026-11-21T10:00",
        "2026-11-21t10:00:00z",
        "2026-11-21",
        "2026-11-21T25:00:00",
        "2026-11-21T10:61:00",
        "2026-11-21T10:00:00+25:00",
        "1700000000",
        "1700000000.25",
        "-1",
        "1700000000000",
        "",
        "x",
    ],
    "id": [
        UUID,
        UUID.upper(),
        UUID.replace("-", ""),
        UUID[:-1],
        "",
        "x",
        f"{{{UUID}}}",
    ],
}


def pairs() -> list[tuple[str, str]]:
    return [(name, text) for name, texts in TEXTS.items() for text in texts]


@pytest.mark.parametrize(("name", "text"), pairs())
def test_query_types(native: httpx.Client, twin: Twin, name: str, text: str) -> None:
    same(native, twin, "GET", "/query/all", params={name: text})
    same(native, twin, "GET", "/query/all", params={name: [text, text + "?"]})


QUERIES = [
    "/query/all",
    "/query/all?n=x&x=x&b=x&day=x&at=x&id=x",
    "/query/alias?from=1&word[]=a&word[]=b",
    "/query/alias?from=1&word%5B%5D=a",
    "/query/alias?from_=1&words=a",
    "/query/alias?from=x",
    "/query/alias",
    "/query/lists",
    "/query/lists?n=1&n=2&s=&s=a&s=%20",
    "/query/lists?n=",
    "/query/lists?n=1&n=x&n=&s",
    "/query/dates?day=2026-11-21&day=1970-01-01",
    "/query/dates?day=2026-11-21&day=x&day=",
    "/query/dates",
    f"/query/uuids?id={UUID}&id=x",
    "/query/uuids",
    "/query/model",
    "/query/model?limit=1&color=red",
    "/query/model?limit=1&color=red&word=&day=2026-11-21&tags=1&tags=2&more=3",
    "/query/model?limit=x&color=x&day=x&tags=x&tags=1",
    "/query/model?color=red&tags=1&tags=x&more=1&more=2&other=",
    "/query/model?LIMIT=1&day=",
    "/query/maybe-model",
    "/query/maybe-model?more=1",
    "/query/maybe-model?limit=1",
    "/query/maybe-model?limit=1&color=blue",
    "/query/maybe-model?limit=x&color=blue",
    "/query/null-model",
    "/query/null-model?x=1",
    "/query/null-model?word=a",
    "/query/null-model?limit=1&color=blue&word=a",
    "/query/strict?a=1",
    "/query/strict?a=1&b=2&c=3&c=4&d=",
    "/query/strict?b=x&c=3",
    "/query/strict?a=1&%C3%A4=1",
    "/query/strict",
]


@pytest.mark.parametrize("url", QUERIES)
def test_query(native: httpx.Client, twin: Twin, url: str) -> None:
    same(native, twin, "GET", url)


@pytest.mark.parametrize("query", ["a=1&more=1", "a=1", "more=1&more=x", "a=x&more="])
def test_query_of_post(native: httpx.Client, twin: Twin, query: str) -> None:
    same(native, twin, "POST", f"/query/post?{query}")
    same(
        native,
        twin,
        "POST",
        f"/query/post?{query}",
        {"content-type": "application/json"},
        b"[1]",
    )


# --- Headers -----------------------------------------------------------------

HEADERS: list[tuple[str, list[tuple[str, str]]]] = [
    ("all", []),
    ("all", [("x-token", "t")]),
    ("all", [("X-TOKEN", "t"), ("X-number", "5"), ("X-Flag", "on"), ("x-ALL", "a")]),
    ("all", [("x-token", "")]),
    ("all", [("x_token", "t")]),
    ("all", [("x-token", "a"), ("x-token", "b"), ("x-number", "1"), ("x-number", "x")]),
    ("all", [("x-token", "a"), ("x-number", "x"), ("x-number", "1")]),
    ("all", [("x-token", "t"), ("x-number", ""), ("x-flag", "?")]),
    ("all", [("x-token", "t"), ("x-all", "a"), ("x-all", ""), ("x-all", "b,c")]),
    ("all", [("x-token", "\xe4\xff")]),
    ("all", [("x-token", "\xc3\xa4")]),
    ("all", [("x-token", '"q"'), ("x-number", "+1")]),
    ("all", [("x-number", "\xe4")]),
    ("list", []),
    ("list", [("x-num", "1"), ("X-Num", "2")]),
    ("list", [("x-num", "1,2")]),
    ("list", [("x-num", "1"), ("x-num", "x"), ("x-num", "")]),
    ("types", []),
    ("types", [("x-day", "2026-11-21"), ("x-at", "2026-11-21T10:00Z"), ("x-id", UUID)]),
    ("types", [("x-day", "x"), ("x-at", "x"), ("x-id", "x")]),
    ("types", [("x-day", "")]),
    ("model", []),
    ("model", [("x-number", "1")]),
    ("model", [("x-number", "1"), ("accept", "a/b")]),
    ("model", [("x_number", "1"), ("x-tag", "a"), ("X-Tag", "b"), ("x-more", "m")]),
    ("model", [("x-number", "x"), ("x-tag", "a"), ("x-id", UUID)]),
    ("model", [("x-id", "x"), ("z", "1"), ("z", "2"), ("z-y", "\xe4")]),
    ("model", [("x-number", "1"), ("x-number", "x"), ("x-id", UUID)]),
    ("maybe-model", []),
    ("maybe-model", [("x-more", "1")]),
    ("maybe-model", [("x_other", "1")]),
    ("maybe-model", [("x-other", "1")]),
    ("maybe-model", [("x-other", "1"), ("x-number", "2")]),
    ("maybe-model", [("x-number", "x")]),
]


@pytest.mark.parametrize(("path", "headers"), HEADERS)
def test_header(
    native: httpx.Client,
    twin: Twin,
    path: str,
    headers: list[tuple[str, str]],
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    same(native, twin, "GET", f"/header/{path}", raw)


# --- Cookies -----------------------------------------------------------------

COOKIES = [
    (),
    ("",),
    (";",),
    ("sid=x",),
    ("sid=1; the-number=2; color=red",),
    ("sid=a; sid=b",),
    ("sid=a", "sid=b; color=green"),
    ("SID=a",),
    ("sid=",),
    ("sid",),
    ("sid=a;the-number=x;color=Red",),
    ("the-number=x;color=Red",),
    ('sid = "a b" ; the-number = "3"',),
    ('sid="a\\"b\\\\c"; color=red',),
    ('sid="\\303\\244\\07\\400"',),
    ('sid="a',),
    ('sid=a"; x="b;c"',),
    ("sid=a=b=c",),
    ("sid=\xe4\xff",),
    ("sid=\xc3\xa4",),
    ("sid=a,b c/d",),
    ("=sid; sid=%41",),
    ("a=1; b=2; a=3; sid=1; word=w;",),
    ("a=1; b=2; a=3; word=w; \xe4=\xe4; ; =; x",),
    ("the_number=4; sid=1",),
]


@pytest.mark.parametrize("path", ["all", "model"])
@pytest.mark.parametrize("cookies", COOKIES)
def test_cookie(
    native: httpx.Client, twin: Twin, path: str, cookies: tuple[str, ...]
) -> None:
    headers = [(b"cookie", cookie.encode("latin-1")) for cookie in cookies]
    same(native, twin, "GET", f"/cookie/{path}", headers)


# --- Forms -------------------------------------------------------------------


def part(name: str, data: bytes | str, more: str = "", headers: str = "") -> bytes:
    head = (
        f'--B\r\ncontent-disposition: form-data; name="{name}"{more}\r\n{headers}\r\n'
    )
    body = data.encode() if isinstance(data, str) else data
    return head.encode() + body + b"\r\n"


def parts(*all_parts: bytes) -> bytes:
    return b"".join(all_parts) + b"--B--\r\n"


def both(
    native: httpx.Client,
    twin: Twin,
    method: str,
    url: str,
    fields: list[tuple[str, str]],
) -> None:
    """The same fields in both kinds of forms."""
    text = str(httpx.QueryParams(fields)).encode()
    same(native, twin, method, url, FORM, text)
    body = parts(*(part(name, value) for name, value in fields))
    same(native, twin, method, url, PARTS, body)


@pytest.mark.parametrize(("name", "text"), pairs())
def test_form_types(native: httpx.Client, twin: Twin, name: str, text: str) -> None:
    both(native, twin, "POST", "/form/all", [(name, text)])
    both(native, twin, "POST", "/form/all", [("s", "x"), (name, text)])


FIELDS: list[tuple[str, list[tuple[str, str]]]] = [
    ("all", []),
    ("all", [("n", "x"), ("x", "x"), ("b", "x"), ("day", "x"), ("at", "x")]),
    ("all", [("s", "a"), ("s", "b"), ("n", "1"), ("n", "")]),
    ("all", [("s", "a"), ("s", "")]),
    ("all", [("", "a"), ("S", "b")]),
    ("model", []),
    ("model", [("title", "t"), ("n", "1")]),
    ("model", [("title", "t"), ("n", "1"), ("tags", "a"), ("tags", ""), ("day", "")]),
    ("model", [("title", ""), ("n", ""), ("tags", ""), ("day", "")]),
    ("model", [("n", "x"), ("day", "x"), ("tags", "a"), ("more", "1"), ("more", "")]),
    ("model", [("title", "t"), ("more", "")]),
    ("mixed?q=1", [("title", "t"), ("n", "1"), ("note", "x")]),
    ("mixed?q=x", [("title", "t"), ("n", "x"), ("note", "")]),
    ("mixed", [("note", "x")]),
    ("strict", [("a", "1")]),
    ("strict", [("a", "1"), ("c", "2"), ("c", "3"), ("d", "")]),
    ("strict", [("b", "x"), ("c", "2")]),
]


@pytest.mark.parametrize(("path", "fields"), FIELDS)
def test_form(
    native: httpx.Client, twin: Twin, path: str, fields: list[tuple[str, str]]
) -> None:
    both(native, twin, "POST", f"/form/{path}", fields)


@pytest.mark.parametrize(
    "fields",
    [
        [("title", "t"), ("c", "red")],
        [("title", "t"), ("c", "red"), ("c", "blue"), ("n", "1"), ("n", "2")],
        [("title", "t"), ("c", "red"), ("c", "x"), ("c", ""), ("n", ""), ("n", "2.5")],
        [("title", "")],
        [],
    ],
)
def test_form_lists(
    native: httpx.Client, twin: Twin, fields: list[tuple[str, str]]
) -> None:
    both(native, twin, "PUT", "/form/lists", fields)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"s",
        b"s=",
        b"&&s=x&&",
        b"s=x;n=1",
        b"s=a=b",
        b"=x&s=y",
        b"s=%FF%C3%A4%E2%82",
        b"s=\xff\xc3\xa4%C3%A4",
        b"s=%C3\xa4%A4",
        b"s=a+b%20c%2B%zz%4",
        b"%73=x",
        b"s=%00",
        b"s=\x00\r\n",
        b"\xef\xbb\xbfs=x",
        b"&" * 3000,
        b"a=1&" * 999 + b"s=x",
        b"a=1&" * 1000 + b"s=x",
        b"s=" + b"x" * ((1 << 20) - 1),
        b"s=" + b"x" * (1 << 20),
    ],
)
def test_urlencoded(native: httpx.Client, twin: Twin, body: bytes) -> None:
    same(native, twin, "POST", "/form/all", FORM, body)


DISPOSITION = b'content-disposition: form-data; name="s"'
MULTIPART = [
    b"",
    b"\r\n",
    b"--B--",
    b"--B--\r\n",
    b"x",
    b"--C\r\n",
    b"--B\r\n",
    parts(part("s", "x")),
    parts(part("s", "x"))[:-4],
    parts(part("s", "x"))[:-8],
    b"\r\n" + parts(part("s", "x")),
    b"preamble\r\n" + parts(part("s", "x")),
    parts(part("s", "x")) + b"epilogue",
    parts(part("s", "")),
    parts(part("s", "\r\n")),
    parts(part("s", "\r\n--C\r\n--b\r\n--")),
    parts(part("s", "a"), part("s", "b")),
    parts(part("s", b"\xff\xe4")),
    parts(part("s", b"\xc3\xa4")),
    parts(part("s", b"\x00\x01")),
    parts(part("n", "1"), part("s", "x"), part("b", "on")),
    parts(part("s", "x", "; charset=latin-1")),
    parts(
        part("s", b"\xc3\xa4", headers="content-type: text/plain; charset=latin1\r\n")
    ),
    parts(part("s", "x", headers="content-transfer-encoding: base64\r\n")),
    parts(part("s", "x", headers="x: y\r\n" * 7)),
    parts(part("s", "x", headers="x: y\r\n" * 8)),
    parts(part("s", "x", headers="x: " + "y" * 4221 + "\r\n")),
    parts(part("s", "x", headers="x: " + "y" * 4222 + "\r\n")),
    parts(part("s", "x", headers="x y: z\r\n")),
    parts(part("s", "x", headers="x\r\n")),
    parts(part("s", "x", headers=": x\r\n")),
    parts(part("s", "x", headers="x:\r\n")),
    parts(part("s", "x", headers=" folded\r\n")),
    parts(b"--B\r\n\r\nx\r\n"),
    parts(b"--B\r\ncontent-disposition: form-data\r\n\r\nx\r\n"),
    parts(b"--B\r\ncontent-disposition: form-data; filename=x\r\n\r\nx\r\n"),
    parts(b"--B\r\ncontent-disposition: attachment; name=s\r\n\r\nx\r\n"),
    parts(b"--B\r\nCONTENT-DISPOSITION:form-data;NAME = s \r\n\r\nx\r\n"),
    parts(b"--B\r\n" + DISPOSITION + b"; name=t\r\n\r\nx\r\n"),
    parts(b"--B\r\n" + DISPOSITION + b"\r\n" + DISPOSITION + b"\r\n\r\nx\r\n"),
    parts(b"--B\r\n" + DISPOSITION + b"\n\r\nx\r\n"),
    parts(b"--B\n" + DISPOSITION + b"\n\nx\r\n"),
    b"--B\r\n"
    + DISPOSITION
    + b"\r\n\r\nx\r\n--B \t\r\n"
    + DISPOSITION
    + b"\r\n\r\ny\r\n--B--",
    b"--B\r\n" + DISPOSITION + b"\r\n\r\nx\r\n--B-\r\n--B--",
    b"--B\r\n" + DISPOSITION + b"\r\n\r\nx\r\n--B\r\r\n--B--",
    b"--B\r\n" + DISPOSITION + b"\r\n\r\nx\r\n--B x\r\n--B--",
    b"--B\r\n" + DISPOSITION + b"\r\n\r\n--B--\r\n--B--",
    parts(*[part("a", "1")] * 999, part("s", "x")),
    parts(*[part("a", "1")] * 1000, part("s", "x")),
    parts(part("s", b"x" * (1 << 20))),
    parts(part("s", b"x" * ((1 << 20) + 1))),
]


# What python-multipart took otherwise before 0.0.34.
OLD = tuple(map(int, python_multipart.__version__.split("."))) < (0, 0, 34)
CHANGED = (b"--B \t\r\n", b"--B x\r\n")


@pytest.mark.parametrize("body", MULTIPART)
def test_multipart(native: httpx.Client, twin: Twin, body: bytes) -> None:
    if OLD and any(each in body for each in CHANGED):
        pytest.skip("python-multipart takes it otherwise")
    same(native, twin, "POST", "/form/all", PARTS, body)


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=C",
        'multipart/form-data; boundary="B"',
        "MULTIPART/Form-Data; BOUNDARY=B",
        "multipart/form-data;charset=latin-1;boundary=B",
        "multipart/form-data; charset=UTF8; boundary=B",
        "multipart/form-data; charset=nonsense; boundary=B",
        'multipart/form-data; x="; boundary=C"; boundary=B',
        "multipart/form-data; boundary=" + "b" * 257,
        "multipart/mixed; boundary=B",
        "multipart/form-datax; boundary=B",
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded, x",
    ],
)
def test_form_media_types(native: httpx.Client, twin: Twin, kind: str | None) -> None:
    if OLD and kind and "BOUNDARY" in kind:
        pytest.skip("python-multipart takes it otherwise")
    headers = {} if kind is None else {"content-type": kind}
    for body in (parts(part("s", "\u00e4")), b"s=x&n=1", b""):
        same(native, twin, "POST", "/form/all", headers, body)
        same(native, twin, "POST", "/form/model", headers, body)


# --- Files -------------------------------------------------------------------


def file_part(
    name: str, filename: str, data: bytes, kind: str | None = "text/plain"
) -> bytes:
    headers = "" if kind is None else f"content-type: {kind}\r\n"
    return part(name, data, f'; filename="{filename}"', headers)


FILES = [
    [file_part("file", "a.txt", b"abc")],
    [file_part("file", "a.txt", b"abc"), part("note", "n")],
    [file_part("file", "a.txt", b"abc"), part("note", "")],
    [file_part("file", "", b"")],
    [file_part("file", "", b"abc")],
    [file_part("file", "a", b"")],
    [file_part("file", "a", b"x", None)],
    [file_part("file", "a", b"x", "")],
    [file_part("file", "C:\\\\dir\\\\a.txt", b"x")],
    [file_part("file", "\\\\\\\\host\\\\a.txt", b"x")],
    [file_part("file", "../../etc/passwd", b"x")],
    [file_part("file", 'q\\"uo;te', b"x")],
    [file_part("file", "\u00e4.txt", b"x", "image/png; x=\u00e4")],
    [part("file", "x", "; filename*=utf-8''%C3%A4")],
    [part("file", "x", "; filename=plain; filename*=utf-8''%C3%A4")],
    [part("file", "text")],
    [part("file", "")],
    [file_part("file", "a", b"1"), file_part("file", "b", b"22")],
    [file_part("file", "a", b"1"), part("file", "text")],
    [file_part("other", "a", b"1")],
    [],
]


@pytest.mark.parametrize("path", ["one", "maybe"])
@pytest.mark.parametrize("files", FILES)
def test_upload(
    native: httpx.Client, twin: Twin, path: str, files: list[bytes]
) -> None:
    same(native, twin, "POST", f"/upload/{path}", PARTS, parts(*files))


@pytest.mark.parametrize(
    "files",
    [
        [],
        [file_part("files", "a", b"1")],
        [file_part("files", "a", b"1"), file_part("files", "b", b"")],
        [file_part("files", "", b""), file_part("files", "b", b"2")],
        [file_part("files", "", b"")],
        [file_part("files", "a", b"1"), part("files", "x"), part("files", "")],
    ],
)
def test_uploads(native: httpx.Client, twin: Twin, files: list[bytes]) -> None:
    same(native, twin, "POST", "/upload/many", PARTS, parts(*files))


@pytest.mark.parametrize(
    "files",
    [
        [],
        [file_part("data", "a", b"abc")],
        [file_part("data", "", b"")],
        [part("data", "text")],
        [part("data", "")],
    ],
)
def test_upload_bytes(native: httpx.Client, twin: Twin, files: list[bytes]) -> None:
    same(native, twin, "POST", "/upload/bytes", PARTS, parts(*files))


def test_large_files(native: httpx.Client, twin: Twin) -> None:
    """In memory up to 1 MiB, in one file beyond; in any order."""
    random.seed(6)
    sizes = [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20, 5, 700_000, 2 << 20]
    for order in (sizes, sizes[::-1]):
        files = [
            file_part("files", f"f{i}", f"{i:020d}".encode() + b"\r\n-" * (size // 3))
            for i, size in enumerate(order)
        ]
        answer = same(native, twin, "POST", "/upload/many", PARTS, parts(*files))
        assert [file["note"] for file in answer.json()] == [
            f"{i:020d}" for i in range(len(sizes))
        ]


def test_many_files(native: httpx.Client, twin: Twin) -> None:
    one = file_part("files", "f", b"x")
    same(native, twin, "POST", "/upload/many", PARTS, parts(*[one] * 1000))
    same(native, twin, "POST", "/upload/many", PARTS, parts(*[one] * 1001))


def test_pieces(native: httpx.Client, twin: Twin) -> None:
    """A form comes in any pieces, without a length."""
    body = parts(
        file_part("files", "a", b"\r\n--b" * 10), file_part("files", "b", b"2" * 70_000)
    )
    for sizes in ([1], [7, 1, 100], [60_000]):

        def pieces(sizes: list[int] = sizes) -> Iterator[bytes]:
            at = 0
            for size in itertools.cycle(sizes):
                yield body[at : at + size]
                at += size
                if at >= min(len(body), 200 * size):
                    yield body[at:]
                    return

        answer = native.post("/upload/many", content=pieces(), headers=PARTS)
        whole = twin.post("/upload/many", content=body, headers=PARTS)
        assert (answer.status_code, answer.json()) == (200, whole.json())


def test_file_for_text(native: httpx.Client, twin: Twin) -> None:
    """FastAPI's input shows the insides of its UploadFile."""
    for path, field in (
        ("all", "s"),
        ("all", "n"),
        ("all", "b"),
        ("last", "at"),
        ("model", "title"),
    ):
        body = parts(file_part(field, "a.txt", b"abc", "x/y"))
        ours = native.post(f"/form/{path}", content=body, headers=PARTS)
        theirs = twin.post(f"/form/{path}", content=body, headers=PARTS)
        assert ours.status_code == theirs.status_code == 422
        inputs = [error.pop("input") for error in ours.json()["detail"]]
        for answer in (ours.json(), theirs.json()):
            for error in answer["detail"]:
                error.pop("input")
        assert {"filename": "a.txt", "content_type": "x/y", "size": 3} in inputs
        assert [
            (error["type"], error["loc"], error["msg"])
            for error in ours.json()["detail"]
        ] == [
            (error["type"], error["loc"], error["msg"])
            for error in theirs.json()["detail"]
        ]


def test_limits_of_ours(native: httpx.Client) -> None:
    """What FastAPI has no limit for."""
    fields = parts(*[part("a", b"x" * (1 << 20))] * 9)
    answer = native.post("/form/all", content=fields, headers=PARTS)
    assert (answer.status_code, answer.json()) == (
        413,
        {"detail": "Content Too Large"},
    )
    whole = parts(file_part("file", "a", b"x" * (21 << 20)))
    answer = native.post("/upload/one", content=whole, headers=PARTS)
    assert answer.status_code == 413
    answer = native.post("/upload/one", content=iter([whole]), headers=PARTS)
    assert answer.status_code == 413


def test_content_coding(native: httpx.Client) -> None:
    headers = {**FORM, "content-encoding": "gzip"}
    assert native.post("/form/all", content=b"s=1", headers=headers).status_code == 415


# --- JSON bodies -------------------------------------------------------------

BODIES = [
    b"",
    b"{}",
    b"null",
    b"[]",
    b"3",
    b"{",
    b'{"count":3}',
    b'{"count":"x"}',
    b'{"count":null}',
    b'{"note":"x"}',
    b'{"form":{"title":"t","n":1}}',
    b'{"form":{"title":"t","n":1},"note":"x"}',
    b'{"form":{"n":"x","day":"x"},"note":1}',
    b'{"form":null,"note":null}',
    b'{"title":"t","n":1}',
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", ["one", "several?q=1", "several?q=x", "embedded"])
def test_embedded(native: httpx.Client, twin: Twin, path: str, body: bytes) -> None:
    for kind in ("application/json", "text/plain"):
        same(native, twin, "POST", f"/body/{path}", {"content-type": kind}, body)


# --- Constraints -------------------------------------------------------------

LIMITED = [
    "n=1&word=ab",
    "n=10&word=abcd&few=1&few=2",
    "n=0&word=a&few=1&few=2&few=3",
    "n=11&word=abcde&few=x",
    "n=x&word=&few=x&few=1&few=2",
    "n=5&word=%C3%A4",
    "n=5&word=%C3%A4%C3%A4&few=",
    "",
]


@pytest.mark.parametrize("text", LIMITED)
def test_limited(native: httpx.Client, twin: Twin, text: str) -> None:
    same(native, twin, "GET", f"/limited/query?{text}")
    same(native, twin, "POST", "/limited/form", FORM, text.encode())


@pytest.mark.parametrize("id", ["abc", "ab", "abcd", "ABC", "a1"])
@pytest.mark.parametrize(
    "query", ["n=1", "n=1&n=5", "n=1&n=6&n=7", "n=6&n=-1", "n=x", ""]
)
@pytest.mark.parametrize("token", ["tt", "t", "", None])
def test_limited_parameters(
    native: httpx.Client, twin: Twin, id: str, query: str, token: str | None
) -> None:
    headers = {} if token is None else {"x-token": token}
    same(native, twin, "GET", f"/limited/params/{id}?{query}", headers)


# --- Order -------------------------------------------------------------------


@pytest.mark.parametrize("p", ["1", "x"])
@pytest.mark.parametrize("q", ["q=1", "q=x", ""])
@pytest.mark.parametrize("h", ["1", "x", None])
@pytest.mark.parametrize("c", ["c=1", "c=x", None])
def test_order(
    native: httpx.Client,
    twin: Twin,
    p: str,
    q: str,
    h: str | None,
    c: str | None,
) -> None:
    headers = {}
    if h is not None:
        headers["x-h"] = h
    if c is not None:
        headers["cookie"] = c
    as_json = {**headers, "content-type": "application/json"}
    for body in (b'{"title":"t","n":1}', b'{"n":"x"}', b"{"):
        same(native, twin, "POST", f"/every/{p}?{q}", as_json, body)
    for body in (b"title=t&n=1", b"n=x", b""):
        same(native, twin, "POST", f"/every-form/{p}?{q}", {**headers, **FORM}, body)


# --- Memory ------------------------------------------------------------------


def test_no_files_left(native: httpx.Client) -> None:
    """Large files lie in an unlinked one, which goes with its request."""
    body = parts(file_part("file", "a", b"x" * (3 << 20)))
    for _ in range(5):
        answer = native.post("/upload/one", content=body, headers=PARTS)
        assert answer.json()["size"] == 3 << 20
        cut = native.build_request(
            "POST", "/upload/one", content=body[: 2 << 20], headers=PARTS
        )
        native.send(cut)
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command = (process / "cmdline").read_bytes()
            names = [
                os.readlink(fd) for fd in (process / "fd").iterdir() if int(fd.name) > 2
            ]
        except OSError:
            continue
        if b"sources.c" in command:
            assert not [name for name in names if "(deleted)" in name], names
