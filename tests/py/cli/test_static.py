"""`inlay run --static`: files as Starlette's StaticFiles answers them, and better."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .conftest import Running, StartServer

pytestmark = pytest.mark.slow

APP = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles


async def other(request):
    return PlainTextResponse("the application: " + request.url.path)


app = Starlette(
    routes=[
        Mount("/theirs", StaticFiles(directory="web", html=True)),
        Route("/{path:path}", other, methods=["GET", "POST"]),
    ]
)
"""


def make_tree(folder: Path) -> Path:
    web = folder / "web"
    (web / "docs").mkdir(parents=True)
    (web / "a.txt").write_text("0123456789" * 10)
    (web / "empty.css").write_text("")
    (web / "page.html").write_text("<p>")
    (web / "big.bin").write_bytes(bytes(range(256)) * 1000)
    (web / "docs" / "index.html").write_text("<docs>")
    (web / "logo.svg").write_text("<svg/>")
    (web / "unknown.thing").write_text("?")
    (folder / "secret").write_text("SECRET")
    (web / "outside").symlink_to("../secret")
    (web / "up").symlink_to("..")
    (web / ".env").write_text("SECRET")
    return web


@pytest.fixture(scope="module")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    make_tree(folder)
    (folder / "main.py").write_text(APP)
    return folder


@pytest.fixture
def files(
    _tree: Path, inlay_run: StartServer, monkeypatch: pytest.MonkeyPatch
) -> Running:
    monkeypatch.chdir(_tree)
    return inlay_run("main:app", "--static", "/ours=web", app_dir=_tree)


CLIENT = httpx.Client()


def ask(files: Running, mount: str, path: str, **headers: str) -> httpx.Response:
    headers = {"accept-encoding": "identity", **headers}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return CLIENT.get(f"{files.url}/{mount}/{path}", headers=names)


SAME = ("content-type", "content-length", "content-range", "accept-ranges")


def test_like_starlette(files: Running) -> None:
    """The same status, bytes and headers for what browsers ask."""
    compared = 0
    for path in ("a.txt", "empty.css", "page.html", "big.bin", "logo.svg"):
        ours, theirs = ask(files, "ours", path), ask(files, "theirs", path)
        later = {"if_modified_since": ours.headers["last-modified"]}
        assert ours.headers["last-modified"] == theirs.headers["last-modified"]
        tries: list[dict[str, str]] = [
            {},
            later,
            {"if_modified_since": "Sun, 06 Nov 1994 08:49:37 GMT"},
            {"if_none_match": '"x"'},
            {"if_none_match": '"x"', **later},
            {"if_none_match": "*"},
        ]
        if path != "empty.css":
            tries += [
                {"range": "bytes=0-0"},
                {"range": "bytes=1-"},
                {"range": "bytes=-2"},
                {"range": "bytes=0-1,1-2"},
                {"range": "bytes=1-1000000"},
                {"range": "bytes=1-", "if_range": '"x"'},
                {"range": "bytes=1-", "if_range": ours.headers["last-modified"]},
            ]
        for headers in tries:
            ours = ask(files, "ours", path, **headers)
            theirs = ask(files, "theirs", path, **headers)
            assert ours.status_code == theirs.status_code, (path, headers)
            assert ours.content == theirs.content, (path, headers)
            if ours.status_code == 304:
                continue
            for name in SAME:
                expected = theirs.headers.get(name)
                assert ours.headers.get(name) == expected, (path, headers, name)
            compared += 1
        tags = {
            mount: ask(files, mount, path).headers["etag"]
            for mount in ("ours", "theirs")
        }
        for mount, tag in tags.items():
            assert ask(files, mount, path, if_none_match=tag).status_code == 304
            weak = ask(files, mount, path, if_none_match=f'"x", W/{tag}')
            assert weak.status_code == 304
            got = ask(files, mount, path, range="bytes=0-0", if_range=tag)
            assert got.status_code == (416 if path == "empty.css" else 206)
    assert compared > 40


def test_several_ranges(files: Running) -> None:
    body = bytes(range(256)) * 1000
    for mount in ("ours", "theirs"):
        got = ask(files, mount, "big.bin", range="bytes=0-9, 100000-119999,-5")
        assert got.status_code == 206
        kind, _, boundary = got.headers["content-type"].partition("; boundary=")
        assert kind == "multipart/byteranges"
        parts = got.content.split(b"--" + boundary.encode())
        assert len(parts) == 5 and parts[4].startswith(b"--")
        bodies = [part.partition(b"\r\n\r\n")[2][:-2] for part in parts[1:4]]
        assert bodies == [body[:10], body[100000:120000], body[-5:]]
        assert int(got.headers["content-length"]) == len(got.content)


def test_folders(files: Running) -> None:
    for mount in ("ours", "theirs"):
        got = ask(files, mount, "docs?x=1")
        assert got.status_code == 307
        joined = httpx.URL(files.url + f"/{mount}/docs").join(got.headers["location"])
        assert str(joined) == files.url + f"/{mount}/docs/?x=1"
        assert ask(files, mount, "docs/").text == "<docs>"


def test_what_is_no_file_is_the_application(files: Running) -> None:
    assert ask(files, "ours", "missing").text == "the application: /ours/missing"
    assert ask(files, "ours", "").text == "the application: /ours/"
    assert files.get("/elsewhere").text == "the application: /elsewhere"
    got = httpx.post(files.url + "/ours/missing", content=b"x")
    assert got.status_code == 200
    got = httpx.post(files.url + "/ours/a.txt", content=b"x")
    assert got.status_code == 405
    assert got.headers["allow"] == "GET, HEAD"


