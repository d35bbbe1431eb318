"""Layers before ASGI, native routes and files; CORS as Starlette does it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from inlay.options import OptionError
from inlay.testing import LiveServer
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from .server import UnixServer

DOCS = Path(__file__).parents[2] / "docs"


async def hello(request: Any) -> PlainTextResponse:
    return PlainTextResponse("hello", headers={"vary": "Accept"})


async def plain(request: Any) -> PlainTextResponse:
    return PlainTextResponse("plain")


def application() -> Starlette:
    return Starlette(
        routes=[Route("/hello", hello, methods=["GET", "POST"]), Route("/plain", plain)]
    )


# --- CORS ---------------------------------------------------------------------

# The layer's options, the middleware's arguments.
CORS = {
    "one": (
        {"cors_origin": ["https://a.example"]},
        {"allow_origins": ["https://a.example"]},
    ),
    "any": (
        {"cors_origin": ["*"], "cors_expose_header": ["X-Total", "X-Page"]},
        {"allow_origins": ["*"], "expose_headers": ["X-Total", "X-Page"]},
    ),
    "any with credentials": (
        {
            "cors_origin": ["*"],
            "cors_credentials": True,
            "cors_method": ["*"],
            "cors_header": ["*"],
        },
        {
            "allow_origins": ["*"],
            "allow_credentials": True,
            "allow_methods": ["*"],
            "allow_headers": ["*"],
        },
    ),
    "pattern": (
        {
            "cors_origin": ["https://*.example", "https://b.test:8443"],
            "cors_credentials": True,
            "cors_method": ["POST", "GET"],
            "cors_header": ["X-Token", "Authorization"],
            "cors_expose_header": ["X-Total"],
            "cors_max_age": 60,
        },
        {
            "allow_origins": ["https://b.test:8443"],
            "allow_origin_regex": r"https://[a-z.]+\.example",
            "allow_credentials": True,
            "allow_methods": ["POST", "GET"],
            "allow_headers": ["X-Token", "Authorization"],
            "expose_headers": ["X-Total"],
            "max_age": 60,
        },
    ),
}
ORIGINS = [
    None,
    "https://a.example",
    "https://b.test:8443",
    "https://evil.test",
    "https://example",
    "https://a.example.evil.test",
    "http://a.example",
    "null",
]
WANTED = [
    {},
    {"access-control-request-method": "GET"},
    {"access-control-request-method": "POST"},
    {"access-control-request-method": "DELETE"},
    {"access-control-request-method": "get"},
    {
        "access-control-request-method": "GET",
        "access-control-request-headers": "X-TOKEN, accept",
    },
    {
        "access-control-request-method": "PUT",
        "access-control-request-headers": "x-token,x-other",
    },
    {"access-control-request-method": "GET", "access-control-request-headers": "a,,b"},
    {"access-control-request-headers": "x-token"},
]
# Of the server, or of the connection.
OWN = {"date", "server", "connection", "transfer-encoding"}


def shown(response: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """httpx joins what comes twice: nothing does."""
    headers = {k: v for k, v in response.headers.items() if k not in OWN}
    return response.status_code, response.content, headers


@pytest.mark.parametrize("case", CORS)
def test_cors_is_starlettes(case: str) -> None:
    options, arguments = CORS[case]
    twin = TestClient(CORSMiddleware(application(), **arguments))
    with (
        LiveServer(application(), **options) as server,
        httpx.Client(base_url=server.url) as ours,
    ):
        for origin in ORIGINS:
            for wanted in WANTED:
                for method in ("GET", "POST", "OPTIONS"):
                    for path in ("/hello", "/plain", "/none"):
                        headers = dict(wanted)
                        if origin is not None:
                            headers["origin"] = origin
                        asked = (method, path, headers)
                        mine = shown(ours.request(method, path, headers=headers))
                        theirs = shown(twin.request(method, path, headers=headers))
                        # One line or two: httpx joins them alike.
                        assert mine == theirs, asked


def test_cors_of_the_application_is_not_doubled() -> None:
    app = CORSMiddleware(
        application(),
        allow_origins=["https://a.example", "https://b.example"],
        expose_headers=["x-theirs"],
    )
    with (
        LiveServer(
            app, cors_origin=["https://a.example"], cors_expose_header=["x-ours"]
        ) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        answer = client.get("/hello", headers={"origin": "https://a.example"})
        found = answer.headers.get_list("access-control-allow-origin")
        assert found == ["https://a.example"]
        assert answer.headers.get_list("access-control-expose-headers") == ["x-ours"]
        assert answer.headers["vary"] == "Accept, Origin"
        answer = client.get("/hello", headers={"origin": "https://b.example"})
        found = answer.headers.get_list("access-control-allow-origin")
        assert found == ["https://b.example"]


# --- Limits -------------------------------------------------------------------


def test_rate_limit_of_an_application() -> None:
    options = {"rate_limit": ["/hello=2/hour by header:x-key", "1000/second"]}
    with (
        LiveServer(application(), **options) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        one = {"x-key": "1"}
        assert client.get("/hello", headers=one).status_code == 200
        answer = client.get("/%68ello", headers=one)
        assert answer.headers.get_list("ratelimit-policy") == [
            '"/hello";q=2;w=3600',
            '"/*";q=1000;w=1',
        ]
        answer = client.get("/hello", headers=one)
        assert (answer.status_code, answer.json()) == (
            429,
            {"detail": "Too Many Requests"},
        )
        assert 1700 < int(answer.headers["retry-after"]) <= 1800
        assert client.get("/hello", headers={"x-key": "2"}).status_code == 200
        assert client.get("/plain", headers=one).status_code == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_limit": ["5"]}, '--rate-limit: "5" is no rate: write 5/second'),
        ({"rate_limit": ["/x"]}, '--rate-limit: "" is no rate'),
        ({"rate_limit": ["/a*b=5/s"]}, "--rate-limit: \"/a*b\": a '*' may stand"),
        ({"concurrency": ["/x=0"]}, '--concurrency: "0" is no number'),
        ({"timeout": ["/x=soon"]}, '--timeout: "soon" is no time'),
        ({"cors_origin": ["a.example"]}, '--cors-origin: "a.example" is none'),
        ({"cors_origin": ["https://a.example/"]}, "--cors-origin: "),
        (
            {"cors_origin": ["*"], "cors_expose_header": ["a:b"]},
            '--cors-expose-header: "a:b" is no name',
        ),
        ({"cors_credentials": True}, "--cors-credentials needs --cors-origin"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        LiveServer(application(), **options)
    assert message in str(caught.value)


# --- A C file, by itself ------------------------------------------------------


@pytest.fixture
def native(tmp_path: Path) -> Iterator[Any]:
    """native(source, *options, **env): a server of that C text."""
    made: list[UnixServer] = []

    def make(source: str, *options: str, **env: str) -> UnixServer:
        path = tmp_path / "native.c"
        path.write_text(source)
        made.append(UnixServer(tmp_path, path, *options, **env))
        return made[-1]

    yield make
    for server in made:
        server.stop()


SOURCE = """
#include <inlay.h>

