"""`inlay inspect`: what a native module gives Python, what not, and why."""

from __future__ import annotations

import enum
import inspect
import json
import os
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inlay import _core


def describe(native: _core.NativeModule) -> dict[str, Any]:
    """Everything that `inlay inspect` shows, as plain data."""
    names = native.namespace
    functions = [v for v in names.values() if isinstance(v, _core.Function)]
    classes = {k: v for k, v in names.items() if isinstance(v, type)}
    return {
        "module": native.name,
        "functions": [_function(f) for f in functions],
        "types": [_type(name, value) for name, value in classes.items()],
        "routes": [
            {
                "methods": methods,
                "path": path,
                "function": function,
                "status": status,
                "where": _short(where),
            }
            for methods, path, function, status, where in native.routes
        ],
        "provides": [
            {
                "function": function,
                "gives": gives,
                "lives": "per worker" if once else "per request",
                "runs": runs,
                "where": _short(where),
            }
            for function, gives, once, runs, where in native.provides
        ],
        "guards": [
            {
                "pattern": pattern,
                "when": "after" if after else "before",
                "function": function,
                "runs": runs,
                "where": _short(where),
            }
            for pattern, function, after, runs, where in native.guards
        ],
        "layers": [
            {"pattern": pattern, "layer": name, "value": value, "where": _short(where)}
            for pattern, name, value, where in native.layers
        ],
        "left_out": [
            {"name": name, "reason": reason} for name, reason in native.reasons.items()
        ],
    }


def _function(function: _core.Function) -> dict[str, Any]:
    return {
        "name": function.__name__,
        "signature": _signature(function),
        "runs": _runs(function),
        "where": _short(function.__inlay_source__),
        "doc": _first_line(function.__doc__),
    }


def _runs(function: _core.Function) -> str:
    """Where a call from Python runs: its colour."""
    if function.__inlay_for_requests__:
        return "routes only"
    if inspect.iscoroutinefunction(function):
        return "on the pool, awaited"
    if function.__inlay_nogil__:
        return "without the GIL"
    if function.__inlay_takes_db__:
        return "holding the GIL, given back in waits"
    return "holding the GIL"


def _type(name: str, value: type) -> dict[str, Any]:
    if issubclass(value, enum.IntEnum):
        kind = "enum"
        members = [f"{k} = {int(v)}" for k, v in value.__members__.items()]
    elif issubclass(value, _core.Struct):
        kind = "struct"
        members = [
            f"{field}: {_annotation(a, value.__module__)}"
            for field, a in value.__annotations__.items()
        ]
    else:
        kind = "object"
        methods = [v for v in vars(value).values() if isinstance(v, _core.Method)]
        members = [name + str(inspect.signature(value)).partition(" ->")[0]]
        members += [f".{m.__name__}{_signature(m, bound=True)}" for m in methods]
    return {
        "kind": kind,
        "name": name,
        "members": members,
        "doc": _first_line(value.__doc__),
    }


def _annotation(annotation: Any, module: str) -> str:
    """Without the module's own name, which says nothing here."""
    return inspect.formatannotation(annotation).replace(f"{module}.", "")


def _signature(function: _core.Function | _core.Method, bound: bool = False) -> str:
    """As Python writes it; of a bound method without the first parameter."""
    signature = function.__signature__
    if bound:
        _, *others = signature.parameters.values()
        signature = signature.replace(parameters=others)
    return str(signature).replace(f"{function.__module__}.", "")


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().partition("\n")[0]


def _short(where: str) -> str:
    return os.path.basename(where)


def show(native: _core.NativeModule, as_json: bool) -> None:
    """Print it: tables for people, JSON for programs."""
    found = describe(native)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    console = Console(highlight=False)
    _print(
        console,
        "Functions",
        ("name", "signature", "runs", "where", "doc"),
        found["functions"],
    )
    types = [{**t, "members": "\n".join(t["members"])} for t in found["types"]]
    _print(console, "Types", ("kind", "name", "members", "doc"), types)
    _print(
        console,
        "Routes",
        ("methods", "path", "function", "status", "where"),
        found["routes"],
    )
    _print(
        console,
        "States and providers",
        ("function", "gives", "lives", "runs", "where"),
        found["provides"],
    )
    _print(
        console,
        "Guards",
        ("pattern", "when", "function", "runs", "where"),
        found["guards"],
    )
    _print(console, "Layers", ("pattern", "layer", "value", "where"), found["layers"])
    _print(console, "Left out", ("name", "reason"), found["left_out"])


def _print(
    console: Console, title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]
) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for row in rows:
        table.add_row(*(escape(str(row[column] or "")) for column in columns))
    console.print(table)
    console.print()
