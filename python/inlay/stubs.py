"""A native module as type checkers and editors read it: a `.pyi` file.

Parameters are written as wide as calls take them (any sequence or buffer for
a slice, a mapping or an object with the fields for a struct), results as
narrow as they come.
"""

from __future__ import annotations

import enum
import inspect
import os
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from inlay import _core

_HEAD = '''\
"""{doc}"""

# Written by Inlay from the debug information of {source}; changes get lost.

{imports}
'''

# Types are written behind a mark, until it is known which names C takes.
_STANDARD, _OWN = "\1", "\2"
_HOMES = {
    **dict.fromkeys(("Callable", "Mapping", "Sequence"), "collections.abc"),
    **dict.fromkeys(("Any", "ClassVar", "Literal", "Protocol"), "typing"),
    **dict.fromkeys(("Buffer", "Self", "TypeAlias"), "typing_extensions"),
    "IntEnum": "enum",
    "Items": "inlay.protocols",
}
# Of modules that bear the name of one of their classes.
_CLASSES = {"date": "datetime", "datetime": "datetime", "UUID": "uuid"}


def text(native: _core.NativeModule, source: str, doc: str | None = None) -> str:
    """The stub of a loaded module; `source` is named in its head."""
    parts: list[str] = []
    names = dict(native.namespace)
    for name, value in names.items():
        if isinstance(value, type):
            parts += _class(name, value)
    for name, value in names.items():
        if isinstance(value, _core.Function):
            parts.append("\n".join(_function(name, value)) + "\n")
    body, imports = _resolve("\n".join(parts), names)
    head = _HEAD.format(
        doc=_quoted(doc or native.name), source=source, imports="\n".join(imports)
    )
    return f"{head}\n{body}"


def _resolve(body: str, names: dict[str, Any]) -> tuple[str, list[str]]:
    """The text without marks, and what it imports.

    A standard name that is something else in C gets its module before it. A
    class of C whose name a member of a class has too gets another one.
    """
    classes = [value for value in names.values() if isinstance(value, type)]
    members = {name for each in classes for name in _members(each)}
    modules, aliases = {"inlay"}, set()
    imports: dict[str, set[str]] = {}  # by module

    def standard(match: re.Match[str]) -> str:
        name = match[1]
        if name in _CLASSES:
            home = _CLASSES[name]
            modules.add(f"{home} as _{home}")
            return f"_{home}.{name}"
        home = _HOMES.get(name, "builtins")
        if name in names or name in members:
            modules.add(home)
            return f"{home}.{name}"
        if home != "builtins":
            imports.setdefault(home, set()).add(name)
        return name

    def own(match: re.Match[str]) -> str:
        name = match[1]
        if name not in members:
            return name
        aliases.add(name)
        return f"_{name}_type"

    body = re.sub(rf"{_OWN}(\w+)", own, body)
    body += "".join(
        f"\n_{name}_type: {_STANDARD}TypeAlias = {name}\n" for name in sorted(aliases)
    )
    body = re.sub(rf"{_STANDARD}(\w+)", standard, body)
    lines = [f"import {home}" for home in sorted(modules)]
    for home, wanted in sorted(imports.items()):
        lines.append(f"from {home} import {', '.join(sorted(wanted))}")
    return body, lines


def _members(value: type) -> Iterable[str]:
    """The names that its body in the stub defines, but for an enum's."""
    if issubclass(value, _core.Struct):
        return value.__annotations__
    return [
        name for name, each in vars(value).items() if isinstance(each, _core.Method)
    ]


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
    rows = [f"class {name}({_STANDARD}IntEnum):", *_docstring(value.__doc__)]
    members = value.__members__.items()
    rows += [f"    {member} = {int(item)}" for member, item in members]
    return "\n".join(rows) + "\n"


def _fields_protocol(name: str, value: type[_core.Struct]) -> str:
    rows = [f"class _{name}({_STANDARD}Protocol):"]
    for field, annotation in value.__annotations__.items():
        rows.append(f"    @{_STANDARD}property")
        rows.append(f"    def {field}(self) -> {_in(annotation)}: ...")
    return "\n".join(rows) + "\n"


