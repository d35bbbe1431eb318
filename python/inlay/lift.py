"""Endpoints of FastAPI that are C functions, answered without Python.

A route is lifted when nobody can tell: nothing that FastAPI would run before,
around or after the function is skipped. Registration order is kept: what was
registered before and matches too still answers. Whatever does not fit (a wrong
parameter, another method) is handed to the application all the same.
"""

from __future__ import annotations

import inspect
import keyword
import re
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from . import _core
from .enums import Enum
from .errors import answer_error
from .routes import REST, Entry, Pattern, Routes, covers

Barrier = tuple[str, str]
Lifted = tuple[str, str, _core.Function, int, bool, bool, tuple[Barrier, ...]]

_OPTIONS = {
    "response_model_include": None,
    "response_model_exclude": None,
    "response_model_by_alias": True,
    "response_model_exclude_unset": False,
    "response_model_exclude_defaults": False,
    "response_model_exclude_none": False,
}
_PLAIN = (bool, int, float, str, date, datetime, UUID)
# What an exception of a C function may be caught as.
_RAISED = (
    ValueError, LookupError, PermissionError, RuntimeError, OverflowError,
    TimeoutError, ConnectionError, MemoryError, NotImplementedError,
)  # fmt: skip


@dataclass
class Decision:
    """What became of an endpoint that is a C function."""

    entry: Entry
    function: _core.Function
    reason: str = ""  # why it is not lifted
    methods: list[str] = field(default_factory=list)
    barriers: tuple[Barrier, ...] = ()
    explains: bool = False

    def text(self) -> str:
        """For the log."""
        methods = ",".join(self.methods or sorted(self.entry.methods or ()))
        name = f"{self.function.__module__}.{self.function.__name__}"
        line = f"{methods} {self.entry.path} -> {name}"
        return f"{line}: {self.reason}" if self.reason else line

    def message(self) -> dict[str, str]:
        """As Server.native_routes() tells of a route."""
        return {
            "methods": ",".join(self.methods),
            "path": self.entry.path,
            "module": self.function.__module__,
            "function": self.function.__name__,
        }

    def lifted(self) -> Lifted:
        """As Server.lift() takes it."""
        return (
            ",".join(self.methods),
            self.entry.path,
            self.function,
            self.entry.route.status_code or 200,
            self.explains,
            bool(_own_root(self.entry)),
            self.barriers,
        )


def strays(routes: Routes, past: Iterable[str]) -> list[str]:
    """Those of the names that are no middleware of the application."""
    there = {name for entry in routes.entries for name in entry.behind}
    there.update(routes.behind)
    return [each for each in past if not any(_is_named(name, each) for name in there)]


def _is_named(name: str, past: str) -> bool:
    return name == past or name.endswith(f".{past}")


def decide(routes: Routes, past: Iterable[str] = ()) -> list[Decision]:
    """For every endpoint that is a C function: is it lifted, or why not?"""
    decisions = []
    for index, entry in enumerate(routes.entries):
        function = getattr(entry.route, "endpoint", None)
        if entry.kind != "route" or not isinstance(function, _core.Function):
            continue
        decision = Decision(entry, function)
        decision.reason = next(_reasons(entry, function, tuple(past)), "")
        if not decision.reason:
            _place(decision, routes.entries[:index])
        decisions.append(decision)
    return decisions


def apply(server: _core.Server, decisions: list[Decision]) -> None:
    """Hand them to the server; what it refuses is not lifted."""
    wanted = [each for each in decisions if not each.reason]
    try:
        server.lift([each.lifted() for each in wanted])
        return
    except (ImportError, ValueError):
        pass
    good: list[Lifted] = []
    for decision in wanted:
        try:
            server.lift([*good, decision.lifted()])
            good.append(decision.lifted())
        except (ImportError, ValueError) as error:
            decision.reason = str(error)
    server.lift(good)


# --- The order ----------------------------------------------------------------


def _shape(path: str) -> str:
    """The path without the names of its parameters."""
    return re.sub(r"\{\w+", "{", path)


def _place(decision: Decision, earlier: list[Entry]) -> None:
    """The methods that are left to it, and what may match before it does."""
    entry = decision.entry
    left = sorted(entry.methods or ())
    barriers: dict[str, set[str]] = {}
    for other in earlier:
        if other.kind == "websocket" or other.meets(left, entry.pattern) is False:
            continue
        its = left if other.methods is None else sorted(other.methods & set(left))
        if _shape(other.path) == _shape(entry.path) or covers(
            other.pattern, entry.pattern
        ):
            left = [method for method in left if method not in its]
            if not left:
                decision.reason = f"{other.path} ({other.name}) comes before it"
                return
        else:
            barriers.setdefault(other.pattern.text(), set()).update(its)
    barriers.update((path, set(left)) for path in _own_root(entry))
    decision.methods = left
    decision.barriers = tuple(
        (",".join(sorted(methods)), path) for path, methods in barriers.items()
    )
    decision.explains = _explains(entry)


