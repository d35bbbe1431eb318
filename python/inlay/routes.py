"""The routes of an application, in the order in which it asks them.

FastAPI's and Starlette's routers are understood, with what is mounted or
included in them. What is not understood is an entry that may match anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import paths

_DEPTH = 16  # routers within routers
_ONE_SEGMENT = frozenset({"str", "int", "float", "uuid"})

# --- Paths --------------------------------------------------------------------

ONE = "{}"  # a segment that is not empty
REST = "{:path}"  # all that is left, also nothing


@dataclass(frozen=True)
class Pattern:
    """What `path` matches; None: perhaps anything.

    `segments` are literal text, ONE, or REST as the last one. Where these can't
    say it, they match more.
    """

    segments: tuple[str, ...]
    path: str | None = None

    def text(self) -> str:
        """The same as a path of ours."""
        names = {ONE: "{{p{}}}", REST: "{{p{}:path}}"}
        return "".join(
            "/" + names.get(segment, segment.replace("{", "{{")).format(number)
            for number, segment in enumerate(self.segments)
        )


ANYTHING = Pattern((REST,))


def parse(path: str) -> Pattern:
    """What a path of Starlette's, or of ours, matches."""
    if not path.startswith("/"):
        return ANYTHING
    found: list[str] = []
    for segment in path[1:].split("/"):
        kinds = [match[2] or "str" for match in paths.PARAMETER.finditer(segment)]
        if not _ONE_SEGMENT.issuperset(kinds):
            return Pattern((*found, REST), path)
        found.append(ONE if kinds else segment)
    return Pattern(tuple(found), path)


def overlap(one: Pattern, other: Pattern) -> bool | None:
    """Is there a path that both match? None: that can't be said."""
    if one.path is None or other.path is None:
        return None
    return paths.overlap(one.path, other.path)


def covers(one: Pattern, other: Pattern) -> bool:
    """Does the first one certainly match all that the other one does?"""
    if one.path is None or other.path is None:
        return False
    return paths.covers(one.path, other.path)


# --- Entries ------------------------------------------------------------------


@dataclass
class Entry:
    """A route of the application, or something else that may take requests."""

    kind: str  # "route", "mount", "websocket", "other"
    methods: frozenset[str] | None  # None: all
    path: str  # with the prefixes that it is under
    pattern: Pattern
    route: Any  # with `endpoint`, `dependant`…, as it is where it is included
    name: str = ""
    guarded: bool = False  # by dependencies
    # Around its router: middleware, outermost first, and why it can't be said
    # what else is there.
    behind: tuple[str, ...] = ()
    obscure: tuple[str, ...] = ()
    apps: tuple[Any, ...] = ()  # the applications it is in, outermost first

    def shared(self, methods: Iterable[str]) -> set[str]:
        """Those of the methods that it is for."""
        found = set(methods)
        if self.methods is not None:
            return found & self.methods
        return found - {"WEBSOCKET"} if self.kind == "route" else found

    def meets(self, methods: Iterable[str], pattern: Pattern) -> bool | None:
        """Is there a request that is for both? None: that can't be said."""
        return overlap(self.pattern, pattern) if self.shared(methods) else False


@dataclass
class Routes:
    """What an application consists of."""

    entries: list[Entry] = field(default_factory=list)
    behind: tuple[str, ...] = ()  # middleware around all of it
    known: bool = False  # is it an application whose routes can be seen?
    plain: bool = False  # does nothing but its routes decide what it answers?

    def lack(self, path: str) -> bool:
        """Is it certain that no path that this one of ours matches is known to
        the application, by any method, nor redirected?"""
        if not self.plain:
            return False
        before, _, last = path.rpartition("/")
        ends = last == "" or parse(path).segments[-1] == REST
        same = [parse(each) for each in (path, before if ends else path + "/") if each]
        return all(
            overlap(entry.pattern, each) is False
            for entry in self.entries
            for each in same
        )


def collect(app: Any) -> Routes:
    """The routes of what is served."""
    behind: list[str] = []
    obscure: list[str] = []
    inner = _unwrap(app, behind, obscure)
    if inner is None:
        return Routes(behind=tuple(behind))
    inside, problems = surroundings(inner)
    plain = not obscure and not problems and _is_plain(inner)
    around = (*behind, *inside)
    found = Routes([], around, True, plain and _CHANGES_NOTHING.issuperset(around))
    found.entries.extend(_walk(inner, "", around, (*obscure, *problems), (inner,), 0))
    return found


# What hands every request on, as it is.
_CHANGES_NOTHING = frozenset({
    "starlette.middleware.gzip.GZipMiddleware",
    "starlette.middleware.sessions.SessionMiddleware",
})  # fmt: skip
_OWN = ("fastapi.", "starlette.")
_HTTP_ERROR = "starlette.exceptions.HTTPException"


def _is_plain(app: Any) -> bool:
    """Is what no route takes answered as FastAPI and Starlette do it?"""
    router = app.router
    if not all(type(each).__module__.startswith(_OWN) for each in (app, router)):
        return False
    deciding = [router.default]
    for error, handler in app.exception_handlers.items():
        if error in (404, 405) or class_name(error) == _HTTP_ERROR:
            deciding.append(handler)
    return getattr(router.middleware_stack, "__self__", None) is router and all(
        getattr(each, "__module__", "").startswith(_OWN) for each in deciding
    )


def class_name(value: Any) -> str:
    """As `lift-past` names it: module and name."""
    cls = value if isinstance(value, type) else type(value)
    return f"{cls.__module__}.{cls.__qualname__}"


def _is_application(app: Any) -> bool:
    return hasattr(app, "router") and hasattr(app, "user_middleware")


