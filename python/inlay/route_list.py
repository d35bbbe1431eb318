"""`inlay routes`: who answers what, in the order in which they are asked.

The application is imported and started as a worker does it, its lifespan
included, because only then its routes are known; nothing is served.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from . import _core, serving, target
from .config import Config
from .serving import Serving

_COLUMNS = ("methods", "path", "answered", "function", "runs", "remark")


async def rows(config: Config) -> list[dict[str, Any]]:
    """One for each route. Raises TargetError and LifespanError, as a worker."""
    app = target.load(config)
    served = Serving(config, [])
    await served.start(app)
    try:
        return [*_around(), *_native(served), *_application(served, app)]
    finally:
        await served.stop()


def _native(served: Serving) -> list[dict[str, Any]]:
    remarks = {(each.methods, each.path): each.text(True) for each in served.bypasses}
    found = []
    for route in served.server.native_routes():
        remark = next(
            (
                text
                for (methods, path), text in remarks.items()
                if path == route["path"]
                and set(route["methods"].split(",")) <= _split(methods)
            ),
            "",
        )
        found.append(
            {
                "methods": route["methods"],
                "path": route["path"],
                "answered": "native",
                "function": f"{route['module']}.{route['function']}",
                "runs": route["runs"],
                "remark": remark,
            }
        )
    return found


def _around() -> list[dict[str, Any]]:
    """Layers, guards and hooks, of native routes and of all others; in place of
    the methods what each is."""
    found = []
    for native in _core.modules():
        for pattern, name, value, _ in native.layers:
            texts = ("layer", pattern, "native", name, "I/O thread", value)
            found.append(dict(zip(_COLUMNS, texts, strict=True)))
    for native in _core.modules():
        for pattern, function, after, runs, _ in native.guards:
            kind = "after" if after else "guard"
            name = f"{native.name}.{function}"
            texts = (kind, pattern, "native", name, runs, "")
            found.append(dict(zip(_COLUMNS, texts, strict=True)))
    return found


def _split(methods: str) -> set[str]:
    return {method.strip() for method in methods.split(",")}


def _application(served: Serving, app: Any) -> list[dict[str, Any]]:
    if app is None:
        return []
    known = served.routes
    if not known.known:
        return [_row(None, "/…", "ASGI", _core_name(app), "Python", "")]
    decided = {id(each.entry): each for each in served.lifts}
    found = []
    for entry in known.entries:
        decision = decided.get(id(entry))
        methods = sorted(entry.methods) if entry.methods else None
        if decision is None:
            what = "" if entry.kind == "route" else entry.kind
            found.append(_row(methods, entry.path, "ASGI", entry.name, "Python", what))
        elif decision.reason or not served.config.lift:
            reason = decision.reason or "--no-lift"
            name = _core_name(decision.function)
            found.append(
                _row(methods, entry.path, "not lifted", name, "Python", reason)
            )
        else:
            name = _core_name(decision.function)
            waits = decision.function.__inlay_takes_db__
            runs = "coroutine" if waits else "I/O thread"
            found.append(_row(decision.methods, entry.path, "lifted", name, runs, ""))
    return found


def _row(
    methods: list[str] | None,
    path: str,
    answered: str,
    function: str,
    runs: str,
    remark: str,
) -> dict[str, Any]:
    texts = ("*" if methods is None else ",".join(methods), path, answered)
    return dict(zip(_COLUMNS, (*texts, function, runs, remark), strict=True))


def _core_name(value: Any) -> str:
    name = getattr(value, "__qualname__", None)
    if isinstance(value, _core.Function):
        name = value.__name__
    if name is None:
        value = type(value)
        name = value.__qualname__
    return f"{value.__module__}.{name}"


def show(config: Config, as_json: bool) -> None:
    """Print it: a line for each, aligned, or JSON for programs."""
    loop = serving.new_loop(config.loop)
    asyncio.set_event_loop(loop)
    try:
        found = loop.run_until_complete(rows(config))
    finally:
        serving.finish(loop)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    widths = [max((len(row[name]) for row in found), default=0) for name in _COLUMNS]
    for row in found:
        cells = (
            row[name].ljust(width) for name, width in zip(_COLUMNS, widths, strict=True)
        )
        print("  ".join(cells).rstrip())
