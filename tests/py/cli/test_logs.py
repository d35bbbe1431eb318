"""The access log, --log-config, and what settings add to answers: by processes."""

from __future__ import annotations

import gzip
import importlib.util
import json
import logging
import re
import shutil
import socket
import subprocess
import sys

import pytest
from inlay import logs
from inlay.config import Config

pytestmark = pytest.mark.slow

APP = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    path = scope["path"]
    if scope["type"] == "websocket":
        await receive()
        if path == "/no":
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        await receive()
        return
    if path == "/wait":
        print("WAITING", flush=True)
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    kind = b"text/event-stream" if path == "/events" else b"text/plain"
    start = {"type": "http.response.start", "status": 200}
    headers = [(b"content-type", kind), (b"etag", b'"1"')]
    if path == "/headers":
        body = repr(scope["headers"]).encode()
    else:
        body = b"hello " * 1000
    await send({**start, "headers": headers})
    if path == "/file":
        await send({"type": "http.response.pathsend", "path": __file__})
        return
    if path == "/events":
        for _ in range(2):
            await send(
                {"type": "http.response.body", "body": b"data: x\\n\\n",
                 "more_body": True}
            )
            await asyncio.sleep(0 if _ else 60)
    await send({"type": "http.response.body", "body": body})
"""

UVICORN_CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "default": {
            "()": "uvicorn.logging.DefaultFormatter",
            "fmt": "ERR %(levelprefix)s %(message)s",
            "use_colors": None,
        },
        "access": {
            "()": "uvicorn.logging.AccessFormatter",
            "fmt": 'ACC %(client_addr)s - "%(request_line)s" %(status_code)s',
        },
    },
    "handlers": {
        "default": {
            "formatter": "default",
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
        },
        "access": {
            "formatter": "access",
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
        },
    },
    "loggers": {
        "uvicorn": {"handlers": ["default"], "level": "INFO", "propagate": False},
        "uvicorn.error": {"level": "INFO"},
        "uvicorn.access": {
            "handlers": ["access"],
            "level": "INFO",
            "propagate": False,
        },
    },
}

ROOT_INI = """
[loggers]
keys=root

[handlers]
keys=console

[formatters]
keys=plain

[logger_root]
level=INFO
handlers=console

[handler_console]
class=StreamHandler
formatter=plain
args=(sys.stdout,)

