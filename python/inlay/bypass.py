"""What native routes stand before: middleware, dependencies, Python routes.

A native route answers before the application is asked. So each says what it
goes past, and one that hides a Python route with dependencies must say that
it is meant to (INLAY_REPLACES).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import _core
from .routes import ONE, REST, Entry, Pattern, Routes, covers, overlap, parse

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
    may_hide: tuple[Entry, ...]  # of which it can't be said

    def text(self, unsure: bool = False) -> str:
        """What it bypasses, in a few words; "" when nothing."""
        parts = []
        if self.skips:
            parts.append(f"bypasses {', '.join(self.skips)}")
        for verb, entries in (("hides", self.hides), ("may hide", self.may_hide)):
            if not entries or (entries is self.may_hide and not unsure):
                continue
            names = [_named(entry) for entry in entries[:_SHOWN]]
            if len(entries) > _SHOWN:
                names.append(f"{len(entries) - _SHOWN} more")
            parts.append(f"{verb} {', '.join(names)}")
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
    every = [
        (_Native(_methods(route[0]), parse(route[1])), route, native)
        for native in modules
        for route in native.routes
    ]
    natives = [each for each, _, _ in every]
    return [
        Bypass(
            methods,
            path,
            function,
            where,
            function in native.replaces,
            tuple(skips),
            *_hidden(routes, natives, own),
        )
        for own, (methods, path, function, _, where), native in every
    ]


def idle(routes: Routes, modules: Iterable[_core.NativeModule]) -> list[str]:
    """Guards and hooks whose pattern is for no path that there is, likely because
    it is mistyped. `routes` are plain, or there is no application."""
    modules = list(modules)
    known = [entry.pattern for entry in routes.entries]
    known += [parse(route[1]) for native in modules for route in native.routes]
    known += [parse(path) for path in ("/docs", "/openapi.json")]
    return [
        f'{where}: INLAY_{"AFTER" if after else "BEFORE"}("{pattern}", {function}) '
        "is for no path that there is"
        for native in modules
        for pattern, function, after, _, where in native.guards
        if all(
            overlap(own, each) is False for own in _guarded(pattern) for each in known
        )
    ]


def _guarded(pattern: str) -> list[Pattern]:
    """What a guard's pattern covers, or more: of "/adm*" all beside it."""
    if not pattern.endswith("*"):
        return [parse(pattern), parse(pattern + "/")]
    above = pattern.rpartition("/")[0]
    covered = [parse(above + "/{rest:path}")]
    if pattern.endswith("/*"):
        covered.append(parse(above or "/"))
    return covered


def _dependencies(routes: Routes) -> int:
    """How many run before every endpoint of the application."""
    if not routes.entries:
        return 0
    router = getattr(routes.entries[0].apps[0], "router", None)
    return len(getattr(router, "dependencies", None) or ())


@dataclass(frozen=True)
class _Native:
    methods: frozenset[str]
    pattern: Pattern

    def is_asked_before(self, other: _Native) -> bool:
        """At the first segment in which they differ, as src/serve/route.c."""
        for mine, its in zip(
            self.pattern.segments, other.pattern.segments, strict=False
        ):
            if mine != its:
                return its == REST or (its == ONE and mine != REST)
        return False


def _methods(listed: str) -> frozenset[str]:
    methods = {method.strip() for method in listed.split(",")}
    return frozenset(methods | {"HEAD"} if "GET" in methods else methods)


def _hidden(
    routes: Routes, natives: list[_Native], own: _Native
) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """What would answer requests if this native route did not, and what may."""
    sure: list[Entry] = []
    unsure: list[Entry] = []
    for index, entry in enumerate(routes.entries):
        if entry.kind not in ("route", "websocket"):
            continue
        meets = entry.meets(own.methods, own.pattern)
        if meets is not False and _takes(routes, natives, own, index):
            (sure if meets else unsure).append(entry)
    return tuple(sure), tuple(unsure)


def _takes(routes: Routes, natives: list[_Native], own: _Native, index: int) -> bool:
    """Is it this native route that takes requests from the entry, and neither
    another one nor what the application asks before?"""
    entry = routes.entries[index]
    left = entry.shared(own.methods)
    for each in routes.entries[:index]:
        if each.kind in (entry.kind, "mount") and left & each.shared(left):
            if covers(each.pattern, entry.pattern):
                left -= each.shared(left)
    for native in natives:
        if left & native.methods and native.is_asked_before(own):
            if covers(native.pattern, entry.pattern):
                left -= native.methods
    return bool(left)
