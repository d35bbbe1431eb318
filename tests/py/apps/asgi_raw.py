"""A raw ASGI application: each path shows one thing of the protocol."""

import asyncio
import contextvars
import gc
import json
import time
import urllib.parse

VAR = contextvars.ContextVar("VAR", default="unset")
SEEN = {}  # what happened after an answer, by name


def plain(value):
    """JSON of a scope: bytes as text."""
    if isinstance(value, (bytes, bytearray)):
        return value.decode("latin1")
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


async def start(send, status=200, headers=()):
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": list(headers),
        }
    )


async def body(send, data=b"", more=False):
    await send(
        {
            "type": "http.response.body",
            "body": data,
            "more_body": more,
        }
    )


async def text(send, data, status=200):
    await start(send, status, [(b"content-type", b"text/plain")])
    await body(send, data if isinstance(data, bytes) else data.encode())


async def read(receive):
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionError(message["type"])
        parts.append(message["body"])
        if not message["more_body"]:
            return parts


async def attempt(awaitable):
    try:
        await awaitable
    except Exception as error:
        return type(error).__name__
    return "ok"


class App:
    async def lifespan(self, scope, receive, send):
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"].update(number=1, box=[])
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        print("SHUTDOWN SEEN", flush=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self.lifespan(scope, receive, send)
        path = scope["path"].removeprefix(scope["root_path"])
        name = path.split("/")[1] or "scope"
        handler = getattr(self, "get_" + name, self.get_scope)
        return await handler(scope, receive, send)

    async def get_scope(self, scope, receive, send):
        await text(send, json.dumps(plain(scope)))

    async def get_seen(self, scope, receive, send):
        name = scope["path"].split("/")[2]
        for _ in range(200):
            if name in SEEN:
                break
            await asyncio.sleep(0.02)
        await text(send, json.dumps(SEEN.pop(name, None)))

    async def get_state(self, scope, receive, send):
        state = scope["state"]
        state["box"].append(1)
        shown = [state["number"], len(state["box"]), "extra" in state]
        state["number"] = 99
        state["extra"] = True
        await text(send, json.dumps(shown))

    async def get_mutate(self, scope, receive, send):
        shown = ["mark" in scope, "mark" in scope["asgi"], len(scope["headers"])]
        scope["mark"] = scope["asgi"]["mark"] = True
        scope["headers"].append((b"x-mark", b"1"))
        await text(send, json.dumps(shown))

    async def get_context(self, scope, receive, send):
        shown = VAR.get()
        VAR.set("leaked")
        await asyncio.sleep(0)
        await text(send, shown + " " + VAR.get())

    async def get_reply(self, scope, receive, send):
        """What the query says: [status, {header: value}, body]."""
        query = urllib.parse.unquote(scope["query_string"].decode())
        status, headers, content = json.loads(query)
        await start(
            send, status, [(k.encode(), v.encode()) for k, v in headers.items()]
        )
        await body(send, content.encode())

    async def get_echo(self, scope, receive, send):
        await text(send, b"".join(await read(receive)))

    async def get_parts(self, scope, receive, send):
        await text(send, json.dumps([len(p) for p in await read(receive)]))

    async def get_slowly(self, scope, receive, send):
        total = parts = 0
        while True:
            message = await receive()
            total += len(message.get("body", b""))
            parts += 1
            if not message.get("more_body"):
                break
            await asyncio.sleep(0.001)
        await text(send, json.dumps([total, parts]))

    async def get_unread(self, scope, receive, send):
        await text(send, "unread")

    async def get_stream(self, scope, receive, send):
        await start(send)
        for i in range(5):
            await body(send, b"part%d;" % i, True)
            await asyncio.sleep(0.02)
        await body(send)

    async def get_large(self, scope, receive, send):
        await start(send, 200, [(b"content-length", b"20000000")])
        for _ in range(200):
            await body(send, b"x" * 100000, True)
        await body(send)

    async def get_once(self, scope, receive, send):
        await start(send)
        await body(send, b"y" * 20000000)

    async def get_hold(self, scope, receive, send):
        """Streams to a client that does not read: how far does it come?"""
        await start(send)
        SEEN["hold"] = 0
        for _ in range(1000):
            await body(send, b"z" * 65536, True)
            SEEN["hold"] += 65536
        await body(send)

    async def get_buffers(self, scope, receive, send):
        await start(send, 200, [[b"x-list", b"1"]])
        await body(send, bytearray(b"array "), True)
        await body(send, memoryview(b"view "), True)
        await body(send, b"bytes")

    async def get_generator(self, scope, receive, send):
        pairs = ((k, v) for k, v in [(b"X-Upper", b"1"), (b"x-b", b"2")])
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": pairs,
            }
        )
        await send({"type": "http.response.body"})

    async def get_bare(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 201})
        await send({"type": "http.response.body", "body": b"bare"})

    async def get_status(self, scope, receive, send):
        await start(send, int(scope["path"].split("/")[2]))
        await body(send)

    async def get_wrong(self, scope, receive, send):
        """Messages that must be refused, then an answer."""
        first = {"type": "http.response.start", "status": 200}
        refused = []
        for message in (
            {"type": "http.nonsense"},
            {"type": "http.response.body", "body": b"early"},
            {"type": "http.response.start"},
            {"status": 200},
            {**first, "status": "200"},
            {**first, "headers": [("name", "text")]},
            {**first, "headers": [(b"x", b"a\r\nset-cookie: b")]},
            {**first, "headers": [(b"x\n", b"a")]},
            {**first, "headers": [(b"x", b"a\0b")]},
            {**first, "headers": [(b"content-length", b"-1")]},
            {**first, "headers": [(b"lonely",)]},
            {**first, "headers": 7},
        ):
            refused.append(await attempt(send(message)))
        await start(send)
        refused.append(await attempt(send(first)))
        refused.append(
            await attempt(send({"type": "http.response.body", "body": "text"}))
        )
        await body(send, json.dumps(refused).encode())

    async def get_late(self, scope, receive, send):
        """What is sent behind a whole answer is ignored."""
        await text(send, "whole")
        SEEN["late"] = [
            await attempt(body(send, b"more")),
            await attempt(start(send, 500)),
            (await receive())["type"],
        ]

    async def get_longer(self, scope, receive, send):
        await start(send, 200, [(b"content-length", b"3")])
        await body(send, b"abcdef")

    async def get_shorter(self, scope, receive, send):
        await start(send, 200, [(b"content-length", b"9")])
        await body(send, b"abc")

    async def get_raise(self, scope, receive, send):
        raise ValueError("MARK raise")

    async def get_suspended(self, scope, receive, send):
        await asyncio.sleep(0)
        raise ValueError("MARK suspended")

    async def get_middle(self, scope, receive, send):
        await start(send)
        await body(send, b"part", True)
        await asyncio.sleep(0.05)
        raise ValueError("MARK middle")

    async def get_after(self, scope, receive, send):
        await text(send, "whole")
        raise ValueError("MARK after")

    async def get_nothing(self, scope, receive, send):
        return

    async def get_unfinished(self, scope, receive, send):
        await start(send)
        await body(send, b"part", True)

    async def get_value(self, scope, receive, send):
        await text(send, "value")
        return 123

    async def get_exit(self, scope, receive, send):
        raise SystemExit(7)

    async def get_interrupt(self, scope, receive, send):
        await asyncio.sleep(0)
        raise KeyboardInterrupt

    async def get_cancelled(self, scope, receive, send):
        asyncio.current_task().cancel()
        await asyncio.sleep(1)

    async def get_patient(self, scope, receive, send):
        try:
            if scope["path"].endswith("/receive"):
                await receive()
                await receive()
            await asyncio.sleep(30)
        except asyncio.CancelledError as error:
            SEEN["patient"] = error.args
            raise

    async def get_disconnect(self, scope, receive, send):
        await receive()
        began = time.monotonic()
        SEEN["waiting"] = True
        message = await receive()
        again = await receive()
        SEEN["disconnect"] = [
            message["type"],
            again["type"],
            await attempt(start(send)),
            await attempt(body(send, b"x")),
            time.monotonic() - began < 5,
        ]

    async def get_flood(self, scope, receive, send):
        """Sends until the client is gone; never asks."""
        await start(send)
        try:
            while True:
                await body(send, b"f" * 10000, True)
        except OSError as error:
            SEEN["flood"] = isinstance(error, OSError)
            raise

    async def get_pieces(self, scope, receive, send):
        """receive() and send() results as arguments of asyncio."""
        first = await asyncio.create_task(receive())
        assert first["type"] == "http.request", first
        try:
            await asyncio.wait_for(receive(), 0.01)
        except asyncio.TimeoutError:
            pass
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await asyncio.gather(send({"type": "http.response.start", "status": 200}))
        await asyncio.create_task(
            send({"type": "http.response.body", "body": b"pieces"})
        )
        SEEN["pieces"] = (await waiting)["type"]

    async def get_objects(self, scope, receive, send):
        await asyncio.sleep(0.05)  # let what is under way end
        gc.collect()
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        await text(send, json.dumps([len(gc.get_objects()), pages * 4]))

    async def get_touch(self, scope, receive, send):
        asyncio.current_task().mark = self
        await read(receive)
        await asyncio.sleep(0)
        await text(send, "touched")

    async def get_polls(self, scope, receive, send):
        """Asks again and again whether the client is there."""
        await receive()
        for _ in range(int(scope["path"].split("/")[2])):
            task = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        objects = sum(
            isinstance(o, asyncio.Future) or type(o).__name__ in ("Wait", "Signal")
            for o in gc.get_objects()
        )
        await text(send, json.dumps(objects))

    async def get_sleep(self, scope, receive, send):
        await asyncio.sleep(0.3)
        await text(send, "slept")

    async def get_block(self, scope, receive, send):
        time.sleep(0.15)
        await text(send, "blocked")


app = App()
