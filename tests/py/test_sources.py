"""Where parameters come from: the same requests to C routes and to FastAPI.

twins/sources.c is served by `inlay run`; twins/sources_twin.py, the same in
FastAPI, runs in process. Forms are in test_forms.py.
"""

from __future__ import annotations

import httpx
import pytest

from .compare import FORM, JSON, TWINS, Twin, same
from .twins.texts import PAIRS, UUID

NATIVE = TWINS / "sources.c"
TWIN = TWINS / "sources_twin.py"

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


@pytest.mark.parametrize(("name", "text"), PAIRS)
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
        JSON,
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
    as_json = {**headers, **JSON}
    for body in (b'{"title":"t","n":1}', b'{"n":"x"}', b"{"):
        same(native, twin, "POST", f"/every/{p}?{q}", as_json, body)
    for body in (b"title=t&n=1", b"n=x", b""):
        same(native, twin, "POST", f"/every-form/{p}?{q}", {**headers, **FORM}, body)