def _own_root(entry: Entry) -> tuple[str, ...]:
    """An application's own root path is taken off paths that begin with it:
    which these are."""
    root = str(getattr(entry.apps[0], "root_path", "") or "").rstrip("/")
    if not root:
        return ()
    segments = tuple(root[1:].split("/"))
    return (Pattern(segments).text(), Pattern((*segments, REST)).text())


# --- What would be skipped ----------------------------------------------------


def _reasons(
    entry: Entry, function: _core.Function, past: tuple[str, ...]
) -> Iterator[str]:
    """Why it can't be lifted, the weightiest first."""
    yield from entry.obscure
    for name in entry.behind:
        if not any(_is_named(name, each) for each in past):
            yield f"{name} stands before it (lift-past may name it)"
    if entry.guarded:
        yield "it has dependencies"
    for app in entry.apps:
        yield from _of_application(app, entry)
    yield from _of_route(entry)
    yield from _of_answer(entry.route, function)
    yield from _of_function(function)
    yield from _of_path(entry, function)
    yield from _of_parameters(entry.route, function)


def _is_original(cls: type, *names: str) -> bool:
    """Are these methods FastAPI's or Starlette's own?"""
    for name in names:
        found = inspect.getattr_static(cls, name, None)
        if found is not None and (
            type(found) is not types.FunctionType
            or not found.__module__.startswith(("fastapi.", "starlette."))
        ):
            return False
    return True


def _of_application(app: Any, entry: Entry) -> Iterator[str]:
    router = getattr(app, "router", app)
    if not _is_original(type(app), "__call__", "build_middleware_stack"):
        yield f"{type(app).__name__} has a __call__ of its own"
    if not _is_original(type(router), "__call__", "app", "handle", "matches"):
        yield f"{type(router).__name__} is a router of another kind"
    if getattr(app, "debug", False):
        yield "debug is on: exceptions are shown"
    if len(entry.apps) > 1 and getattr(app, "root_path", None):
        yield "root_path does not go with mounted applications"
    for each in (app, router):
        if getattr(each, "max_body_size", None) is not None:
            yield "max_body_size limits it"
    telemetry = getattr(app, "_native_telemetry", None)
    if telemetry is not None and telemetry.enabled():
        yield "telemetry is on"
    yield from _of_handlers(getattr(app, "exception_handlers", {}))


def _of_handlers(handlers: dict[Any, Any]) -> Iterator[str]:
    for key, handler in handlers.items():
        if key is _core.Error and handler is answer_error:
            continue
        if key == 500:
            yield "an exception handler for 500 would be skipped"
        elif isinstance(key, type) and (
            issubclass(_core.Error, key)
            or issubclass(key, _core.Error)
            or any(issubclass(each, key) for each in _RAISED)
        ):
            yield f"an exception handler for {key.__name__} would be skipped"


def _explains(entry: Entry) -> bool:
    """Does its application answer inlay.Error as native routes do?"""
    owner = next(app for app in reversed(entry.apps) if hasattr(app, "router"))
    return owner.exception_handlers.get(_core.Error) is answer_error


def _of_route(entry: Entry) -> Iterator[str]:
    from fastapi.routing import APIRoute

    route = entry.route
    original = getattr(route, "original_route", route)
    if type(original) is not APIRoute:
        yield f"it is a route of type {type(original).__name__}"
        return
    if "handle" in vars(original) or not _is_original(
        APIRoute, "handle", "matches", "get_route_handler"
    ):
        yield "other code has changed how FastAPI's routes work"
    if getattr(route, "max_body_size", None) is not None:
        yield "max_body_size limits it"
    strict = getattr(route, "strict_content_type", True)
    if not getattr(strict, "value", strict):
        yield "strict_content_type is off"