def _unwrap(app: Any, behind: list[str], obscure: list[str]) -> Any | None:
    """The FastAPI or Starlette application behind any ASGI wrappers."""
    for _ in range(_DEPTH):
        if _is_application(app):
            return app
        inner = getattr(app, "app", None)
        if inner is None:
            return None
        behind.append(class_name(app))
        app = inner
    return None


# Of every application of FastAPI and Starlette; they change nothing that a
# native answer has.
_DEFAULT = frozenset({
    "starlette.middleware.errors.ServerErrorMiddleware",
    "starlette.middleware.exceptions.ExceptionMiddleware",
    "fastapi.middleware.asyncexitstack.AsyncExitStackMiddleware",
})  # fmt: skip
_DEFAULT_MODULES = ("fastapi.telemetry.", "fastapi._body_limit", "starlette.")
_DEFAULT_NAMES = frozenset({
    "ExceptionTelemetryMiddleware", "AppBodyLimitMiddleware",
    "RequestBodyLimitMiddleware",
})  # fmt: skip


def _is_default(layer: Any) -> bool:
    name = class_name(layer)
    return name in _DEFAULT or (
        name.startswith(_DEFAULT_MODULES) and type(layer).__name__ in _DEFAULT_NAMES
    )


def surroundings(app: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The middleware of an application, and what can't be seen through."""
    if app.middleware_stack is None:
        cls = getattr(type(app), "build_middleware_stack", None)
        own = "build_middleware_stack" in vars(app)
        if own or not getattr(cls, "__module__", "").startswith(
            ("fastapi.", "starlette.")
        ):
            return (), ("its middleware stack is built by other code",)
        return tuple(class_name(each.cls) for each in app.user_middleware), ()
    found: list[str] = []
    layer = app.middleware_stack
    while layer is not app.router:
        if not _is_default(layer):
            found.append(class_name(layer))
        layer = getattr(layer, "app", None)
        if layer is None:
            return tuple(found), (f"{found[-1]} does not show what is behind it",)
    return tuple(found), ()


def _walk(
    owner: Any,
    prefix: str,
    behind: tuple[str, ...],
    obscure: tuple[str, ...],
    apps: tuple[Any, ...],
    depth: int,
) -> Iterator[Entry]:
    router = getattr(owner, "router", owner)
    stack = getattr(router, "middleware_stack", None)
    if stack is not None and getattr(stack, "__self__", None) is not router:
        obscure = (*obscure, "its router has middleware")
    for route in _effective(getattr(router, "routes", None) or ()):
        yield from _entries(route, prefix, behind, obscure, apps, depth)
    for route in getattr(router, "_low_priority_routes", None) or ():
        yield Entry(
            "other", None, prefix or "/", parse(prefix + "/{path:path}"), route,
            type(route).__name__, bool(getattr(route, "dependencies", None)),
            behind, obscure, apps,
        )  # fmt: skip


def _effective(routes: Iterable[Any]) -> Iterator[Any]:
    """Routes as they are where their router is included."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
            continue
        for context in contexts():
            yield getattr(context, "starlette_route", None) or context


def _entries(
    route: Any,
    prefix: str,
    behind: tuple[str, ...],
    obscure: tuple[str, ...],
    apps: tuple[Any, ...],
    depth: int,
) -> Iterator[Entry]:
    path = getattr(route, "path", None)
    endpoint = getattr(route, "endpoint", None)
    rest = (behind, obscure, apps)
    if not isinstance(path, str):
        # A host, or a route of somebody else's kind.
        yield Entry("other", None, prefix + "/…", ANYTHING, route,
                    type(route).__name__, False, *rest)  # fmt: skip
    elif endpoint is None:
        yield from _mounted(route, prefix + path, behind, obscure, apps, depth)
    elif "Socket" in type(getattr(route, "original_route", route)).__name__:
        yield Entry("websocket", frozenset({"WEBSOCKET"}), prefix + path,
                    parse(prefix + path), route, _name(endpoint),
                    _is_guarded(route), *rest)  # fmt: skip
    else:
        methods = getattr(route, "methods", None)
        yield Entry(
            "route", frozenset(methods) if methods else None, prefix + path,
            parse(prefix + path), route, _name(endpoint), _is_guarded(route), *rest,
        )  # fmt: skip


def _mounted(
    mount: Any,
    path: str,
    behind: tuple[str, ...],
    obscure: tuple[str, ...],
    apps: tuple[Any, ...],
    depth: int,
) -> Iterator[Entry]:
    wrappers: list[str] = []
    hidden: list[str] = []
    app = getattr(mount, "app", None)
    inner = _unwrap(app, wrappers, hidden)
    if inner is None and hasattr(app, "routes") and hasattr(app, "redirect_slashes"):
        inner = app  # a bare router
    if inner is not None and depth < _DEPTH and "{" not in path:
        inside, problems = surroundings(inner) if _is_application(inner) else ((), ())
        yield from _walk(
            inner,
            path,
            (*behind, *wrappers, *inside),
            (*obscure, *hidden, *problems),
            (*apps, inner),
            depth + 1,
        )
    yield Entry("mount", None, path or "/", parse(path + "/{path:path}"), mount,
                class_name(app).rpartition(".")[2], False, behind, obscure,
                apps)  # fmt: skip


def _name(endpoint: Any) -> str:
    module = getattr(endpoint, "__module__", None)
    name = getattr(endpoint, "__qualname__", None) or type(endpoint).__name__
    return f"{module}.{name}" if module else str(name)


def _is_guarded(route: Any) -> bool:
    """Do dependencies of its own, its router or its application run first?"""
    if getattr(route, "dependencies", None):
        return True
    dependant = getattr(route, "dependant", None)
    return bool(getattr(dependant, "dependencies", None))
