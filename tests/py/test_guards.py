"""Guards can't be got round: a test per trick, against everything that serves.

guarded/guarded.c has the guards and native routes, guarded/app.py the FastAPI
application, sub-applications, Starlette's files and WebSockets; files are
served by --static, too. Whoever has no key never sees the word SECRET.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import UnixServer

GUARDED = Path(__file__).parent / "guarded"
KEY = b"x-key: open sesame\r\n"
BOTH = KEY + b"x-second: open sesame\r\n"


class Server(UnixServer):
    """Raw bytes in, raw bytes out."""

    def __init__(self, folder: Path, *options: str) -> None:
        files = folder / "files"
        for name in ("private/a.txt", "admin/b.txt"):
            path = files / name
            path.parent.mkdir(parents=True)
            path.write_text("SECRET file")
        (files / "open.txt").write_text("open file")
        super().__init__(
            folder,
            "app:app",
            *("--app-dir", str(GUARDED), "--static", f"/files={files}", *options),
            GUARDED_FILES=str(files),
        )

    def raw(self, data: bytes, end: bytes | None = None) -> bytes:
        """All that comes back until the server closes, or says `end`."""
        reply = b""
        with self.connect() as connection:
            connection.sendall(data)
            while part := connection.recv(65536):
                reply += part
                if end is not None and end in reply:
                    break
        return reply

    def ask(
        self,
        target: bytes,
        more: bytes = b"",
        method: bytes = b"GET",
        version: bytes = b"1.1",
        body: bytes = b"",
    ) -> bytes:
        head = b"%s %s HTTP/%s\r\nhost: x\r\nconnection: close\r\n%s" % (
            method,
            target,
            version,
            more,
        )
        if body:
            head += b"content-length: %d\r\n" % len(body)
        return self.raw(head + b"\r\n" + body)

    def upgrade(self, target: bytes, more: bytes = b"") -> bytes:
        key = base64.b64encode(b"0123456789abcdef")
        return self.raw(
            b"GET %s HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n"
            b"upgrade: websocket\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-key: %s\r\n%s\r\n" % (target, key, more),
            end=b"SECRET ws",
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("guarded")) as made:
        yield made


@pytest.fixture(scope="module")
def rooted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("rooted")
    with Server(folder, "--root-path", "/api") as made:
        yield made


def status(reply: bytes) -> int:
    assert reply.startswith(b"HTTP/1."), reply
    return int(reply.split(b" ", 2)[1])


TARGETS = [
    b"/admin/native",
    b"/admin",
    b"/exact",
    b"/admin/app",
    b"/admin/items/1",
    b"/admin/sub/deep",
    b"/admin/b.txt",
    b"/files/private/a.txt",
]

#  How a client may write a path so that somebody behind still finds it.
TRICKS = {
    "as it is": lambda p: [p],
    "encoded slashes": lambda p: [
        p[:1] + p[1:].replace(b"/", b"%2F"),
        p[:1] + p[1:].replace(b"/", b"%2f"),
        b"/%2f" + p[1:],
        p + b"%2f",
        b"/x%2f..%2f" + p[1:],
    ],
    "encoded letters": lambda p: [
        b"/%%%02x%s" % (p[1], p[2:]),
        b"/" + b"".join(b"%%%02X" % c for c in p[1:]),
    ],
    "dot segments": lambda p: [
        b"/." + p,
        b"/.." + p,
        b"/x/.." + p,
        b"/public/../" + p[1:],
        b"/x/y/../.." + p,
        p.replace(b"/", b"/./"),
        p.replace(b"/", b"/z/../"),
        p + b"/.",
        p + b"/x/..",
        p + b"/..",
    ],
    "encoded dots": lambda p: [
        b"/%2e" + p,
        b"/%2e%2e" + p,
        b"/x/%2E%2E" + p,
        b"/x/.%2e" + p,
        b"/x%2f%2e%2e" + p,
        p + b"/%2e",
    ],
    "case": lambda p: [p.upper(), p.title(), p[:1] + p[1:2].upper() + p[2:]],
    "double slashes": lambda p: [
        b"/" + p,
        b"//" + p,
        p.replace(b"/", b"//"),
        p + b"//",
    ],
    "slash at the end": lambda p: [p + b"/"],
    "trailing dot": lambda p: [p + b".", p + b"..", p + b"%2e", p + b"./"],
    "trailing blank": lambda p: [p + b"%20", p + b"%09", p + b"+"],
    # Python's "$" matches before a newline at the end.
    "trailing newline": lambda p: [p + b"%0a", p + b"%0d", p + b"%0d%0a"],
    "NUL": lambda p: [p + b"%00", p + b"%00.txt", b"/%00" + p, p[:2] + b"%00" + p[2:]],
    "overlong UTF-8": lambda p: [
        p[:1] + p[1:].replace(b"/", b"%c0%af"),
        b"/%c0%ae%c0%ae" + p,
        b"/x/%e0%80%ae%e0%80%ae" + p,
        b"%c0%af" + p,
        b"/x%c0%af.." + p,
    ],
    "wide characters": lambda p: [
        p[:1] + p[1:].replace(b"/", b"%ef%bc%8f"),
        b"/x/%ef%bc%8e%ef%bc%8e" + p,
    ],
    "bytes that are no UTF-8": lambda p: [b"/%ff" + p, p + b"%ff", p + b"/%ff"],
    "path parameters": lambda p: [
        p + b";a=b",
        p.replace(b"/", b"/;/"),
        b"/x/..;" + p,
        b"/x/..;a=b" + p,
        p[:1] + p[1:].replace(b"/", b";x/"),
    ],
    "query in the path": lambda p: [
        p + b"?",
        p + b"?/../public",
        p + b"%3f",
        p + b"?a=/public",
    ],
    "fragment": lambda p: [p + b"#", p + b"%23", p + b"#/public"],
    "backslashes": lambda p: [
        p.replace(b"/", b"\\"),
        b"/" + p[1:].replace(b"/", b"\\"),
        b"/x\\.." + p,
        b"/x/..%5c" + p[1:],
        b"/" + p[1:].replace(b"/", b"%5C"),
    ],
    "double encoding": lambda p: [
        p[:1] + p[1:].replace(b"/", b"%252f"),
        b"/%25%32%65%25%32%65" + p,
        b"/%%25%02x%s" % (p[1], p[2:]),
        b"/x/%252e%252e" + p,
        b"/%%2525%02x%s" % (p[1], p[2:]),
    ],
    "a broken percent": lambda p: [p + b"%", p + b"%2", b"/%" + p, b"/%zz" + p],
    "absolute form": lambda p: [
        b"http://x" + p,
        b"http://x/" + p,
        b"HTTP://x" + p,
        b"https://x" + p,
        b"http://x@y" + p,
        b"http://x:80/x/.." + p,
    ],
    "another host's": lambda p: [b"//x" + p, b"//x@y" + p],
}

METHODS = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"]


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks(server: Server, trick: str) -> None:
    for target in TARGETS:
        for path in TRICKS[trick](target):
            reply = server.ask(path)
            assert b"SECRET" not in reply, path
            # Those that have the key are let in by this spelling.
            if b"SECRET" in server.ask(path, KEY):
                assert status(reply) == 401, (path, reply)
                for method in (b"HEAD", b"OPTIONS"):
                    assert status(server.ask(path, method=method)) == 401, path


def test_some_tricks_are_needed(server: Server) -> None:
    """With the key they lead to the secret: the tests above could fail."""
    for path in (
        b"/admin%2Fnative",
        b"/%61dmin/native",
        b"/x/../admin/b.txt",
        b"//admin/b.txt",
        b"/admin%0a",
        b"/admin/items/../x",
        b"http://x/admin/native",
        b"/admin/app%0a",
    ):
        reply = server.ask(path, KEY)
        if path == b"/admin%0a":  # it is a native route, which knows better
            assert b"SECRET" not in reply
        else:
            assert b"SECRET" in reply, path
        assert status(server.ask(path)) == 401, path


@pytest.mark.parametrize("target", TARGETS)
def test_the_key_opens(server: Server, target: bytes) -> None:
    assert b"SECRET" in server.ask(target, KEY)
    reply = server.ask(target)
    assert status(reply) == 401
    head = reply.lower()
    assert b'www-authenticate: key realm="admin"\r\n' in head
    assert b"x-guard: plain\r\n" in head
    assert reply.endswith(b'{"detail":"no key"}')
    assert status(server.ask(target, b"x-key: open sesam\r\n")) == 401
    assert status(server.ask(target, b"x-key: Open Sesame\r\n")) == 401


@pytest.mark.parametrize("method", METHODS)
def test_methods(server: Server, method: bytes) -> None:
    """A path that is guarded is guarded for all of them: 405s and 404s too."""
    for target in (*TARGETS, b"/admin/nothing", b"/admin/"):
        reply = server.ask(target, method=method)
        assert b"SECRET" not in reply
        assert status(reply) in (401, 501), (method, target)


def test_a_method_that_nobody_knows(server: Server) -> None:
    for method in (b"get", b"BREW", b"GETX", b"G", b"CONNECT", b"PRI"):
        reply = server.ask(b"/admin/native", method=method)
        assert b"SECRET" not in reply
        assert status(reply) >= 400


@pytest.mark.parametrize(
    "header",
    [
        b"x-http-method-override: GET\r\n",
        b"x-http-method: GET\r\n",
        b"x-method-override: PUT\r\n",
        b"x-original-url: /public\r\n",
        b"x-rewrite-url: /public\r\n",
        b"x-forwarded-prefix: /public\r\n",
        b"x-forwarded-prefix: /admin\r\n",
        b"x-forwarded-for: 127.0.0.1\r\n",
        b"x-script-name: /admin\r\n",
        b"x-forwarded-path: /public\r\n",
        b"x-forwarded-host: x/../public\r\n",
        b"x-key:\r\n",
        b"x-key: \r\nx-key: nothing\r\n",
        b"x_key: open sesame\r\n",
        b"connection: x-key\r\n",
        b"expect: 100-continue\r\n",
    ],
)
def test_headers_that_speak_of_other_paths(server: Server, header: bytes) -> None:
    for method in (b"GET", b"POST"):
        for target in TARGETS:
            reply = server.ask(target, header, method=method)
            assert b"SECRET" not in reply
            assert status(reply) == 401, (target, reply)


def test_a_header_that_leads_to_what_is_guarded(server: Server) -> None:
    for header in (b"x-original-url", b"x-rewrite-url", b"x-forwarded-prefix"):
        for target in TARGETS:
            reply = server.ask(b"/public", b"%s: %s\r\n" % (header, target))
            assert b"SECRET" not in reply


def test_a_trusted_prefix(server: Server) -> None:
    """Unix sockets are trusted: a proxy's prefix stands before the path."""
    for target in (b"/native", b"/app", b"/sub/deep", b"/b.txt", b"/"):
        reply = server.ask(target, b"x-forwarded-prefix: /admin\r\n")
        assert b"SECRET" not in reply, target
    for prefix in (b"/x", b"/x/", b"/admin", b"/%61dmin"):
        for target in TARGETS:
            reply = server.ask(target, b"x-forwarded-prefix: %s\r\n" % prefix)
            assert b"SECRET" not in reply, (prefix, target)