def test_head(files: Running) -> None:
    for mount in ("ours", "theirs"):
        got = httpx.head(f"{files.url}/{mount}/a.txt")
        assert got.status_code == 200
        assert got.headers["content-length"] == "100"
        assert got.content == b""


def raw(files: Running, target: str) -> bytes:
    """One request whose target nothing has tidied up."""
    with socket.create_connection(("127.0.0.1", files.port), 10) as connection:
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        data = b""
        while got := connection.recv(65536):
            data += got
        return data


ESCAPES = (
    "/ours/../secret",
    "/ours/%2e%2e/secret",
    "/ours/..%2fsecret",
    "/ours/%2e%2e%2fsecret",
    "/ours/docs/../../secret",
    "/ours/docs/%2e%2e/%2e%2e/secret",
    "/ours//etc/passwd",
    "/ours/%2fetc/passwd",
    "/ours/..%5csecret",
    "/ours/outside",
    "/ours/up/secret",
    "/ours/.env",
    "/ours/%2eenv",
    "/ours/a.txt%00",
    "/ours/%252e%252e/secret",
    "/ours/..;/secret",
    "/ours/....//secret",
    "/oursx/../secret",
    "/ours..%2fsecret",
    "http://x/ours/../secret",
)


def test_nothing_escapes(files: Running) -> None:
    for target in ESCAPES:
        answer = raw(files, target)
        assert b"SECRET" not in answer, target
        assert b"root:" not in answer, target
        assert b"the application:" in answer or b" 400 " in answer, target


def test_nothing_escapes_while_links_change(files: Running, _tree: Path) -> None:
    """A name that is a file, then a link out of the folder, and so on."""
    racing, other = _tree / "web" / "racing", _tree / "web" / "racing.new"
    inside, outside = b"0123456789" * 10, b"SECRET"
    racing.write_bytes(inside)
    seen: set[bytes] = set()
    with httpx.Client() as client:
        for turn in range(300):
            if turn % 2:
                other.symlink_to("../secret")
            else:
                other.write_bytes(inside)
            os.replace(other, racing)
            got = client.get(files.url + "/ours/racing")
            seen.add(got.content)
            assert outside not in got.content
    assert inside in seen and len(seen) == 2


def test_options(
    tmp_path: Path, inlay_run: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several mounts, an index of another name, max-age, compressed twins."""
    web = make_tree(tmp_path)
    (tmp_path / "main.py").write_text(APP)
    (web / "docs" / "home.htm").write_text("home")
    (web / "app.js").write_text("plain")
    (web / "app.js.gz").write_bytes(gzip.compress(b"plain"))
    monkeypatch.chdir(tmp_path)
    files = inlay_run(
        "main:app",
        "--static=/ours=web",
        "--static=/=" + str(web / "docs"),
        "--static-index=home.htm",
        "--static-max-age=3600",
    )
    assert files.get("/").text == "home"
    assert files.get("/index.html").text == "<docs>"
    assert files.get("/ours/docs/").text == "home"
    got = files.get("/ours/app.js", headers={"accept-encoding": "br, gzip"})
    assert got.text == "plain"
    assert got.headers["content-encoding"] == "gzip"
    assert got.headers["vary"] == "accept-encoding"
    assert got.headers["cache-control"] == "public, max-age=3600"
    plain = files.get("/ours/app.js", headers={"accept-encoding": "gzip;q=0"})
    assert plain.text == "plain"
    assert "content-encoding" not in plain.headers
    assert plain.headers["etag"] != got.headers["etag"]


def test_a_wrong_folder_is_told(inlay_run: StartServer, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP.replace('directory="web"', 'directory="."'))
    failed = inlay_run("main:app", "--static=/a=/nowhere/at/all", wait=False)
    assert failed.process.wait(20) != 0
    assert 'static: cannot open the folder "/nowhere/at/all"' in failed.log


def memory_of(pid: int) -> int:
    """Bytes of memory that the process has of its own."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    lines = [line.split() for line in text.splitlines()]
    return sum(int(line[1]) for line in lines if line[0] == "Anonymous:") << 10


@pytest.fixture
def huge(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "web").mkdir()
    path = tmp_path / "web" / "huge.bin"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    yield path
    path.unlink()


@pytest.mark.slow
def test_a_gigabyte_in_bounded_memory(
    huge: Path, tmp_path: Path, inlay_run: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    files = inlay_run("main:app", "--static=/ours=web")
    (worker,) = files.children()
    files.get("/elsewhere")
    before = memory_of(worker)
    request = b"GET /ours/huge.bin HTTP/1.1\r\nHost: x\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", files.port)) for _ in range(10)]
    for connection in slow:
        connection.sendall(request)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
    with socket.create_connection(("127.0.0.1", files.port), 30) as fast:
        fast.sendall(request)
        got, room = 0, memoryview(bytearray(1 << 20))
        while got < 1 << 30:
            count = fast.recv_into(room)
            assert count
            got += count
            if got % (1 << 26) < count:  # others are not kept waiting
                assert files.get("/elsewhere").status_code == 200
    assert memory_of(worker) - before < 4 << 20
    for connection in slow:
        connection.close()
