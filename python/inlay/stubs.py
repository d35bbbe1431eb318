"""A native module as type checkers and editors read it: a `.pyi` file.

Parameters are written as wide as calls take them (any sequence or buffer for
a slice, a mapping or an object with the fields for a struct), results as
narrow as they come.
"""

from __future__ import annotations

import enum
import inspect
import os
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from inlay import _core

_HEAD = '''\
"""{doc}"""

# Written by Inlay from the debug information of {source}; changes get lost.

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, ClassVar, Literal, Protocol

import inlay
from typing_extensions import Buffer, Self
'''

_NUMBERS = (bool, int, float)


def text(native: _core.NativeModule, source: str, doc: str | None = None) -> str:
    """The stub of a loaded module; `source` is named in its head."""
    parts = [_HEAD.format(doc=_quoted(doc or native.name), source=source)]
    names = dict(native.namespace)
    for name, value in names.items():
        if isinstance(value, type):
            parts += _class(name, value)
    for name, value in names.items():
        if isinstance(value, _core.Function):
            parts.append("\n".join(_function(name, value)) + "\n")
    return "\n".join(parts)


def write(
    native: _core.NativeModule, path: str, source: str, doc: str | None = None
) -> None:
    """Put the stub at `path`, at once and whole; only when it differs."""
    new = text(native, source, doc).encode()
    try:
        with open(path, "rb") as file:
            if file.read() == new:
                return
    except FileNotFoundError:
        pass
    part = f"{path}.{os.getpid()}.part"
    with open(part, "wb") as file:
        file.write(new)
    os.replace(part, path)


def _class(name: str, value: type) -> Iterator[str]:
    if issubclass(value, enum.IntEnum):
        yield _enum(name, value)
    elif issubclass(value, _core.Struct):
        yield _fields_protocol(name, value)
        yield _struct(name, value)
    else:
        yield _object(name, value)


def _enum(name: str, value: type[enum.IntEnum]) -> str:
    rows = [f"class {name}(IntEnum):", *_docstring(value.__doc__)]
    rows += [f"    {member} = {int(item)}" for member, item in _members(value)]
    return "\n".join(rows) + "\n"


def _members(value: type[enum.IntEnum]) -> Iterator[tuple[str, enum.IntEnum]]:
    yield from value.__members__.items()


def _fields_protocol(name: str, value: type[_core.Struct]) -> str:
    rows = [f"class _{name}(Protocol):"]
    for field, annotation in value.__annotations__.items():
        rows += ["    @property", f"    def {field}(self) -> {_in(annotation)}: ..."]
    return "\n".join(rows) + "\n"


def _struct(name: str, value: type[_core.Struct]) -> str:
    rows = [f"class {name}(inlay.Struct):", *_docstring(value.__doc__)]
    rows += [
        f"    {field}: {_out(annotation)}"
        for field, annotation in value.__annotations__.items()
    ]
    names = ", ".join(f'Literal["{field}"]' for field in value.__match_args__)
    rows.append(f"    __match_args__: ClassVar[tuple[{names}]]")
    parameters = ["self"]
    for field, annotation in value.__annotations__.items():
        optional = " = None" if field in value.__inlay_optional__ else ""
        if parameters[-1].endswith("None") and not optional:
            parameters.append("*")
        parameters.append(f"{field}: {_in(annotation)}{optional}")
    rows.append(f"    def __init__({', '.join(parameters)}) -> None: ...")
    return "\n".join(rows) + "\n"


def _object(name: str, value: type) -> str:
    rows = [f"class {name}:", *_docstring(value.__doc__)]
    signature = inspect.signature(value)
    parameters = ", ".join(filter(None, ["self", _parameters(signature)]))
    rows.append(f"    def __init__({parameters}) -> None: ...")
    for method, function in vars(value).items():
        if isinstance(function, _core.Method):
            rows += textwrap.indent(
                "\n".join(_function(method, function, "self")), "    "
            ).splitlines()
    rows += [
        "    def close(self) -> None: ...",
        "    def __enter__(self) -> Self: ...",
        "    def __exit__(self, *error: object) -> None: ...",
    ]
    return "\n".join(rows) + "\n"


def _function(
    name: str, function: _core.Function | _core.Method, first: str = ""
) -> list[str]:
    signature: inspect.Signature = function.__signature__
    word = "async def" if inspect.iscoroutinefunction(function) else "def"
    result = _out(signature.return_annotation)
    head = f"{word} {name}({_parameters(signature, first)}) -> {result}:"
    doc = _docstring(function.__doc__)
    return [head, *doc, "    ..."] if doc else [f"{head} ..."]


def _parameters(signature: inspect.Signature, first: str = "") -> str:
    """As in a `def`; `first` takes the place of a method's first parameter."""
    parts = []
    keyword_only = False
    for index, parameter in enumerate(signature.parameters.values()):
        if index == 0 and first:
            parts.append(first)
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            parts.append("*")
        default = "" if parameter.default is parameter.empty else " = ..."
        parts.append(f"{parameter.name}: {_in(parameter.annotation)}{default}")
    return ", ".join(parts)


def _in(annotation: Any) -> str:
    """What a parameter takes."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list:
        (item,) = arguments
        wide = f"Sequence[{_in(item)}]"
        takes_buffers = item in _NUMBERS or _is_struct(item)
        return f"{wide} | Buffer" if takes_buffers else wide
    if origin in (types.UnionType, typing.Union):
        return _union(arguments, _in)
    if annotation is bytes:
        return "Buffer"
    if annotation is float:
        return "float"
    if _is_struct(annotation):
        return f"{annotation.__name__} | _{annotation.__name__} | Mapping[str, Any]"
    if isinstance(annotation, type) and issubclass(annotation, enum.IntEnum):
        return f"{annotation.__name__} | int | str"
    return _out(annotation)


def _out(annotation: Any) -> str:
    """What a result is."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is None or annotation is type(None):
        return "None"
    if origin is list:
        return f"list[{_out(arguments[0])}]"
    if origin in (types.UnionType, typing.Union):
        return _union(arguments, _out)
    if origin is not None and getattr(origin, "__name__", "") == "Callable":
        takes, gives = arguments
        inner = ", ".join(_out(item) for item in takes)
        return f"Callable[[{inner}], {_out(gives)}]"
    if annotation is inspect.Parameter.empty or annotation is object:
        return "Any"
    if origin is _core.Array:
        return f"inlay.Array[{_out(arguments[0])}]"
    return str(annotation.__name__)


def _union(arguments: Sequence[Any], write_one: Callable[[Any], str]) -> str:
    return " | ".join(dict.fromkeys(write_one(item) for item in arguments))


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, _core.Struct)


def _docstring(doc: str | None) -> list[str]:
    if not doc:
        return []
    return [f'    """{_quoted(doc)}"""']


def _quoted(doc: str) -> str:
    return doc.strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
