"""The same requests to C and to its twin in FastAPI: the same answers."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import Any

import httpx

TWINS = Path(__file__).parent / "twins"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
# What both clients send: it is shown when a field of a header model is missing.
COMMON = {
    "host": "twins",
    "accept": "*/*",
    "accept-encoding": "identity",
    "connection": "keep-alive",
    "user-agent": "twins",
}


def load_app(path: Path) -> Any:
    """The `app` of a Python file, which is not looked for in sys.path."""
    name = f"{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    return module.app


class Twin:
    """A client of an application in process, which gets bytes as they are."""

    def __init__(self, app: Any) -> None:
        self.app = app
        transport = httpx.ASGITransport(app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://twins")
        self.loop = asyncio.new_event_loop()

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        self.client.cookies.clear()
        return self.loop.run_until_complete(self.client.request(method, url, **more))

    def post(self, url: str, **more: Any) -> httpx.Response:
        return self.request("POST", url, **more)

    def close(self) -> None:
        self.loop.run_until_complete(self.client.aclose())
        self.loop.close()


def same(
    native: httpx.Client,
    twin: Twin,
    method: str,
    url: str,
    headers: dict[str, str] | list[tuple[bytes, bytes]] | None = None,
    content: bytes | None = None,
    **more: Any,
) -> httpx.Response:
    """Asks both; status, body (byte for byte) and media type are equal."""
    own = httpx.Headers(headers)
    common = httpx.Headers({name: COMMON[name] for name in COMMON if name not in own})
    more |= {"headers": [*common.raw, *own.raw], "content": content}
    native.cookies.clear()
    answer = native.request(method, url, **more)
    ours, theirs = seen(answer), seen(twin.request(method, url, **more))
    # Said here: pytest explains the assertions of test files alone.
    assert ours == theirs, f"{method} {url} {more}\nC:       {ours}\nFastAPI: {theirs}"
    return answer


def seen(answer: httpx.Response) -> tuple[int, bytes, str | None]:
    kind = answer.headers.get("content-type") if answer.content else None
    return answer.status_code, answer.content, kind