def test_http_1_0(server: Server) -> None:
    for target in TARGETS:
        for data in (
            b"GET %s HTTP/1.0\r\n\r\n" % target,
            b"GET %s HTTP/1.0\r\nhost: x\r\n\r\n" % target,
            b"GET  %s HTTP/1.0\r\n\r\n" % target,
            b"GET %s HTTP/0.9\r\n\r\n" % target,
            b"GET %s\r\n\r\n" % target,
            b"GET %s HTTP/2.0\r\n\r\n" % target,
        ):
            assert b"SECRET" not in server.raw(data)
        assert status(server.ask(target, version=b"1.0")) == 401
        assert b"SECRET" in server.ask(target, KEY, version=b"1.0")


def test_pipelining(server: Server) -> None:
    """Nobody gets in behind one who has the key."""
    for target in TARGETS:
        one = b"GET %s HTTP/1.1\r\nhost: x\r\n%s\r\n"
        last = b"GET %s HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % target
        reply = server.raw(
            one % (target, KEY)
            + one % (target, b"")
            + one % (b"/public", b"")
            + one % (target, KEY)
            + last
        )
        statuses = [
            int(part[:3])
            for part in reply.split(b"HTTP/1.1 ")[1:]
            if part[:3].isdigit()
        ]
        assert statuses == [200, 401, 200, 200, 401], target
        assert reply.count(b"SECRET") == 2