def _of_answer(route: Any, function: _core.Function) -> Iterator[str]:
    from fastapi.datastructures import DefaultPlaceholder
    from fastapi.responses import JSONResponse

    chosen = route.response_class
    if not isinstance(chosen, DefaultPlaceholder) or chosen.value is not JSONResponse:
        yield "it has a response class"
    for name, usual in _OPTIONS.items():
        if getattr(route, name, usual) != usual:
            yield f"it has {name}"
    result = function.__signature__.return_annotation
    if result in (None, type(None)):
        if route.response_model not in (None, type(None)):
            yield "it has a response_model, and the function returns nothing"
    elif route.response_model is not result and route.response_model != result:
        yield "its response_model is not what the function returns"
    elif not _is_known(result, result=True):
        yield f"FastAPI writes {_spelled(result)} in another way"
    status = route.status_code or 200
    if status < 200 or status in (205, 304):
        yield f"its status is {status}"


def _of_function(function: _core.Function) -> Iterator[str]:
    if inspect.iscoroutinefunction(function):
        yield "INLAY_ASYNC: it is awaited"


def _spelled(annotation: Any) -> str:
    return inspect.formatannotation(annotation)


def _parts(annotation: Any) -> tuple[Any, ...]:
    """What an optional or a list is of; () of others."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return tuple(
            each for each in typing.get_args(annotation) if each is not type(None)
        )
    if origin in (list, _core.Array):
        return typing.get_args(annotation)
    return ()


def _is_known(
    annotation: Any, result: bool = False, seen: tuple[Any, ...] = ()
) -> bool:
    """Is it read and written alike here and there?"""
    if annotation in _PLAIN:
        return annotation is not float or not result or _writes_floats_alike()
    if typing.get_origin(annotation) is _core.Array and not result:
        return False
    if parts := _parts(annotation):
        return all(_is_known(part, result, seen) for part in parts)
    if not isinstance(annotation, type):
        return False
    if issubclass(annotation, Enum):
        return True
    if not issubclass(annotation, _core.Struct):
        return False
    if annotation in seen:
        return True
    return all(
        not _is_renamed(name)
        and _is_known(annotation.__annotations__[name], result, (*seen, annotation))
        for name in annotation.__match_args__
    )


def _writes_floats_alike() -> bool:
    """FastAPI leaves JSON to pydantic, or (before) to Python."""
    from fastapi.routing import serialize_response

    return "dump_json" in inspect.signature(serialize_response).parameters


def _is_renamed(name: str) -> bool:
    """C has it without the underscore."""
    return name.endswith("_") and keyword.iskeyword(name[:-1])


def _of_path(entry: Entry, function: _core.Function) -> Iterator[str]:
    parameters = function.__signature__.parameters
    segments = entry.path[1:].split("/")
    for number, segment in enumerate(segments):
        if "{" not in segment:
            continue
        match = re.fullmatch(r"\{(\w+)(?::(\w+))?\}", segment)
        name, kind = (match[1], match[2] or "str") if match else ("", "")
        if name not in parameters:
            yield f"its path has {segment}, which is no parameter of the function"
        elif kind == "int":
            if parameters[name].annotation not in (int, float):
                yield f"its path has {segment}, and {name} is no number"
        elif kind not in ("str", "path") or (
            kind == "path" and number < len(segments) - 1
        ):
            yield f"its path has {segment}"
    if entry.pattern.path is None:
        yield "its path is more than segments"


def _is_document(annotation: Any) -> bool:
    """Is it a body, whatever the method?"""
    if typing.get_origin(annotation) is list:
        return True
    parts = _parts(annotation)
    if parts:
        return any(_is_document(part) for part in parts)
    return isinstance(annotation, type) and issubclass(annotation, _core.Struct)


def _of_parameters(route: Any, function: _core.Function) -> Iterator[str]:
    dependant = route.dependant
    places = {
        place: {each.name for each in getattr(dependant, f"{place}_params")}
        for place in ("path", "query", "header", "cookie", "body")
    }
    aliased = any(
        each.alias != each.name
        for place in places
        for each in getattr(dependant, f"{place}_params")
    )
    if places["header"] or places["cookie"] or aliased:
        yield "FastAPI takes its parameters from other places"
    for name, parameter in function.__signature__.parameters.items():
        wanted = (
            "path"
            if name in places["path"]
            else "body"
            if _is_document(parameter.annotation)
            else "query"
        )
        if name not in places[wanted]:
            yield f"FastAPI takes {name} from another place than the {wanted}"
        elif _is_renamed(name):
            yield f"{name} has another name in C"
        elif not _is_known(parameter.annotation):
            yield f"FastAPI reads {_spelled(parameter.annotation)} in another way"
    if getattr(route, "_embed_body_fields", False) != (len(places["body"]) > 1):
        yield "FastAPI wants its body in another form"
