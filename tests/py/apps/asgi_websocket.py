"""WebSockets of a raw ASGI application: each path shows one thing."""

import asyncio
import gc
import json

from asgi_raw import App as Raw
from asgi_raw import attempt, body, plain, start, text

SEEN = {}  # what a connection saw, by its path
PEERS = {}  # of /broadcast: send, by number


async def accept(send, **keys):
    await send({"type": "websocket.accept", **keys})


async def say(send, value):
    key = "text" if isinstance(value, str) else "bytes"
    await send({"type": "websocket.send", key: value})


async def refuse(send, **keys):
    await send({"type": "websocket.http.response.start", **keys})


async def refuse_body(send, data, more=False):
    await send(
        {
            "type": "websocket.http.response.body",
            "body": data,
            "more_body": more,
        }
    )


class App(Raw):
    async def __call__(self, scope, receive, send):
        if scope["type"] != "websocket":
            return await super().__call__(scope, receive, send)
        parts = scope["path"].removeprefix(scope["root_path"]).split("/")
        return await getattr(self, "ws_" + parts[1])(scope, receive, send)

    async def get_seen(self, scope, receive, send):
        name = scope["path"].split("/")[2]
        for _ in range(200):
            if name in SEEN:
                break
            await asyncio.sleep(0.02)
        await text(send, json.dumps(SEEN.pop(name, None)))

    async def get_sockets(self, scope, receive, send):
        """How many objects of open connections are there?"""
        gc.collect()
        names = ("Request", "Receive", "Send", "Wait", "Signal")
        kinds = [type(o).__name__ for o in gc.get_objects()]
        await text(send, json.dumps({n: kinds.count(n) for n in names}))

    async def ws_echo(self, scope, receive, send):
        assert await receive() == {"type": "websocket.connect"}
        await accept(send)
        while (message := await receive())["type"] == "websocket.receive":
            await say(send, message.get("text", message.get("bytes")))
        SEEN[scope["path"].split("/")[-1]] = message

    async def ws_types(self, scope, receive, send):
        await receive()
        await accept(send)
        seen = []
        for _ in range(4):
            message = await receive()
            seen.append([sorted(message), repr(message)])
        await say(send, json.dumps(seen))
        await receive()

    async def ws_scope(self, scope, receive, send):
        await receive()
        await accept(send)
        await say(send, json.dumps(plain(scope)))
        await receive()

    async def ws_state(self, scope, receive, send):
        await receive()
        await accept(send)
        state = scope["state"]
        state["box"].append(1)
        await say(send, json.dumps([state["number"], len(state["box"])]))
        state["number"] = 99
        await receive()

    async def ws_prompt(self, scope, receive, send):
        """Accepts before it has asked for the connect message."""
        await accept(send)
        SEEN["prompt"] = [await receive(), await receive()]
        await send({"type": "websocket.close"})

    async def ws_accept(self, scope, receive, send):
        await receive()
        await accept(
            send,
            subprotocol=scope["subprotocols"][-1],
            headers=[(b"X-One", b"1"), [b"set-cookie", b"a=1"], (b"set-cookie", b"b")],
        )
        await receive()

    async def ws_kinds(self, scope, receive, send):
        await accept(send)
        for value in ("1", b"2", "", b"", "x" * 70000, b"y" * 200, "é€𝄞"):
            await say(send, value)
        for value in (bytearray(b"array"), memoryview(b"view")):
            await say(send, value)
        await send({"type": "websocket.send", "text": "t", "bytes": None})
        await send({"type": "websocket.send", "text": None, "bytes": b"b"})
        await receive()
        await receive()

    async def ws_close(self, scope, receive, send):
        await receive()
        await accept(send)
        message = {"type": "websocket.close"}
        message.update(json.loads((await receive())["text"]))
        await send(message)
        SEEN["close"] = [
            await receive(),
            await receive(),
            await attempt(say(send, "late")),
            await attempt(send({"type": "websocket.close"})),
        ]

    async def ws_unread(self, scope, receive, send):
        """Closes while messages wait."""
        await receive()
        await accept(send)
        await receive()
        await asyncio.sleep(0.1)
        await send({"type": "websocket.close", "code": 4000})
        SEEN["unread"] = [await receive(), (await receive())["type"]]

    async def ws_late(self, scope, receive, send):
        """Reads when the client has gone already."""
        await receive()
        await accept(send)
        await asyncio.sleep(0.2)
        seen = []
        while not seen or seen[-1]["type"] == "websocket.receive":
            seen.append(await receive())
        SEEN["late"] = [*seen, await attempt(say(send, "x"))]

    async def ws_gone(self, scope, receive, send):
        await receive()
        await accept(send)
        message = await receive()
        SEEN["gone"] = [
            message,
            await receive() == message,
            await attempt(say(send, "x")),
            await attempt(send({"type": "websocket.close"})),
        ]
        await say(send, "and nothing is logged")

    async def ws_flood(self, scope, receive, send):
        """Sends until the client is gone."""
        await accept(send)
        try:
            while True:
                await say(send, b"f" * 10000)
        except OSError as error:
            SEEN["flood"] = type(error).__name__
            raise

    async def ws_wrong(self, scope, receive, send):
        """Messages that must be refused, before and after the handshake."""
        await receive()
        early = [
            await attempt(say(send, "early")),
            await attempt(send({"type": "websocket.nonsense"})),
            await attempt(send({"type": "http.response.start", "status": 200})),
            await attempt(accept(send, headers=[("name", "text")])),
            await attempt(accept(send, headers=[(b"x", b"a\r\nset-cookie: b")])),
            await attempt(accept(send, headers=[(b"upgrade", b"x")])),
            await attempt(accept(send, headers=[(b"sec-websocket-protocol", b"x")])),
            await attempt(accept(send, subprotocol="a b")),
            await attempt(accept(send, subprotocol=7)),
        ]
        await accept(send)
        late = [
            await attempt(accept(send)),
            await attempt(send({"type": "websocket.send"})),
            await attempt(send({"type": "websocket.send", "text": b"x"})),
            await attempt(send({"type": "websocket.send", "bytes": "x"})),
            await attempt(say(send, "\ud800")),
            await attempt(send({"type": "websocket.nonsense"})),
            await attempt(refuse(send, status=400)),
            await attempt(send({"type": "websocket.close", "code": 1005})),
            await attempt(send({"type": "websocket.close", "code": 99})),
            await attempt(send({"type": "websocket.close", "code": "1000"})),
            await attempt(send({"type": "websocket.close", "reason": 5})),
        ]
        await say(send, json.dumps([early, late]))
        await receive()

    async def ws_reject(self, scope, receive, send):
        await receive()
        await send({"type": "websocket.close", "code": 4444})
        SEEN["reject"] = [await receive(), await attempt(accept(send))]

    async def ws_deny(self, scope, receive, send):
        await receive()
        await refuse(
            send,
            status=451,
            headers=[(b"x-why", b"law"), (b"content-length", b"6")],
        )
        SEEN["deny"] = [await attempt(accept(send))]
        await refuse_body(send, b"den", True)
        await refuse_body(send, b"ied")
        SEEN["deny"] += [await receive(), await attempt(say(send, "x"))]

    async def ws_denystream(self, scope, receive, send):
        await receive()
        await refuse(send, status=400)
        await refuse_body(send, b"one ", True)
        await asyncio.sleep(0.05)
        await refuse_body(send, b"two")

    async def ws_denylater(self, scope, receive, send):
        await receive()
        await refuse(send, status=700000, headers=[])

    async def ws_denyhalf(self, scope, receive, send):
        await receive()
        await refuse(send, status=400, headers=[(b"content-length", b"9")])
        await refuse_body(send, b"half", True)
        raise RuntimeError("MARK half")

    async def ws_raise(self, scope, receive, send):
        raise RuntimeError("MARK before")

    async def ws_nothing(self, scope, receive, send):
        return

    async def ws_raiselater(self, scope, receive, send):
        await receive()
        await accept(send)
        await say(send, "last words")
        raise RuntimeError("MARK later")

    async def ws_return(self, scope, receive, send):
        await receive()
        await accept(send)

    async def ws_value(self, scope, receive, send):
        await receive()
        await accept(send)
        return 123

    async def ws_waiting(self, scope, receive, send):
        """Two tasks wait for one message; one is cancelled."""
        await receive()
        await accept(send)

        async def wait():
            try:
                return await receive()
            except asyncio.CancelledError as error:
                return error.args[0]

        tasks = [asyncio.ensure_future(wait()) for _ in range(2)]
        await asyncio.sleep(0)
        await say(send, "ready")
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel("enough")
        ends = await asyncio.gather(*waiting)
        try:
            await asyncio.wait_for(receive(), 0.01)
        except asyncio.TimeoutError:
            ends.append("timeout")
        await say(
            send,
            json.dumps([[t.result() for t in done], ends]),
        )
        await receive()

    async def ws_slow(self, scope, receive, send):
        """Takes no message until it is told to (by GET /go)."""
        await receive()
        await accept(send)
        SEEN["go"] = asyncio.Event()
        await SEEN["go"].wait()
        total = count = 0
        while (message := await receive())["type"] == "websocket.receive":
            data = message["bytes"]
            total += len(data)
            count += 1
            if data == b"end":
                break
        await say(send, json.dumps([total, count]))
        await receive()

    async def get_go(self, scope, receive, send):
        SEEN.pop("go").set()
        await text(send, "")

    async def ws_unawaited(self, scope, receive, send):
        """Never awaits send(): what comes of it?"""
        await receive()
        await accept(send)
        SEEN["unawaited"] = await flood(lambda: say(send, b"x" * 65536), "websocket")

    async def get_unawaited(self, scope, receive, send):
        await start(send)
        SEEN["unawaited"] = await flood(lambda: body(send, b"x" * 65536, True), "")

    async def ws_broadcast(self, scope, receive, send):
        await receive()
        await accept(send)
        PEERS[id(send)] = send
        try:
            while (message := await receive())["type"] == "websocket.receive":
                for peer in list(PEERS.values()):
                    await say(peer, message["text"])
        finally:
            del PEERS[id(send)]

    async def ws_stop(self, scope, receive, send):
        await receive()
        await accept(send)
        print("STOPPED", json.dumps(await receive()), flush=True)

    async def ws_context(self, scope, receive, send):
        """Each message is handled in the task and context of its connection."""
        await accept(send)
        await receive()
        task = asyncio.current_task()
        while (await receive())["type"] == "websocket.receive":
            await say(send, str(asyncio.current_task() is task))


async def flood(say_it, kind):
    """Coroutines that are started, never awaited to the end."""
    errors = []
    for _ in range(1000):
        waiting = say_it()
        try:
            waiting.send(None)
        except StopIteration:
            pass
        except Exception as error:
            errors.append([type(error).__name__, str(error)])
        waiting.close()
    return [len(errors), errors[:1], errors[-1:]]


app = App()
