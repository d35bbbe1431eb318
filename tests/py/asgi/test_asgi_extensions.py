"""ASGI's extensions of HTTP: files, trailers, early hints, debug."""

from __future__ import annotations

import asyncio
import json
import socket
import time

APP = "asgi_extensions:app"
CONTENT = bytes(range(256)) * 4000


def exchange(ours, path, extra="", version="1.1", method="GET"):
    """All bytes of the answer."""
    request = (
        f"{method} {path} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n{extra}\r\n"
    )
    data = b""
    with ours.connect(request.encode()) as connection:
        while part := connection.recv(1 << 16):
            data += part
    return data


def seen(ours, name):
    return json.loads(ours.get("/seen/" + name).body)


def test_each_request_has_its_own(ours):
    for _ in range(2):
        assert ours.get("/ext").body == b"{}"


def test_what_is_not_offered_raises(ours):
    assert json.loads(ours.get("/unoffered").body) == ["RuntimeError"] * 3


# --- pathsend --------------------------------------------------------------


def test_path(ours):
    reply = ours.get("/path")
    assert reply.headers["content-length"] == str(len(CONTENT))
    assert reply.body == CONTENT
    assert seen(ours, "path") == ["ok", "ok"]


def test_path_without_a_length(ours):
    reply = ours.get("/unsized")
    assert reply.headers["content-length"] == str(len(CONTENT))
    assert reply.body == CONTENT


def test_path_of_an_empty_file(ours):
    reply = ours.get("/empty")
    assert (reply.headers["content-length"], reply.body) == ("0", b"")


def test_path_may_be_relative(ours):
    assert ours.get("/relative").body == CONTENT


def test_path_after_head(ours):
    client = ours.client()
    for _ in range(2):
        client.request("HEAD", "/path")
        reply = client.getresponse()
        assert reply.headers["content-length"] == str(len(CONTENT))
        assert reply.read() == b""
    client.close()


def test_paths_that_are_refused(ours):
    assert ours.get("/badpaths").body == b"end"
    assert seen(ours, "badpaths") == [
        "RuntimeError",
        "FileNotFoundError",
        "IsADirectoryError",
        "OSError",
        "ValueError",
        "RuntimeError",
        "RuntimeError",
        "TypeError",
        "TypeError",
        "KeyError",
    ]


def test_path_is_the_whole_body(ours):
    assert ours.get("/mixedpath").body == b"part"
    assert seen(ours, "mixedpath") == "RuntimeError"


# --- zerocopysend ----------------------------------------------------------


def test_parts_of_files(ours):
    assert ours.get("/copies").body == (
        CONTENT[10:35] + b"|" + CONTENT[100:103] + CONTENT[-2:] + b"end"
    )
    assert seen(ours, "copies") == 35


def test_parts_of_a_descriptor(ours):
    assert ours.get("/rawcopy").body == CONTENT[5:200005]
    assert seen(ours, "rawcopy") == [200005, "ok"]


def test_whole_file(ours):
    reply = ours.get("/whole")
    assert reply.body == CONTENT
    assert reply.headers["content-length"] == str(len(CONTENT))


def test_copies_that_are_refused(ours):
    assert ours.get("/badcopies").body == b"end"
    assert seen(ours, "badcopies") == [
        "RuntimeError",
        "ValueError",
        "TypeError",
        "ValueError",
        "ValueError",
        "TypeError",
        "RuntimeError",
        "RuntimeError",
        "KeyError",
        "ValueError",
    ]


def test_no_descriptor_stays_open(ours):
    paths = ("/path", "/copies", "/badpaths", "/badcopies", "/rawcopy")
    for path in paths:
        for method in ("GET", "HEAD"):
            ours.get(path, method)
            # A client that leaves in the middle.
            request = f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"
            ours.connect(request.encode()).close()
    for _ in range(100):
        if ours.get("/fds").body == b"[]":
            return
        time.sleep(0.05)
    raise AssertionError(ours.get("/fds").text)


# --- Trailers --------------------------------------------------------------


def test_trailers(ours):
    data = exchange(ours, "/trailers", "TE: deflate, Trailers\r\n")
    head, _, rest = data.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert b"trailer: x-sum, x-two" in head
    assert rest == b"3\r\nabc\r\n3\r\ndef\r\n0\r\nx-sum: 42\r\nx-two: 2\r\n\r\n"
    assert seen(ours, "trailers") == [
        "RuntimeError",
        "RuntimeError",
        "RuntimeError",
        "RuntimeError",
        "TypeError",
        "ok",
        "ok",
        "ok",
        "ok",
    ]


