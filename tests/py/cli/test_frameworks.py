"""Example applications of Channels, Socket.IO and sse-starlette, served unchanged."""

from __future__ import annotations

import threading

import pytest
from websockets.sync.client import connect

pytestmark = pytest.mark.slow

CHANNELS = '''
import json

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path, re_path


class Chat(AsyncWebsocketConsumer):
    """The consumer of Channels' tutorial."""

    async def connect(self):
        self.group = "chat_" + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data):
        message = json.loads(text_data)["message"]
        await self.channel_layer.group_send(
            self.group, {"type": "chat.message", "message": message}
        )

    async def chat_message(self, event):
        await self.send(text_data=json.dumps({"message": event["message"]}))


class Sync(WebsocketConsumer):
    """One whose methods run in threads."""

    def connect(self):
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data and text_data.upper(), bytes_data=bytes_data)


urlpatterns = [path("", lambda request: HttpResponse("django"))]
application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": AllowedHostsOriginValidator(
            URLRouter(
                [
                    re_path(r"ws/chat/(?P<room>[a-z]+)/$", Chat.as_asgi()),
                    re_path(r"ws/sync/$", Sync.as_asgi()),
                ]
            )
        ),
    }
)
'''

SOCKETIO = """
import socketio

# The client of long polling sees its own end only with the next ping.
sio = socketio.AsyncServer(
    async_mode="asgi", cors_allowed_origins="*", ping_interval=0.5
)
app = socketio.ASGIApp(sio)


@sio.event
async def connect(sid, environ):
    await sio.emit("hello", {"sid": sid}, to=sid)


@sio.event
async def shout(sid, data):
    await sio.emit("shouted", data.upper() if isinstance(data, str) else data)
    return len(data)
"""

SSE = """
import asyncio

from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.routing import Route

gone = []


async def numbers(request):
    async def events():
        try:
            for number in range(1000):
                yield {"data": number}
                await asyncio.sleep(0.05 if number < 3 else 1)
        finally:
            gone.append(number)

    return EventSourceResponse(events())


async def left(request):
    from starlette.responses import JSONResponse

    return JSONResponse(gone)


app = Starlette(routes=[Route("/", numbers), Route("/left", left)])
"""


def ws(server, path):
    return connect(
        f"ws://127.0.0.1:{server.port}{path}",
        origin=f"http://127.0.0.1:{server.port}",
        proxy=None,
    )


def test_channels(inlay_run, write_app):
    server = inlay_run("app:application", app_dir=write_app(CHANNELS))
    assert server.get("/").text == "django"
    with ws(server, "/ws/chat/lobby/") as one, ws(server, "/ws/chat/lobby/") as two:
        one.send('{"message": "hi"}')
        assert one.recv(5) == two.recv(5) == '{"message": "hi"}'
    with ws(server, "/ws/sync/") as peer:
        peer.send("abc")
        assert peer.recv(5) == "ABC"
        peer.send(b"\x00\xff")
        assert peer.recv(5) == b"\x00\xff"
    assert server.stop() == 0


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], None])
def test_socketio(inlay_run, write_app, transports):
    import socketio

    server = inlay_run("app:app", app_dir=write_app(SOCKETIO))
    client = socketio.Client()
    hello, shouted = threading.Event(), threading.Event()
    got = []
    client.on("hello", lambda data: hello.set())
    client.on("shouted", lambda data: (got.append(data), shouted.set()))
    client.connect(server.url, transports=transports, wait_timeout=10)
    try:
        assert hello.wait(10)
        assert client.call("shout", "abc", timeout=10) == 3
        assert shouted.wait(10)
        shouted.clear()
        assert client.call("shout", b"\x00\x01", timeout=10) == 2
        assert shouted.wait(10)
        assert got == ["ABC", b"\x00\x01"]
    finally:
        client.disconnect()
    assert server.stop() == 0


def test_server_sent_events(inlay_run, write_app):
    import httpx

    server = inlay_run("app:app", app_dir=write_app(SSE))
    with httpx.stream("GET", server.url, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        events = [line for line in (next(lines) for _ in range(6)) if line]
        assert events == ["data: 0", "data: 1", "data: 2"]
    for _ in range(100):
        if server.get("/left").json():
            break
        threading.Event().wait(0.05)
    assert server.get("/left").json()


def test_a_stream_does_not_hold_up_the_end(inlay_run, write_app):
    import httpx

    server = inlay_run(
        "app:app", "--timeout-graceful-shutdown", "0.5", app_dir=write_app(SSE)
    )
    with httpx.stream("GET", server.url, timeout=10) as answer:
        next(answer.iter_lines())
        assert server.stop(seconds=5) == 0