[formatter_plain]
format=<%(name)s> %(message)s
"""


def websocket(port, path):
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        return client.recv(4096)


def test_uvicorns_lines(inlay_run, write_app):
    server = inlay_run("app:app", app_dir=write_app(APP))
    server.get("/x?y=%20")
    server.wait_for_log(' - "GET /x?y=%20 HTTP/1.1" 200 OK')
    assert re.search(r'INFO:     127\.0\.0\.1:\d+ - "GET /x', server.log)
    assert websocket(server.port, "/yes?a=1").startswith(b"HTTP/1.1 101")
    server.wait_for_log(' - "WebSocket /yes?a=1" [accepted]\n')
    assert websocket(server.port, "/no").startswith(b"HTTP/1.1 403")
    server.wait_for_log(' - "WebSocket /no" 403\n')


def test_refused_and_given_up_requests_have_lines(inlay_run, write_app):
    server = inlay_run("app:app", app_dir=write_app(APP))
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(b"NONSENSE\r\n\r\n")
        client.recv(4096)
    server.wait_for_log(' - "-" 400 Bad Request\n')
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_log("WAITING")
    server.wait_for_log('"GET /wait HTTP/1.1" ')
    assert '"GET /wait HTTP/1.1" 200' not in server.log


def lines_of(server, mark):
    server.wait_for_log(mark)
    return [line for line in server.log.splitlines() if mark in line]


def test_json_lines(inlay_run, write_app):
    server = inlay_run(
        "app:app", "--access-log-format", "json", "--request-id",
        app_dir=write_app(APP),
    )  # fmt: skip
    server.get(
        "/x?y=1",
        headers={
            "user-agent": 'a"b',
            "x-request-id": "id-1",
            "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        },
    )
    (line,) = lines_of(server, '"kind"')
    entry = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
    assert entry.pop("duration_ms") >= entry.pop("queue_ms") > 0
    assert entry.pop("worker") in server.children()
    assert entry == {
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/x",
        "query": "y=1",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 6000,
        "request_id": "id-1",
        "trace_id": "a" * 32,
        "user_agent": 'a"b',
        "referer": None,
        "kind": "asgi",
        "route": None,
    }


def test_combined_lines(inlay_run, write_app):
    server = inlay_run(
        "app:app", "--access-log-format", "combined", app_dir=write_app(APP)
    )
    server.get("/x", headers={"user-agent": "me", "referer": "http://r/"})
    (line,) = lines_of(server, '"GET /x')
    assert re.fullmatch(
        r"127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
        r'"GET /x HTTP/1\.1" 200 6000 "http://r/" "me"',
        line,
    )


def test_a_format_of_ones_own(inlay_run, write_app):
    server = inlay_run(
        "app:app", "--access-log-format",
        "MINE %(h)s %(m)s %(s)s %({ETag}o)s %({user-agent}i)s %(D)s",
        app_dir=write_app(APP),
    )  # fmt: skip
    server.get("/x", headers={"user-agent": "me"})
    (line,) = lines_of(server, "MINE")
    assert re.fullmatch(r"MINE 127\.0\.0\.1 GET 200 \\x221\\x22 me \d+", line)


def test_a_wrong_format_is_an_error(inlay_run, write_app):
    server = inlay_run(
        "app:app", "--access-log-format", "%(nothing)s",
        app_dir=write_app(APP), wait=False,
    )  # fmt: skip
    assert server.process.wait(20) == 2
    assert "--access-log-format: there is no such name" in server.log
    assert "Waiting for application startup" not in server.log


def test_trace_shows_messages(inlay_run, write_app):
    server = inlay_run("app:app", "--log-level", "trace", app_dir=write_app(APP))
    server.get("/x")
    server.wait_for_log("ASGI [1] Completed")
    assert re.search(
        r"^TRACE:    127\.0\.0\.1:\d+ - ASGI \[1\] Started", server.log, re.M
    )
    assert "Send {'type': 'http.response.body', 'body': '<6000 bytes>'}" in server.log


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_a_config_made_for_uvicorn(inlay_run, write_app, tmp_path, kind):
    if kind == "yaml" and not importlib.util.find_spec("yaml"):
        pytest.skip("PyYAML is not installed")
    config = tmp_path / f"logs.{kind}"
    config.write_text(json.dumps(UVICORN_CONFIG))  # which is YAML too
    server = inlay_run("app:app", "--log-config", str(config), app_dir=write_app(APP))
    assert "ERR INFO:     Application startup complete." in server.log or (
        "ERR INFO:     Inlay running on" in server.log
    )
    server.get("/x?y=1")
    server.wait_for_log(' - "GET /x?y=1 HTTP/1.1" 200 OK')
    assert re.search(r'^ACC 127\.0\.0\.1:\d+ - "GET /x', server.log, re.M)
    assert "INFO:     127.0.0.1" not in server.log
    assert websocket(server.port, "/yes").startswith(b"HTTP/1.1 101")
    server.wait_for_log(' - "WebSocket /yes" [accepted]')
    assert re.search(r"^ERR INFO:     127\.0\.0\.1:\d+ - .WebSocket", server.log, re.M)


def test_a_config_of_the_root_alone(inlay_run, write_app, tmp_path):
    config = tmp_path / "logs.ini"
    config.write_text(ROOT_INI)
    server = inlay_run("app:app", "--log-config", str(config), app_dir=write_app(APP))
    assert "<inlay.error> Inlay running on" in server.log
    server.get("/x")
    server.wait_for_log("<inlay.access> 127.0.0.1:")
    assert '- "GET /x HTTP/1.1" 200\n' in server.log


def test_a_filter_of_the_application(inlay_run, write_app):
    server = inlay_run(
        "app:app",
        app_dir=write_app(
            "import logging\n"
            "logging.getLogger('uvicorn.access').addFilter(\n"
            "    lambda record: '/secret' not in record.getMessage())\n" + APP
        ),
    )
    server.get("/secret")
    server.get("/x")
    server.wait_for_log('"GET /x HTTP/1.1" 200 OK')
    assert "/secret" not in server.log


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("logs.json", "{", "Expecting property name"),
        ("logs.json", "[]", "no mapping"),
        ("logs.json", '{"version": 3}', "Unsupported version: 3"),
        ("logs.ini", "nonsense", "no section headers"),
        (
            "logs.json",
            '{"version": 1, "handlers": {"a": {"class": "no.Such"}}}',
            "Unable to configure handler 'a'",
        ),
    ],
)
def test_a_wrong_config_is_an_error(
    inlay_run, write_app, tmp_path, name, text, message
):
    config = tmp_path / name
    config.write_text(text)
    server = inlay_run(
        "app:app", "--log-config", str(config), app_dir=write_app(APP), wait=False
    )
    assert server.process.wait(20) == 2
    assert message in " ".join(server.log.split())
    assert "Traceback" not in server.log


@pytest.mark.parametrize("ours", [False, True], ids=["uvicorn", "stand-in"])
def test_lines_for_uvicorns_access_formatter(monkeypatch, capsys, ours):
    kind = logs if ours else pytest.importorskip("uvicorn.logging")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(kind.AccessFormatter("ACC %(client_addr)s %(request_line)s"))
    logger = logging.getLogger("uvicorn.access")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "level", logging.INFO)
    for name in ("json", "uvicorn"):
        config = Config("app:app", access_log_format=name)
        sink = logs.access(config)["access_sink"]
        sink("c:1\tGET\t/x\t1.1\t200\n" if name == "uvicorn" else '{"a": 1}\n')
    out, err = capsys.readouterr()
    assert out == '{"a": 1}\nACC c:1 GET /x HTTP/1.1\n'
    assert err == ""


def test_a_config_made_for_uvicorn_with_another_format(inlay_run, write_app, tmp_path):
    config = tmp_path / "logs.json"
    config.write_text(json.dumps(UVICORN_CONFIG))
    server = inlay_run(
        "app:app", "--log-config", str(config), "--access-log-format", "%(m)s %(U)s!",
        app_dir=write_app(APP),
    )  # fmt: skip
    server.get("/x")
    server.wait_for_log("\nGET /x!\n")
    assert "Logging error" not in server.log


def test_applications_that_write_to_uvicorns_loggers(inlay_run, write_app):
    server = inlay_run(
        "app:app",
        app_dir=write_app(
            "import logging\n"
            "logging.getLogger('uvicorn.error').info('imported')\n"
            "logging.getLogger('uvicorn').debug('not seen')\n" + APP
        ),
    )
    assert "INFO:     imported\n" in server.log
    assert "not seen" not in server.log
    server.get("/x")
    server.wait_for_log('"GET /x HTTP/1.1" 200 OK')
    assert server.log.count("GET /x") == 1


def test_loggers_of_uvicorn_that_have_been_configured(monkeypatch):
    logger = logging.getLogger("uvicorn")
    config = Config("app:app")
    monkeypatch.setattr(logging.getLogger("inlay"), "handlers", [])
    logs.configure(config)
    logs.configure(config)
    assert len(logger.handlers) == 1
    logs._release()
    logger.setLevel(logging.ERROR)
    try:
        logs.configure(config)
        assert (logger.handlers, logger.level) == ([], logging.ERROR)
    finally:
        logger.setLevel(logging.NOTSET)


def test_uvicorns_formatters_stand_in(monkeypatch):
    settings = {"formatters": {"a": {"()": "uvicorn.logging.AccessFormatter"}}}
    monkeypatch.setattr(logs.importlib.util, "find_spec", lambda name: None)
    assert logs._own(settings) == {
        "formatters": {"a": {"()": "inlay.logs.AccessFormatter"}}
    }


def test_answers_are_compressed(inlay_run, write_app):
    server = inlay_run(
        "app:app", "--compress", "zstd", "--compress", "br", "--compress", "gzip",
        app_dir=write_app(APP),
    )  # fmt: skip

    def raw(coding):
        with httpx_stream(server, coding) as response:
            return response.headers, b"".join(response.iter_raw())

    headers, body = raw("gzip")
    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "Accept-Encoding"
    assert headers["etag"] == 'W/"1"'
    assert int(headers["content-length"]) == len(body)
    assert gzip.decompress(body) == b"hello " * 1000
    headers, body = raw("identity")
    assert "content-encoding" not in headers
    assert headers["etag"] == '"1"'
    assert body == b"hello " * 1000
    headers, body = raw("gzip, br, zstd")
    assert headers["content-encoding"] == "zstd"
    if shutil.which("zstd"):
        plain = subprocess.run(
            ["zstd", "-dc"], input=body, capture_output=True, check=True
        )
        assert plain.stdout == b"hello " * 1000
    assert raw("br")[0]["content-encoding"] == "br"
    file = server.get("/file")
    assert file.text == APP
    assert "content-encoding" not in file.headers


def httpx_stream(server, coding):
    import httpx

    return httpx.stream(
        "GET", server.url + "/", headers={"accept-encoding": coding}, timeout=10
    )


def test_events_are_not_held_back(inlay_run, write_app):
    """The second event comes a minute later: the first is read before it."""
    import zlib

    server = inlay_run(
        "app:app", "--compress", "gzip", "--timeout-graceful-shutdown", "0",
        app_dir=write_app(APP),
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(
            b"GET /events HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"
        )
        data = b""
        while not data.partition(b"\r\n\r\n")[2].endswith(b"\r\n"):
            data += client.recv(4096)
        head, _, chunks = data.partition(b"\r\n\r\n")
        assert b"content-encoding: gzip" in head
        size, _, rest = chunks.partition(b"\r\n")
        decoder = zlib.decompressobj(wbits=31)
        assert decoder.decompress(rest[: int(size, 16)]) == b"data: x\n\n"


def test_what_settings_add(inlay_run, write_app):
    server = inlay_run(
        "app:app", "--request-id", "--server-timing", "--health-path", "/health",
        "--header", "X-One: 1", "--header", "X-Two:2",
        app_dir=write_app(APP),
    )  # fmt: skip
    answer = server.get("/headers")
    made = answer.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert f"(b'x-request-id', b'{made}')" in answer.text
    assert answer.headers["x-one"] == "1"
    assert answer.headers["x-two"] == "2"
    assert re.fullmatch(
        r"queue;dur=\d+\.\d{3}, app;dur=\d+\.\d{3}", answer.headers["server-timing"]
    )
    given = server.get("/headers", headers={"x-request-id": "mine"})
    assert given.headers["x-request-id"] == "mine"
    assert "(b'x-request-id', b'mine')" in given.text
    health = server.get("/health")
    assert health.json() == {"status": "ok"}
    assert health.headers["x-one"] == "1"
    server.get("/last")
    server.wait_for_log("/last")
    assert "/health" not in server.log