def test_trailers_for_who_does_not_want_them(ours):
    data = exchange(ours, "/trailers")
    assert data.endswith(b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
    assert seen(ours, "trailers")[1:] == ["ok"] * 8


def test_trailers_of_http_1_0(ours):
    data = exchange(ours, "/trailers", "TE: trailers\r\n", "1.0")
    assert data.endswith(b"\r\n\r\nabcdef")


def test_trailers_after_a_path(ours):
    data = exchange(ours, "/pathtrailers", "TE: trailers\r\n")
    assert data.endswith(b"\r\n0\r\nx-sum: 1\r\n\r\n")
    assert CONTENT in data
    assert exchange(ours, "/pathtrailers").endswith(b"\r\n\r\n" + CONTENT)


def test_trailers_that_do_not_come(ours):
    data = exchange(ours, "/notrailers", "TE: trailers\r\n")
    assert data.endswith(b"3\r\nabc\r\n")
    assert ours.wait_logged("returned without completing response")


def test_trailers_that_were_not_announced(ours):
    data = exchange(ours, "/undeclared", "TE: trailers\r\n")
    assert data.endswith(b"\r\n\r\nabc")
    assert seen(ours, "undeclared") == "ok"


# --- Early hints -----------------------------------------------------------


def test_early_hints(ours):
    data = exchange(ours, "/hints")
    first, second, head, _ = data.split(b"\r\n\r\n", 3)
    assert first.startswith(b"HTTP/1.1 103 ")
    assert b"link: </a.css>; rel=preload\r\nlink: </b.js>; rel=preload" in first
    assert second.startswith(b"HTTP/1.1 103 ")
    assert second.endswith(b"link: </c.png>; rel=preload")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"late" not in data
    assert seen(ours, "hints") == [
        "RuntimeError",
        "TypeError",
        "TypeError",
        "KeyError",
        "ok",
        "ok",
    ]


def test_no_hints_for_http_1_0(ours):
    data = exchange(ours, "/hints", version="1.0")
    assert data.startswith((b"HTTP/1.0 200 ", b"HTTP/1.1 200 "))
    assert b"103" not in data.partition(b"\r\n")[0]


# --- In this process -------------------------------------------------------


def run(application, request, **settings):
    """One answer of `application`, served in this process."""
    from inlay import _core

    async def main():
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            loop = asyncio.get_running_loop()
            server = _core.Server(
                application, [listener.fileno()], loop=loop, **settings
            )
            server.start()
            try:
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                writer.write(request)
                return await asyncio.wait_for(reader.read(), 10)
            finally:
                writer.close()
                while server.in_flight():
                    await asyncio.sleep(0.01)
                server.stop()

    return asyncio.run(main())


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_debug():
    infos, errors = [], []

    async def application(scope, receive, send):
        assert scope["extensions"]["http.response.debug"] == {}
        debug = {"type": "http.response.debug", "info": {"template": "a", "n": 1}}
        await send(debug)
        for wrong in ({"type": "http.response.debug"},):
            try:
                await send(wrong)
            except KeyError as error:
                errors.append(error.args)
        await send({"type": "http.response.start", "status": 200})
        try:
            await send(debug)
        except RuntimeError as error:
            errors.append(str(error))
        await send({"type": "http.response.body", "body": b"done"})

    data = run(application, REQUEST, debug=infos.append)
    assert data.endswith(b"done")
    assert infos == [{"template": "a", "n": 1}]
    assert errors[0] == ("info",)
    assert "http.response.body" in errors[1]


def test_debug_that_raises():
    async def application(scope, receive, send):
        await send({"type": "http.response.debug", "info": {}})

    def debug(info):
        raise LookupError("MARK debug")

    assert run(application, REQUEST, debug=debug).startswith(b"HTTP/1.1 500 ")


def test_debug_must_be_callable():
    from inlay import _core

    loop = asyncio.new_event_loop()
    try:
        _core.Server(test_debug, [], loop=loop, debug=7)
    except TypeError as error:
        assert "debug must be callable" in str(error)
    else:
        raise AssertionError
    finally:
        loop.close()


def test_start_after_a_failed_start():
    """No listening socket: the first start fails, the second says why."""
    from inlay import _core

    async def main():
        first, second = socket.socketpair()
        server = _core.Server(
            test_debug, [first.fileno()], loop=asyncio.get_running_loop()
        )
        first.close()
        second.close()
        errors = []
        for _ in range(2):
            try:
                server.start()
            except (OSError, RuntimeError) as error:
                errors.append(str(error))
        server.stop()
        return errors

    errors = asyncio.run(main())
    assert len(errors) == 2
    assert "stopped" in errors[1]