def test_a_body_that_is_a_request(server: Server) -> None:
    inner = b"GET /admin/native HTTP/1.1\r\nhost: x\r\n\r\n"
    for data in (
        b"POST /public HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n"
        b"connection: close\r\n\r\n%s" % (len(inner), inner),
        b"POST /admin/upload HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s"
        % (len(inner), inner)
        + b"GET /public HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"POST /public HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
        b"content-length: 4\r\nconnection: close\r\n\r\n0\r\n\r\n%s" % inner,
    ):
        assert b"SECRET" not in server.raw(data)


def test_an_upgrade(server: Server) -> None:
    for prefix in (b"/admin", b"/slow"):
        target = prefix + b"/ws"
        keyed = server.upgrade(target, KEY)
        assert status(keyed) == 101
        assert b"SECRET ws" in keyed
        for paths in TRICKS.values():
            for path in paths(target):
                reply = server.upgrade(path)
                assert b"SECRET" not in reply, path
                assert status(reply) != 101, path
        assert status(server.upgrade(target)) in (401, 403)


def test_an_upgrade_that_is_none(server: Server) -> None:
    for target in TARGETS:
        for more in (
            b"connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAAA\r\n",
            b"connection: upgrade\r\nupgrade: websocket\r\n",
            b"connection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 8\r\n",
        ):
            reply = server.raw(
                b"GET %s HTTP/1.1\r\nhost: x\r\n%s\r\n" % (target, more)
                + b"GET /public HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            )
            assert b"SECRET" not in reply


def test_root_path(rooted: Server) -> None:
    """With and without it, and twice."""
    for target in (b"/admin/native", b"/admin/items/1", b"/admin/b.txt"):
        for path in (target, b"/api" + target, b"/api/api" + target):
            assert b"SECRET" not in rooted.ask(path), path
            for trick in TRICKS.values():
                for spelling in trick(path):
                    assert b"SECRET" not in rooted.ask(spelling), spelling
    assert b"SECRET" in rooted.ask(b"/api/admin/native", KEY)
    assert b"SECRET" in rooted.ask(b"/admin/app", KEY)


def test_sub_applications(server: Server) -> None:
    assert b"SECRET" in server.ask(b"/nested/x/deep")  # no guard is for it
    for path in (b"/admin/sub/deep", b"/admin/sub//deep", b"/admin/sub"):
        assert status(server.ask(path)) == 401


# --- Guards that wait ---------------------------------------------------------


def test_slow_guards(server: Server) -> None:
    for target in (b"/slow/native", b"/slow/app"):
        assert b"SECRET" in server.ask(target, KEY)
        reply = server.ask(target)
        assert status(reply) == 403
        assert reply.endswith(b'{"detail":"no key, after a while"}')


def test_slow_guards_and_tricks(server: Server) -> None:
    for target in (b"/slow/native", b"/slow/app"):
        for paths in TRICKS.values():
            for path in paths(target):
                assert b"SECRET" not in server.ask(path), path


def test_all_guards_are_asked(server: Server) -> None:
    target = b"/slow/twice/native"
    assert b"SECRET" in server.ask(target, BOTH)
    assert b"no second key" in server.ask(target, KEY)
    assert b"no key, after" in server.ask(target, b"x-second: open sesame\r\n")
    assert status(server.ask(target)) == 403
    # Nobody passes the others by.
    for more in (KEY, BOTH):
        reply = server.ask(target, more + b"x-next: 1\r\n")
        assert status(reply) == 500
        assert b"SECRET" not in reply


@pytest.mark.parametrize("prefix", [b"/admin", b"/slow"])
def test_bodies_wait(server: Server, prefix: bytes) -> None:
    """Of a guarded request they reach who is behind it, whole, or nobody."""
    note = b'{"text":"' + b"x" * 1000 + b'"}'
    json = b"content-type: application/json\r\n"
    assert b"SECRET xxx" in server.ask(
        prefix + b"/notes", KEY + json, b"POST", body=note
    )
    assert b"SECRET" not in server.ask(prefix + b"/notes", json, b"POST", body=note)
    for size in (1, 70_000, 700_000):
        body = os.urandom(size)
        reply = server.ask(prefix + b"/upload", KEY, b"POST", body=body)
        assert reply.endswith(b"SECRET %d" % size)
        with server.connect() as connection:
            connection.sendall(
                b"POST %s/upload HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                b"transfer-encoding: chunked\r\n%s\r\n" % (prefix, KEY)
            )
            for at in range(0, size, 9000):
                part = body[at : at + 9000]
                connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            connection.sendall(b"0\r\n\r\n")
            reply = b""
            while part := connection.recv(65536):
                reply += part
        assert reply.endswith(b"SECRET %d" % size)


def test_a_client_that_leaves_a_slow_guard(server: Server) -> None:
    for _ in range(50):
        with server.connect() as connection:
            connection.sendall(b"GET /slow/app HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"SECRET" in server.ask(b"/slow/app", KEY)


# --- Guards that fail, and hooks ----------------------------------------------


def test_a_guards_fault_is_no_pass(server: Server) -> None:
    assert b"SECRET" in server.ask(b"/looked/native")
    reply = server.ask(b"/looked/native", b"x-fault: 1\r\n")
    assert status(reply) == 500
    assert b"SECRET" not in reply
    assert b"own fault" not in reply  # it is in the log
    server.wait_logged("a guard's own fault")


def test_a_guard_that_sends_away(server: Server) -> None:
    reply = server.ask(b"/looked/native", b"x-away: 1\r\n")
    assert status(reply) == 303
    assert b"location: /login\r\n" in reply.lower()
    assert b"SECRET" not in reply


@pytest.mark.parametrize(
    ("target", "more", "code"),
    [
        (b"/public", b"", 200),
        (b"/admin/app", KEY, 200),
        (b"/admin/native", b"", 401),
        (b"/files/open.txt", b"", 200),
        (b"/nothing", b"", 404),
        (b"/slow/native", b"", 403),
    ],
)
def test_hooks(server: Server, target: bytes, more: bytes, code: int) -> None:
    reply = server.ask(target, more)
    assert status(reply) == code
    assert b"x-stamp: %d %s\r\n" % (code, target) in reply
    # One that has failed: nobody knows what its answer lacks.
    reply = server.ask(target, more + b"x-break: 1\r\n")
    assert status(reply) == 500
    assert reply.endswith(b'\r\n\r\n{"detail":"Internal Server Error"}')
    head = server.ask(target, more + b"x-break: 1\r\n", method=b"HEAD")
    assert status(head) == 500
    assert head.endswith(b"\r\n\r\n")


def test_hooks_of_upgrades(server: Server) -> None:
    assert b"x-stamp: 101 /admin/ws\r\n" in server.upgrade(b"/admin/ws", KEY)
    broken = server.upgrade(b"/admin/ws", KEY + b"x-break: 1\r\n")
    assert b"SECRET" not in broken


# --- Guards that are not there -------------------------------------------------


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("static int guard(void) { return 1; }", "guard returns int"),
        ("static void guard(int x) { (void)x }", "error:"),
        ("static void guard(void *v) { (void)v; }", "guard can't be called"),
        (
            "static void guard(inlay_socket *s) { (void)s; }",
            "parameter s of guard is a WebSocket",
        ),
        (
            "struct x { void *v; };\nstatic void guard(struct x x) { (void)x; }",
            "void pointers have no Python form",
        ),
    ],
)
def test_a_guard_that_cannot_be_asked_stops_the_start(
    tmp_path: Path, source: str, why: str
) -> None:
    """Also when the application would go on without its module."""
    (tmp_path / "broken.c").write_text(
        f'#include <inlay.h>\n{source}\nINLAY_BEFORE("/admin/*", guard);\n'
    )
    (tmp_path / "careless.py").write_text(
        "try:\n    import broken\nexcept ImportError:\n    pass\n"
        "async def app(scope, receive, send):\n    raise SystemExit\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "inlay", "run", "careless:app"),
            *("--app-dir", str(tmp_path), "--uds", str(tmp_path / "socket")),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert why in done.stderr + done.stdout
