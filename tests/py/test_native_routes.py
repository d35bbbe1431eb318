"""The same requests to native C routes and to FastAPI: the same answers.

twins/routes.c is served by `inlay run`; twins/twin.py, the same in FastAPI,
runs in process. Status, body (byte for byte) and media type must be equal.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .compare import JSON, TWINS, Twin, same

NATIVE = TWINS / "routes.c"
TWIN = TWINS / "twin.py"
USER = {"id": 1, "name": "x", "inner": {"n": 2, "ok": True}, "more": []}

QUERIES = [
    "/sum-squares",
    "/sum-squares?a=3&b=4",
    "/sum-squares?a=-3&b=+4",
    "/sum-squares?a=%2B3&b=%20%204%20",
    "/sum-squares?a=3.0&b=1_000",
    "/sum-squares?a=x&b=y",
    "/sum-squares?a=1.5&b=",
    "/sum-squares?a=1&a=2&a=3",
    "/sum-squares?a=x&a=3",
    "/sum-squares?%61=7",
    "/sum-squares?a&b=2",
    "/sum-squares?&&=&a=2",
    "/sum-squares?A=1",
    "/sum-squares?a=1;b=2",
    "/sum-squares?a=%zz",
    "/sum-squares?a=%C3%A4",
    "/sum-squares?a=%22%5C%0A%01%7F",
    "/sum-squares?a=\u00e4",
    "/users/7",
    "/users/101",
    "/users/x",
    "/users/%31",
    "/users/1.0",
    "/users/-1",
    "/users/%20",
    "/files/",
    "/files/a/b",
    "/files/a%2Fb%20c/d",
    "/files/a+b",
    "/files/%C3%A4/%E2%82%AC",
    "/files/%22",
    "/half/1",
    "/half/1e2",
    "/half/0.2",
    "/half/-0",
    "/half/1e-7",
    "/half/3e22",
    "/half/x",
    "/half/1?unit=&unit=x",
    "/say?word=",
    "/say?word=a%20b+c%2Bd",
    "/say?word=%F0%9F%98%80%E2%80%A8",
    "/say?word=%3C%2F%26%27%22",
    "/say",
    "/perhaps",
    "/perhaps?word=",
    "/perhaps?word=null",
    "/page",
    "/page?limit=3",
    "/page?limit=3&word=x&offset=4&more=5",
    "/page?limit=x&offset=y",
    "/page?limit=&offset=",
    "/page?offset=1&foo=1&foo=2&bar=&word=%C3%A4",
    "/page?offset=x&word=a&word=b",
    "/page?%fbq=%ff&%C3%A4=",
    "/paint/red",
    "/paint/red?letter=x",
    "/paint/red?letter=x&second=blue",
    "/paint/Red?second=&letter=",
    "/paint/1?second=2&letter=ab",
    "/paint/%C3%A4?letter=%F0%9F%98%80x",
    "/colors?c=red&c=blue",
    "/colors?c=red&c=x&c=",
    "/colors",
    "/point?at=1&at=2&color=red&code=abc",
    "/point?at=1&at=2&color=red&code=",
    "/point?at=1&color=Red&code=abcd",
    "/point?at=1&at=x&at=3&color=&code=abcde",
    "/point?at=x&color=red&code=a",
    "/point?at=&foo=1",
    "/point",
    "/html?word=%3Cb%3E",
    "/html",
    "/text?word=%C3%A4%22%0A",
    "/text?word=",
    "/bytes/0",
    "/bytes/3",
    "/bytes/x",
    "/list",
    "/list?x=1",
    "/list?x=1&x=2&x=3",
    "/list?x=1&x=q&x=2.5&flag=maybe&z=",
    "/list?x=",
    *(
        f"/list?x=1&flag={word}"
        for word in (
            "true",
            "false",
            "True",
            "1",
            "0",
            "yes",
            "no",
            "ON",
            "off",
            "t",
            "F",
            "2",
            "",
            "tru",
            "y",
            "N",
        )
    ),
]


@pytest.mark.parametrize("url", QUERIES)
def test_get(native: httpx.Client, twin: Twin, url: str) -> None:
    same(native, twin, "GET", url)


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


STROKE = {
    "color": "blue",
    "letter": "x",
    "code": "abc",
    "at": [1, -2],
    "pair": [{"n": 1, "ok": True}, {"n": 2, "ok": False}],
}
BODIES = [
    ("POST", "/stroke", body(STROKE)),
    ("POST", "/stroke", body({**STROKE, "next": None})),
    ("POST", "/stroke", body({**STROKE, "next": {**STROKE, "next": STROKE}})),
    ("POST", "/stroke", body({**STROKE, "next": {**STROKE, "next": {"at": 1}}})),
    ("POST", "/stroke", body({**STROKE, "next": []})),
    ("POST", "/stroke", body({**STROKE, "color": "Blue", "letter": "", "code": ""})),
    ("POST", "/stroke", body({**STROKE, "color": 2, "letter": "ab", "code": "abcd"})),
    ("POST", "/stroke", body({**STROKE, "color": None, "letter": 1, "code": None})),
    ("POST", "/stroke", body({**STROKE, "at": [1], "pair": []})),
    ("POST", "/stroke", body({**STROKE, "at": [1, "x", 3], "pair": [1, 2, 3]})),
    ("POST", "/stroke", body({**STROKE, "at": ["x"], "pair": [1, {}]})),
    ("POST", "/stroke", body({**STROKE, "at": {}, "pair": "x"})),
    ("POST", "/stroke", b"null"),
    ("POST", "/stroke", b""),
    ("POST", "/maybe-stroke", b""),
    ("POST", "/maybe-stroke", b"null"),
    ("POST", "/maybe-stroke", body(STROKE)),
    ("POST", "/maybe-stroke", b"[]"),
    ("PUT", "/strokes", body({"a": STROKE})),
    ("PUT", "/strokes", body({"a": STROKE, "b": STROKE})),
    ("PUT", "/strokes", body({"a": STROKE, "b": None})),
    ("PUT", "/strokes", body({"a": None, "b": 1})),
    ("PUT", "/strokes", b""),
    ("POST", "/blob", body({"data": "aGVsbG8="})),
    ("POST", "/blob", body({"data": "-_8"})),
    ("POST", "/blob", body({"data": ""})),
    ("POST", "/blob", body({"data": "!"})),
    ("POST", "/blob", body({"data": 1})),
    ("POST", "/users", body(USER)),
    ("POST", "/users", body({**USER, "score": 1.5, "unknown": [1, {"a": None}]})),
    ("POST", "/users", body({**USER, "score": None, "name": '\u00e4"\\\n\u20ac'})),
    ("POST", "/users", body({**USER, "more": [{"n": 1, "ok": False}] * 3})),
    ("POST", "/users", body({**USER, "more": [{"n": 1}, {}, 3, None, {"ok": 2}]})),
    ("POST", "/users", body({**USER, "id": "12", "inner": {"n": 3.0, "ok": "yes"}})),
    ("POST", "/users", body({**USER, "id": 1.5, "name": 3, "inner": []})),
    ("POST", "/users", body({**USER, "id": True, "name": None, "score": "x"})),
    ("POST", "/users", body({**USER, "id": None, "score": [], "more": {}})),
    ("POST", "/users", b"{}"),
    ("POST", "/users", b"[]"),
    ("POST", "/users", b"null"),
    ("POST", "/users", b'"text"'),
    ("POST", "/users", b"12"),
    ("POST", "/users", b""),
    ("POST", "/users", b" "),
    ("POST", "/users", b'{"id":1,"id":2,"name":"a","inner":{"n":1,"ok":1},"more":[]}'),
    ("POST", "/users", b'{"id":1'),
    pytest.param(
        "POST",
        "/users",
        b'{"id":1,}',
        # docs/fastapi-differences.md: the words are those of CPython to 3.12.
        marks=pytest.mark.skipif(
            sys.version_info >= (3, 13), reason="CPython 3.13 says it in other words"
        ),
    ),
    ("POST", "/users", b"{'id':1}"),
    ("POST", "/users", b'{"id":01}'),
    ("POST", "/users", b'{"id" 1}'),
    ("POST", "/users", b'{"id":1}x'),
    ("POST", "/users", b'{"id":"\\ud83d\\ude00","name":"\\u0041"}'),
    ("POST", "/users", b'{"a":"\xff"}'),
    ("PUT", "/users", body([USER, USER])),
    ("PUT", "/users", b"[]"),
    ("PUT", "/users", body([USER, {}, 1, {**USER, "id": "x"}])),
    ("PUT", "/users", body({"a": 1})),
    ("PUT", "/users", b""),
    ("PUT", "/users", b"null"),
    ("PUT", "/two/1", body({"a": {"n": 1, "ok": True}, "b": {"numbers": [1, 2]}})),
    ("PUT", "/two/x", body({"a": {"n": 1}, "b": {}})),
    ("PUT", "/two/x", body({"a": 1, "b": None})),
    ("PUT", "/two/1", body({})),
    ("PUT", "/two/1", b"null"),
    ("PUT", "/two/1", b"[1]"),
    ("PUT", "/two/1", b'"x"'),
    ("PUT", "/two/1", b""),
    ("PUT", "/two/1", b"{"),
    ("POST", "/mix?q=4&o=5", body({"numbers": [1, 2]})),
    ("POST", "/mix", body({"numbers": [1, "x", 2.5, None, [], {}, True, "3"]})),
    ("POST", "/mix?q=x&o=y", b"{bad"),
    ("POST", "/mix?q=x", b""),
    ("POST", "/mix?q=x", b"{}"),
    ("POST", "/mix?q=x", b"[]"),
    ("POST", "/optional", b""),
    ("POST", "/optional", b"null"),
    ("POST", "/optional", b"[1]"),
    ("POST", "/optional", body({"numbers": [1, 2]})),
    ("POST", "/optional", body({"numbers": 1})),
    ("POST", "/reals", b"[1, 1.0, 0.1, 1e300, 1e16, 1e-5, 123456789.125, -0.0]"),
    ("POST", "/reals", b'["1", "x", true, null, 5e-324]'),
    ("POST", "/reals", body([random.Random(1).uniform(-1e9, 1e9) for _ in range(500)])),
]


@pytest.mark.parametrize(("method", "url", "content"), BODIES)
def test_body(
    native: httpx.Client, twin: Twin, method: str, url: str, content: bytes
) -> None:
    same(native, twin, method, url, JSON, content)


@pytest.mark.parametrize("url", ["/mix?q=1", "/users", "/optional"])
@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "garbage",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/vnd.api+json",
        "application/problem+JSON;x=y",
        "text/json",
        "application/json+x",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "multipart/form-data; boundary=x",
    ],
)
def test_content_type(
    native: httpx.Client, twin: Twin, url: str, kind: str | None
) -> None:
    headers = {} if kind is None else {"content-type": kind}
    same(native, twin, "POST", url, headers, b'{"numbers":[1]}')
    same(native, twin, "POST", url, headers, b"")


def test_content_type_of_named_bodies(native: httpx.Client, twin: Twin) -> None:
    same(native, twin, "PUT", "/two/1", {"content-type": "text/plain"}, b'{"a":1}')


def test_raw_body(native: httpx.Client, twin: Twin) -> None:
    for kind in ("application/octet-stream", "text/plain", "image/png"):
        same(native, twin, "POST", "/count", {"content-type": kind}, b"\xff\x00x")
    # FastAPI would parse the first and miss the second.
    assert native.post("/count", content=b"{", headers=JSON).json() == 1
    assert native.post("/count", content=b"").json() == 0


def test_delete(native: httpx.Client, twin: Twin) -> None:
    same(native, twin, "DELETE", "/users/7")
    same(native, twin, "DELETE", "/users/x")


def test_chunked(native: httpx.Client, twin: Twin) -> None:
    text = body({"numbers": list(range(5000))})

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(text), 1000):
            yield text[at : at + 1000]

    ours = native.post("/mix?q=1", content=pieces(), headers=JSON)
    assert (ours.status_code, ours.content) == (200, b"5001")


def test_large_body_both_ways(native: httpx.Client, twin: Twin) -> None:
    numbers = [number / 8 for number in range(100_000)]
    same(native, twin, "POST", "/reals", JSON, body(numbers))


def test_too_large(native: httpx.Client) -> None:
    answer = native.post("/reals", content=b"[" + b" " * (9 << 20) + b"]", headers=JSON)
    assert answer.status_code == 413
    assert list(answer.json()) == ["detail"]


def test_content_coding(native: httpx.Client) -> None:
    headers = {**JSON, "content-encoding": "gzip"}
    answer = native.post("/mix?q=1", content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"


def test_head(native: httpx.Client) -> None:
    answer = native.head("/sum-squares?a=3&b=4")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "33"


def test_other_methods_and_paths(native: httpx.Client, twin: Twin) -> None:
    answer = same(native, twin, "POST", "/sum-squares")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert native.patch("/users/7").headers["allow"] == "DELETE, GET, HEAD"
    same(native, twin, "GET", "/nowhere")
    same(native, twin, "GET", "/say/x")


def test_out_of_range(native: httpx.Client) -> None:
    """Python's int has no end; int64_t says where it ends."""
    for value in (2**63, -(2**63) - 1, 10**40):
        answer = native.get(f"/users/{value}")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["path", "id"]
    assert native.get(f"/users/{-(2**63)}").json()["id"] == -(2**63)