int64_t twice(int64_t n)
{
    return 2 * n;
}
INLAY_GET("/twice", twice);
INLAY_GET("/api/twice", twice);
INLAY_LAYER("rate-limit", "/twice", "2/hour");
INLAY_LAYER("cors", "/api/*", "https://a.example credentials method=*");
"""


@pytest.mark.slow
def test_layers_of_a_c_file(native: Any, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x.txt").write_text("file")
    server = native(
        SOURCE,
        "--health-path=/healthz",
        f"--static=/files={tmp_path / 'files'}",
        "--cors-origin=*",
    )
    server.wait()
    with server.client as client:
        origin = {"origin": "https://a.example"}
        seen = [client.get("/twice?n=2").status_code for _ in range(4)]
        assert seen == [200, 200, 429, 429]
        assert client.get("/%74wice?n=2").status_code == 429
        answer = client.get("/api/twice?n=x", headers=origin)
        assert answer.status_code == 422
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        answer = client.get("/files/x.txt", headers=origin)
        assert (answer.text, answer.headers["access-control-allow-origin"]) == (
            "file",
            "*",
        )
        answer = client.options(
            "/api/twice", headers={**origin, "access-control-request-method": "PUT"}
        )
        assert (answer.status_code, answer.text) == (200, "OK")


@pytest.mark.slow
def test_a_wrong_record_names_its_line(native: Any) -> None:
    server = native('#include <inlay.h>\nINLAY_LAYER("timeout", "/x", "soon");\n')
    assert server.process.wait(30) != 0
    said = server.logged()
    assert re.search(r'native\.c:2: INLAY_LAYER\("timeout", "/x"\): "soon" is', said)


# --- Authentication -----------------------------------------------------------


def login_example() -> str:
    text = (DOCS / "routes.md").read_text()
    chapter = text.split("## Authentication", 1)[1]
    return chapter.split("```c\n", 1)[1].split("```", 1)[0]


@pytest.mark.slow
def test_the_login_of_the_docs(native: Any) -> None:
    server = native(login_example(), "--health-path=/healthz", SESSION_KEY="k" * 32)
    server.wait()
    with server.client as client:
        assert client.get("/account").status_code == 401
        assert client.get("/%61ccount").status_code == 401
        wrong = {"name": "ann", "password": "wrong"}
        assert client.post("/login", json=wrong).status_code == 401
        right = {"name": "ann", "password": "correct horse"}
        answer = client.post("/login", json=right)
        assert answer.status_code == 204
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
        session = cookie.split(";")[0]
        answer = client.get("/account", headers={"cookie": session})
        assert (answer.status_code, answer.json()) == (200, {"name": "ann"})
        forged = session[:-1] + ("A" if session[-1] != "A" else "E")
        assert client.get("/account", headers={"cookie": forged}).status_code == 401
