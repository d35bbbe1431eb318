"""Native routes that are not to run: an operator has turned them off
(`--native-off`, `inlay ctl native-off`, SIGUSR2), or they crash too often.

The supervisor decides and tells its workers; `modes` is their side of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from . import _core, routes
from .config import Config
from .control import Message
from .logs import log
from .paths import PARAMETER

if TYPE_CHECKING:
    from .routes import Entry, Pattern, Routes

ALL = "*"
GUARD, HOOK = "guard", "hook"  # in place of the methods
_METHODS = r"[A-Z]+(?:,[A-Z]+)*"
_PATTERN = re.compile(rf"(?:({_METHODS}) )?(\*|/[^\s*]*\*?)")

# --- Patterns -----------------------------------------------------------------


def check(pattern: str) -> str:
    """The pattern; ValueError if it is none."""
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(
            f'"{pattern}" is no pattern of routes: write "/path", "/path/*", '
            '"METHOD /path" or "*"'
        )
    return pattern


def matches(pattern: str, methods: str, path: str) -> bool:
    """Is it about the route that a record has with these methods and path?"""
    found = _PATTERN.fullmatch(pattern)
    if not found:
        return False
    if found[1] and not set(found[1].split(",")) & set(methods.split(",")):
        return False
    if not found[2].endswith("*"):
        return found[2] == path
    start = found[2][:-1]
    # As of guards: "/admin/*" covers /admin too.
    return path.startswith(start) or (start.endswith("/") and path == start[:-1])


def name(route: Message) -> str:
    """What people, and crash reports, call it: "GET,HEAD /users/{id}"."""
    return f"{route['methods']} {route['path']}"


# --- What crashed ---------------------------------------------------------------


@dataclass(frozen=True)
class Crash:
    """A report of src/load/crash.h. `route` is "" outside of routes, guards
    and hooks, and begins with "guard " or "hook " in those."""

    pid: int
    signal: str
    route: str
    function: str
    place: str

    @classmethod
    def parse(cls, line: bytes) -> Crash | None:
        parts = line.decode(errors="replace").split("\t")
        if len(parts) != 5 or not parts[0].isdecimal():
            return None
        return cls(int(parts[0]), *parts[1:])

    def __str__(self) -> str:
        what = f"{self.route} -> {self.function}()" if self.route else self.function
        at = "" if self.place.startswith("while ") else "at "
        where = f" {at}{self.place}" if self.place else ""
        return f"{self.signal} in {what}{where}"


class Reports:
    """The pipe into which workers that crash write."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        for fd in (self.read_end, self.write_end):
            os.set_blocking(fd, False)
        self._rest = b""

    def take(self) -> list[Crash]:
        """What has come."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.read_end, 65536):
                self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        return [crash for crash in map(Crash.parse, lines) if crash is not None]

    def close(self) -> None:
        os.close(self.read_end)
        os.close(self.write_end)


# --- The supervisor's side --------------------------------------------------------


@dataclass
class Case:
    """A route that has crashed."""

    crashes: int = 0  # ever, since it was lifted
    recent: deque[float] = field(default_factory=deque)
    last: str = ""  # in words
    since: float = 0.0  # of the quarantine, seconds since 1970; 0.0: it runs


class Counting(Protocol):
    """Metrics, as far as they concern us."""

    def crashed(self, route: str) -> None: ...

    def quarantined(self, route: str, state: bool) -> None: ...


class Quarantine:
    """What is off and what is quarantined; `tell` hands that to all workers."""

    def __init__(
        self, config: Config, counting: Counting, tell: Callable[[], None]
    ) -> None:
        self.off: list[str] = list(config.native_off)
        self.cases: dict[str, Case] = {}
        ends = ["a restart"]
        if config.dev:
            ends.insert(0, "new code")
        if config.control is not None:
            ends.insert(0, "`inlay ctl quarantine lift`")
        self._ends = " or ".join(ends)
        self._most = config.quarantine_crashes
        self._window = config.quarantine_window
        self._counting = counting
        self._tell = tell

    @property
    def routes(self) -> list[str]:
        """Those that are quarantined."""
        return [route for route, case in self.cases.items() if case.since]

    def message(self) -> Message:
        """For `Serving.switch`."""
        return {"off": self.off, "quarantined": self.routes}

    def on_crash(self, crash: Crash) -> None:
        """A worker has crashed: say so, and count it when it was a route."""
        if not crash.route:
            log.error("Worker %d crashed: %s", crash.pid, crash)
            return
        now = time.monotonic()
        case = self.cases.setdefault(crash.route, Case())
        case.crashes += 1
        case.last = str(crash)
        case.recent.append(now)
        while case.recent[0] < now - self._window:
            case.recent.popleft()
        self._counting.crashed(crash.route)
        if not self._most:
            log.error("Worker %d crashed: %s", crash.pid, crash)
            return
        log.error(
            "Worker %d crashed: %s (%d of %d crashes in %g s)",
            crash.pid,
            crash,
            len(case.recent),
            self._most,
            self._window,
        )
        if len(case.recent) >= self._most and not case.since:
            self._quarantine(crash.route, case)

    def _quarantine(self, route: str, case: Case) -> None:
        case.since = time.time()
        what = {GUARD: "503 for what it guards", HOOK: "500 for what it is for"}
        log.error(
            "%s is quarantined in all workers, until %s: %s",
            route,
            self._ends,
            what.get(
                route.partition(" ")[0],
                "its Python route answers, or 503 if there is none",
            ),
        )
        self._counting.quarantined(route, True)
        self._tell()

    def lift(self, route: str) -> list[str]:
        """It may run again, or all may ("*"); which ones were quarantined."""
        found = [each for each in self.routes if route in (ALL, each)]
        for each in found:
            del self.cases[each]
            self._counting.quarantined(each, False)
            log.info("%s is no longer quarantined", each)
        if found:
            self._tell()
        return found

    def turn_off(self, pattern: str) -> bool:
        """False: it is off already. ValueError: it is no pattern."""
        if check(pattern) in self.off:
            return False
        self.off.append(pattern)
        log.info("Native routes are off: %s", pattern)
        self._tell()
        return True

    def turn_on(self, pattern: str) -> bool:
        """False: it was not off, by this pattern. "*" turns on all."""
        if pattern != ALL and pattern not in self.off:
            return False
        if not self.off:
            return False
        self.off = [] if pattern == ALL else [p for p in self.off if p != pattern]
        log.info("Native routes are on again: %s", pattern)
        self._tell()
        return True

    def toggle(self) -> None:
        """SIGUSR2: all off, or, when they are, as it was before."""
        if ALL in self.off:
            self.off.remove(ALL)
            log.info("Native routes are on again")
        else:
            self.off.append(ALL)
            log.info("All native routes are off")
        self._tell()

    def warn_of_strays(self, native: Sequence[Message]) -> None:
        """Patterns that are about no route."""
        for pattern in self.off:
            if pattern != ALL and not any(
                matches(pattern, route["methods"], route["path"]) for route in native
            ):
                log.warning("--native-off %s: there is no such native route", pattern)

    def state(self, route: Message) -> str:
        """ "on", "off" or "quarantined"."""
        if name(route) in self.routes:
            return "quarantined"
        return "off" if _is_off(route, self.off) else "on"


# --- A worker's side ----------------------------------------------------------------

ON, PASS, REFUSE = range(3)  # enum inlay_switch_state
_STATIC = "StaticFiles"  # it answers files, nothing else


def modes(
    native: Iterable[Message],
    lifted: Iterable[Message],
    twins: Routes | None,
    off: Sequence[str],
    quarantined: Sequence[str],
) -> dict[tuple[str, str], int]:
    """What becomes of native routes, and of endpoints of the application that
    were lifted out of it, by methods and path: whether C answers, the
    application does, or nobody can. `twins` is what the application has, if
    there is one; all routes are described by methods, path, module and
    function."""
    found = {}
    for route in native:
        methods, path = route["methods"], route["path"]
        mode = ON
        if name(route) in quarantined or _is_off(route, off):
            mode = PASS if has_twin(twins, route) else REFUSE
        found[methods, path] = mode
    for route in lifted:
        key = route["methods"], route["path"]
        # Behind it, in the application, is the same C.
        if name(route) in quarantined:
            found[key] = REFUSE
        else:
            found.setdefault(key, PASS if _is_off(route, off) else ON)
    for each in quarantined:
        what, _, pattern = each.partition(" ")
        if what in (GUARD, HOOK):
            found[what, pattern] = REFUSE  # never a pass
    return found


def _is_off(route: Message, off: Sequence[str]) -> bool:
    return any(matches(each, route["methods"], route["path"]) for each in off)


def has_twin(twins: Routes | None, route: Message) -> bool:
    """Has the application a route for what this native route answers?

    One whose routes can't be seen may have; what it says counts then.
    """
    if twins is None:
        return False
    if not twins.known:
        return True
    methods = set(route["methods"].split(","))
    pattern = routes.parse(route["path"])
    return any(_is_twin(entry, route, methods, pattern) for entry in twins.entries)


def _is_twin(entry: Entry, route: Message, methods: set[str], pattern: Pattern) -> bool:
    if entry.methods is not None and not entry.methods & methods:
        return False
    if entry.kind == "other":
        return entry.pattern == routes.ANYTHING  # who knows
    if not routes.covers(_loose(entry.pattern, pattern), pattern):
        return False
    if entry.kind == "mount":
        # What is in it has entries of its own, if that can be seen.
        app = getattr(entry.route, "app", None)
        return not hasattr(app, "routes") and type(app).__name__ != _STATIC
    endpoint = getattr(entry.route, "endpoint", None)
    same = (route.get("module"), route.get("function"))
    return (
        not isinstance(endpoint, _core.Function)
        or (endpoint.__module__, endpoint.__name__) != same
    )


def _loose(pattern: Pattern, other: Pattern) -> Pattern:
    """Takes any text where both have a parameter for a segment: a twin may
    leave the converter to one of the two, and what does not fit is a 404."""
    if pattern.path is None or other.path is None:
        return pattern
    mine, its = pattern.path.split("/"), other.path.split("/")
    for number, (segment, given) in enumerate(zip(mine, its, strict=False)):
        found = PARAMETER.fullmatch(segment)
        if found and found[2] != "path" and PARAMETER.fullmatch(given):
            mine[number] = f"{{{found[1]}}}"
    return routes.parse("/".join(mine))