def test_bad_utf8(native: httpx.Client) -> None:
    answer = native.get("/files/%FF")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "string_unicode"


def plain(value: Any) -> Any:
    """Without what only C's types say: formats, and limits of integers."""
    if isinstance(value, dict):
        return {
            key: plain(item)
            for key, item in value.items()
            if key not in ("format", "minimum", "maximum")
        }
    return [plain(item) for item in value] if isinstance(value, list) else value


DOCUMENT = """
import asyncio, sys
from inlay import _core
import routes
server = _core.Server(None, [], loop=asyncio.new_event_loop())
sys.stdout.buffer.write(server.openapi())
"""


def native_openapi() -> dict[str, Any]:
    """In a process of its own: a server serves all that is imported."""
    path = [str(TWINS), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    out = subprocess.run(
        [sys.executable, "-c", DOCUMENT], env=env, check=True, capture_output=True
    )
    return json.loads(out.stdout)


def test_openapi(twin: Twin) -> None:
    from openapi_spec_validator import validate

    document = native_openapi()
    validate({"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, **document})
    ours, theirs = plain(document), twin.app.openapi()
    assert ours["paths"].keys() == theirs["paths"].keys()
    for path, operations in theirs["paths"].items():
        assert ours["paths"][path] == operations, path
    assert ours["components"] == theirs["components"]