def _struct(name: str, value: type[_core.Struct]) -> str:
    rows = [f"class {name}(inlay.Struct):", *_docstring(value.__doc__)]
    rows += [
        f"    {field}: {_out(annotation)}"
        for field, annotation in value.__annotations__.items()
    ]
    literal = f"{_STANDARD}Literal"
    names = ", ".join(f'{literal}["{field}"]' for field in value.__match_args__)
    rows.append(f"    __match_args__: {_STANDARD}ClassVar[{_STANDARD}tuple[{names}]]")
    fields = f"{_STANDARD}dict[{_STANDARD}str, {_STANDARD}Any]"
    rows.append(f"    __dataclass_fields__: {_STANDARD}ClassVar[{fields}]")
    parameters = [_self(value.__annotations__)]
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
    first = _self(signature.parameters)
    parameters = ", ".join(filter(None, [first, _parameters(signature)]))
    rows.append(f"    def __init__({parameters}) -> None: ...")
    for method, function in vars(value).items():
        if isinstance(function, _core.Method):
            rows += textwrap.indent(
                "\n".join(_function(method, function, True)), "    "
            ).splitlines()
    rows += [
        "    def close(self) -> None: ...",
        f"    def __enter__(self) -> {_STANDARD}Self: ...",
        f"    def __exit__(self, *error: {_STANDARD}object) -> None: ...",
    ]
    return "\n".join(rows) + "\n"


def _function(
    name: str, function: _core.Function | _core.Method, bound: bool = False
) -> list[str]:
    signature: inspect.Signature = function.__signature__
    word = "async def" if inspect.iscoroutinefunction(function) else "def"
    result = _out(signature.return_annotation)
    head = f"{word} {name}({_parameters(signature, bound)}) -> {result}:"
    doc = _docstring(function.__doc__)
    return [head, *doc, "    ..."] if doc else [f"{head} ..."]


def _self(names: Iterable[str]) -> str:
    """What `self` is called beside these."""
    name = "self"
    while name in names:
        name = f"_{name}"
    return name


def _parameters(signature: inspect.Signature, bound: bool = False) -> str:
    """As in a `def`; `self` takes the place of a method's first parameter."""
    parts = []
    keyword_only = False
    for index, parameter in enumerate(signature.parameters.values()):
        if index == 0 and bound:
            parts.append(_self(list(signature.parameters)[1:]))
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
        return f"{_STANDARD}Sequence[{_in(item)}] | {_STANDARD}Items"
    if origin in (types.UnionType, typing.Union):
        return _union(arguments, _in)
    if annotation is bytes:
        return f"{_STANDARD}Buffer"
    if _is_struct(annotation):
        mapping = f"{_STANDARD}Mapping[{_STANDARD}str, {_STANDARD}Any]"
        return f"{_out(annotation)} | _{annotation.__name__} | {mapping}"
    if isinstance(annotation, type) and issubclass(annotation, enum.IntEnum):
        return f"{_out(annotation)} | {_STANDARD}int | {_STANDARD}str"
    return _out(annotation)


def _out(annotation: Any) -> str:
    """What a result is."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is None or annotation is type(None):
        return "None"
    if origin is list:
        return f"{_STANDARD}list[{_out(arguments[0])}]"
    if origin in (types.UnionType, typing.Union):
        return _union(arguments, _out)
    if origin is not None and getattr(origin, "__name__", "") == "Callable":
        takes, gives = arguments
        inner = ", ".join(_out(item) for item in takes)
        return f"{_STANDARD}Callable[[{inner}], {_out(gives)}]"
    if annotation is inspect.Parameter.empty or annotation is object:
        return f"{_STANDARD}Any"
    if origin is _core.Array:
        return f"inlay.Array[{_out(arguments[0])}]"
    standard = annotation.__module__ in ("builtins", *_CLASSES.values())
    mark = _STANDARD if standard else _OWN
    return f"{mark}{annotation.__name__}"


def _union(arguments: Sequence[Any], write_one: Callable[[Any], str]) -> str:
    return " | ".join(dict.fromkeys(write_one(item) for item in arguments))


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, _core.Struct)


def _docstring(doc: str | None) -> list[str]:
    if not doc:
        return []
    return [f'    """{_quoted(doc)}"""']


def _quoted(doc: str) -> str:
    text = doc.strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    # Nor may its last quote be one of the three behind it.
    return f'{text[:-1]}\\"' if text.endswith('"') else text
