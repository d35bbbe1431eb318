"""What native routes stand before: middleware, dependencies, Python routes.

A native route answers before the application is asked. So each says what it
goes past, and one that hides a Python route with dependencies must say that
it is meant to (INLAY_REPLACES).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import _core
from .routes import Entry, Routes, parse

_SHOWN = 3  # hidden routes that are named


@dataclass(frozen=True)
class Bypass:
    """Of one native route."""

    methods: str
    path: str
    function: str
    where: str  # "file:line"
    replaces: bool  # INLAY_REPLACES
    skips: tuple[str, ...]  # middleware, dependencies of the application
    hides: tuple[Entry, ...]

    def text(self) -> str:
        """What it bypasses, in a few words; "" when nothing."""
        parts = []
        if self.skips:
            parts.append(f"bypasses {', '.join(self.skips)}")
        if self.hides:
            names = [_named(entry) for entry in self.hides[:_SHOWN]]
            if len(self.hides) > _SHOWN:
                names.append(f"{len(self.hides) - _SHOWN} more")
            parts.append(f"hides {', '.join(names)}")
        return "; ".join(parts)

    def line(self) -> str:
        """For the log."""
        return f"{self.methods} {self.path} {self.text()}"

    def problem(self) -> str:
        """Why the server must not start so; "" when it may."""
        guarded = next((entry for entry in self.hides if entry.guarded), None)
        if guarded is None or self.replaces:
            return ""
        return (
            f"{self.where}: {self.methods} {self.path} hides {_named(guarded)}, "
            "whose dependencies would not run: remove one of the two, or write "
            f"INLAY_REPLACES({self.function}); if that is meant"
        )


def _named(entry: Entry) -> str:
    methods = ",".join(sorted(entry.methods or ())) or "any method"
    return f"{methods} {entry.path} ({entry.name})"


def find(routes: Routes, modules: Iterable[_core.NativeModule]) -> list[Bypass]:
    """One for each native route of the modules, in their order."""
    skips = [name.rpartition(".")[2] for name in routes.behind]
    if count := _dependencies(routes):
        noun = "dependency" if count == 1 else "dependencies"
        skips.append(f"{count} {noun} of the application")
    return [
        Bypass(
            methods,
            path,
            function,
            where,
            function in native.replaces,
            tuple(skips),
            _hidden(routes, methods, path),
        )
        for native in modules
        for methods, path, function, _, where in native.routes
    ]


def _dependencies(routes: Routes) -> int:
    """How many run before every endpoint of the application."""
    if not routes.entries:
        return 0
    router = getattr(routes.entries[0].apps[0], "router", None)
    return len(getattr(router, "dependencies", None) or ())


def _hidden(routes: Routes, listed: str, path: str) -> tuple[Entry, ...]:
    methods = {method.strip() for method in listed.split(",")}
    if "GET" in methods:
        methods.add("HEAD")
    pattern = parse(path)
    return tuple(
        entry
        for entry in routes.entries
        if entry.kind in ("route", "websocket") and entry.meets(methods, pattern)
    )
