"""Hot swap in a worker of `inlay dev`: new C in a running server."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from inlay import _core, cache, recipe
from inlay.control import Message
from inlay.errors import CacheError

if TYPE_CHECKING:
    from inlay.serving import Serving


def loaded() -> list[Message]:
    """The native modules of this process: name, file, and all it is made of."""
    found: list[Message] = []
    for native in _core.modules():
        module = sys.modules.get(native.name)
        source = getattr(module, "__file__", None)
        if source:
            files = [source, native.path]
            if recipe.language(source):
                with contextlib.suppress(CacheError):
                    files = cache.Entry(source).sources()
            found.append({"name": native.name, "source": source, "files": files})
    return found


def swap(name: str, serving: Serving) -> Message:
    """Reload the module, then its routes; what happened, as a message.

    A failing load changes nothing. Connections are not touched: requests
    that run end in the code that they began with.
    """
    started = time.perf_counter()
    report: Message = {"module": name, "error": None, "restart": False}
    try:
        module = sys.modules[name]
        before = _signatures(module)
        importlib.reload(module)
        after = _signatures(module)
        replaced = serving.replace_native()
    except Exception as error:
        report["error"] = str(error) or type(error).__name__
        return report
    changed = {f for f in before if after.get(f) != before[f]}
    report["restart"] = not replaced or any(
        f in changed for f in _endpoints(serving.app, name)
    )
    report["native"] = serving.server.native_routes()
    report["modules"] = loaded()
    report["ms"] = round((time.perf_counter() - started) * 1000, 1)
    return report


def _signatures(module: Any) -> dict[str, str]:
    return {
        name: str(value.__signature__)
        for name, value in module.__inlay__.namespace.items()
        if isinstance(value, _core.Function)
    }


def _endpoints(app: Any, name: str) -> Iterator[str]:
    """Functions of the module that are endpoints of the application.

    Frameworks read an endpoint's signature once, when it is registered: such
    an application has to begin anew when the signature changes.
    """
    for route in _routes(app, depth=0):
        endpoint = getattr(route, "endpoint", None)
        if isinstance(endpoint, _core.Function) and endpoint.__module__ == name:
            yield endpoint.__name__


def _routes(app: Any, depth: int) -> Iterator[Any]:
    if depth > 8:
        return
    for route in getattr(app, "routes", None) or ():
        yield route
        yield from _routes(route, depth + 1)
    wrapped = getattr(app, "app", None)
    if wrapped is not None:
        yield from _routes(wrapped, depth + 1)
