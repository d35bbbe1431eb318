"""ASGI's extensions, used by a raw application: each path shows one thing."""

import contextlib
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from asgi_raw import SEEN, attempt, body, text
from asgi_raw import App as Raw

FOLDER = TemporaryDirectory()
FILE = Path(FOLDER.name, "file")
FILE.write_bytes(bytes(range(256)) * 4000)  # 1,024,000 bytes
SIZE = FILE.stat().st_size
EMPTY = Path(FOLDER.name, "empty")
EMPTY.touch()
os.mkfifo(Path(FOLDER.name, "fifo"))


def pathsend(send, path=FILE):
    return send({"type": "http.response.pathsend", "path": str(path)})


def copy(send, file, **keys):
    return send({"type": "http.response.zerocopysend", "file": file, **keys})


def trailers(send, *headers, **keys):
    return send({"type": "http.response.trailers", "headers": list(headers), **keys})


def hint(send, *links):
    return send({"type": "http.response.early_hint", "links": links})


def begin(send, headers=(), **keys):
    return send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": list(headers),
            **keys,
        }
    )


class App(Raw):
    async def get_path(self, scope, receive, send):
        await begin(send, [(b"content-length", b"%d" % SIZE)])
        await pathsend(send)
        SEEN["path"] = [await attempt(body(send)), await attempt(pathsend(send))]

    async def get_unsized(self, scope, receive, send):
        await begin(send)
        await pathsend(send)

    async def get_empty(self, scope, receive, send):
        await begin(send)
        await pathsend(send, EMPTY)

    async def get_relative(self, scope, receive, send):
        await begin(send)
        os.chdir(FOLDER.name)
        await pathsend(send, "file")

    async def get_badpaths(self, scope, receive, send):
        seen = [await attempt(pathsend(send))]
        await begin(send, [(b"content-length", b"3")])
        for path in ("/nowhere/at/all", FOLDER.name, f"{FOLDER.name}/fifo", "\0"):
            seen.append(await attempt(pathsend(send, path)))
        seen.append(await attempt(pathsend(send)))  # longer than announced
        seen.append(await attempt(pathsend(send, EMPTY)))  # shorter
        for path in (None, 7):
            message = {"type": "http.response.pathsend", "path": path}
            seen.append(await attempt(send(message)))
        seen.append(await attempt(send({"type": "http.response.pathsend"})))
        SEEN["badpaths"] = seen
        await body(send, b"end")

    async def get_mixedpath(self, scope, receive, send):
        await begin(send)
        await body(send, b"part", True)
        SEEN["mixedpath"] = await attempt(pathsend(send))
        await body(send)

    async def get_copies(self, scope, receive, send):
        """Parts of bytes and of files, with offsets and without."""
        await begin(send)
        with FILE.open("rb") as file:
            file.seek(10)
            await copy(send, file, count=20, more_body=True)  # 10..30
            await copy(send, file, count=5, more_body=True)  # 30..35
            at = file.tell()
            await body(send, b"|", True)
            await copy(send, file.fileno(), offset=100, count=3, more_body=True)
            await copy(send, file, offset=SIZE - 2, more_body=True)
            await copy(send, file, offset=SIZE + 5, more_body=True)
            await copy(send, file, count=0, more_body=True)
        SEEN["copies"] = at
        await body(send, b"end")

    async def get_rawcopy(self, scope, receive, send):
        fd = os.open(FILE, os.O_RDONLY)
        try:
            await begin(send, [(b"content-length", b"200000")])
            os.lseek(fd, 5, os.SEEK_SET)
            await copy(send, fd, count=100000, more_body=True)
            await copy(send, fd, count=100000)
            at = os.lseek(fd, 0, os.SEEK_CUR)
            SEEN["rawcopy"] = [at, await attempt(copy(send, fd))]
        finally:
            os.close(fd)

    async def get_whole(self, scope, receive, send):
        await begin(send)
        with FILE.open("rb") as file:
            await copy(send, file)

    async def get_badcopies(self, scope, receive, send):
        first, second = os.pipe()
        with FILE.open("rb") as file:
            seen = [await attempt(copy(send, file))]
            await begin(send, [(b"content-length", b"3")])
            seen += [
                await attempt(copy(send, first)),
                await attempt(copy(send, "file")),
                await attempt(copy(send, file, offset=-1)),
                await attempt(copy(send, file, count=-1)),
                await attempt(copy(send, file, count="1")),
                await attempt(copy(send, file, count=4)),
                await attempt(copy(send, file, count=2)),
                await attempt(send({"type": "http.response.zerocopysend"})),
            ]
        os.close(first)
        os.close(second)
        SEEN["badcopies"] = [*seen, await attempt(copy(send, file, count=3))]
        await body(send, b"end")

    async def get_fds(self, scope, receive, send):
        """Which files of ours are open?"""
        links = []
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                links.append(os.readlink("/proc/self/fd/" + name))
        links = [link for link in links if link.startswith(FOLDER.name)]
        await text(send, json.dumps(links))

    async def get_trailers(self, scope, receive, send):
        await begin(send, [(b"trailer", b"x-sum, x-two")], trailers=True)
        await body(send, b"abc", True)
        early = await attempt(trailers(send))
        await body(send, b"def")
        SEEN["trailers"] = [
            early,
            await attempt(body(send, b"more")),
            await attempt(trailers(send, (b"content-length", b"1"))),
            await attempt(trailers(send, (b"x", b"a\r\nb"))),
            await attempt(trailers(send, ("x", "y"))),
            await attempt(trailers(send, (b"X-Sum", b"42"), more_trailers=True)),
            await attempt(trailers(send, (b"x-two", b"2"))),
            await attempt(trailers(send, (b"late", b"1"))),
            await attempt(body(send, b"late")),
        ]

    async def get_pathtrailers(self, scope, receive, send):
        await begin(send, trailers=True)
        await pathsend(send)
        await trailers(send, (b"x-sum", b"1"))

    async def get_notrailers(self, scope, receive, send):
        """Announced and never sent."""
        await begin(send, trailers=True)
        await body(send, b"abc")

    async def get_undeclared(self, scope, receive, send):
        await begin(send)
        await body(send, b"abc")
        SEEN["undeclared"] = await attempt(trailers(send, (b"x", b"1")))

    async def get_hints(self, scope, receive, send):
        await hint(send, b"</a.css>; rel=preload", b"</b.js>; rel=preload")
        await begin(send)
        await hint(send, b"</c.png>; rel=preload")
        await hint(send)
        bad = [
            await attempt(hint(send, b"a\r\nb")),
            await attempt(hint(send, "text")),
            await attempt(send({"type": "http.response.early_hint", "links": 1})),
            await attempt(send({"type": "http.response.early_hint"})),
        ]
        await body(send, b"x", True)
        bad.append(await attempt(hint(send, b"</late>; rel=preload")))
        await body(send, b"y")
        bad.append(await attempt(hint(send, b"</late>; rel=preload")))
        SEEN["hints"] = bad

    async def get_unoffered(self, scope, receive, send):
        seen = []
        for name in ("push", "debug", "nonsense"):
            message = {"type": "http.response." + name, "path": "/", "info": {}}
            seen.append(await attempt(send(message)))
        await text(send, json.dumps(seen))

    async def get_ext(self, scope, receive, send):
        before = scope["extensions"].pop("http.response.pathsend")
        await text(send, json.dumps(before))


app = App()
