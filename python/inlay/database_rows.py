"""Rows of a database as what Python asked for: dataclasses, models, scalars."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import keyword
import types
import typing
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from uuid import UUID

from . import _core

Row = tuple[Any, ...]
Maker = Callable[[Row], Any]
# A value of a column -> one of the annotation; None: it is one already.
Reader = Callable[[Any], Any]


@lru_cache(maxsize=1024)
def maker(target: Any, names: tuple[str, ...], documents: tuple[int, ...]) -> Maker:
    """What makes a row with these columns a `target`; some of them are JSON."""
    origin = typing.get_origin(target) or target
    if isinstance(origin, type):
        if hasattr(origin, "model_validate"):
            return _model_maker(origin, names, documents)
        if _parts_of(origin) is not None:
            return _record_maker(origin, names, documents)
        if issubclass(origin, dict) or typing.is_typeddict(target):
            return _dict_maker(names, documents)
        if origin is tuple:
            return _tuple_maker(documents)
    return _scalar_maker(target, names, documents)


def wrong(text: str) -> Exception:
    return _core.Internal(text)


# --- Rows ---------------------------------------------------------------------


def _tuple_maker(documents: tuple[int, ...]) -> Maker:
    if not documents:
        return lambda row: row

    def make(row: Row) -> Row:
        values = list(row)
        for index in documents:
            values[index] = _document(values[index])
        return tuple(values)

    return make


def _dict_maker(names: tuple[str, ...], documents: tuple[int, ...]) -> Maker:
    values = _tuple_maker(documents)
    return lambda row: dict(zip(names, values(row), strict=True))


def _model_maker(cls: Any, names: tuple[str, ...], documents: tuple[int, ...]) -> Maker:
    """pydantic does the rest; a field that wants JSON as text gets that, and one
    that is no text gets what JSON in a text is."""
    fields = dict(getattr(cls, "model_fields", {}))
    for field in list(fields.values()):
        if isinstance(field.validation_alias, str):
            fields[field.validation_alias] = field

    def wants_text(name: str) -> bool:
        field = fields.get(name)
        if field is None:
            return False
        text = "Json" in repr(field.annotation) or "Json" in repr(field.metadata)
        return text or field.annotation is str

    loaded = tuple(index for index in documents if not wants_text(names[index]))
    texts = tuple(
        name
        for index, name in enumerate(names)
        if index not in documents
        and not wants_text(name)
        and name in fields
        and _is_document(fields[name].annotation)
    )
    reals = {
        name: reader(float, f"column {name}", f"{cls.__name__}.{name}", False)
        for name in names
        if name in fields and _is_real(fields[name].annotation)
    }
    make = _dict_maker(names, loaded)

    def read(row: Row) -> Any:
        values = make(row)
        for name in texts:
            # What is no JSON pydantic refuses, by its field.
            with contextlib.suppress(ValueError):
                values[name] = _loaded(values[name])
        for name, check in reals.items():
            # pydantic would round it.
            if check is not None and type(values[name]) is int:
                check(values[name])
        return cls.model_validate(values)

    return read if texts or reals else lambda row: cls.model_validate(make(row))


def _is_real(annotation: Any) -> bool:
    """Is it float, or float | None?"""
    kinds = {_plain(each) for each in _alternatives(_plain(annotation))}
    return kinds - {None, type(None)} == {float}


def _is_document(annotation: Any) -> bool:
    """Is the first that a text may become one that JSON has, and no text?"""
    for each in map(_plain, _alternatives(_plain(annotation))):
        if each in (None, type(None)):
            continue
        made = typing.get_origin(each) or each
        if not isinstance(made, type) or issubclass(made, (str, bytes, enum.Enum)):
            return False
        if (
            issubclass(made, (Sequence, Set, Mapping))
            or hasattr(made, "model_validate")
            or _parts_of(made) is not None
        ):
            return True
    return False


def _scalar_maker(
    target: Any, names: tuple[str, ...], documents: tuple[int, ...]
) -> Maker:
    if not names:
        raise wrong("the statement gives no columns")
    read = reader(target, f"column {names[0]}", "", 0 in documents)
    if read is None:
        return lambda row: row[0]
    return lambda row: read(row[0])


@dataclasses.dataclass
class _Part:
    """A field of a class that a row becomes."""

    name: str
    column: str
    annotation: Any
    needed: bool


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:  # names of a function, or of an `if TYPE_CHECKING`
        found = {}
        for base in reversed(cls.__mro__):
            found.update(base.__dict__.get("__annotations__", {}))
        return {
            name: Any if isinstance(annotation, str) else annotation
            for name, annotation in found.items()
        }


def _parts_of(cls: type) -> list[_Part] | None:
    """The fields of a dataclass, NamedTuple or struct; None of others."""
    if issubclass(cls, _core.Struct):
        return [
            _Part(
                name,
                name[:-1]
                if name.endswith("_") and keyword.iskeyword(name[:-1])
                else name,
                cls.__annotations__.get(name, Any),
                name not in cls.__inlay_optional__,
            )
            for name in cls.__match_args__
        ]
    if dataclasses.is_dataclass(cls):
        hints = _hints(cls)
        return [
            _Part(each.name, each.name, hints.get(each.name, Any), _is_needed(each))
            for each in dataclasses.fields(cls)
            if each.init
        ]
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        hints, usual = _hints(cls), getattr(cls, "_field_defaults", {})
        return [
            _Part(name, name, hints.get(name, Any), name not in usual)
            for name in cls._fields
        ]
    return None


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _record_maker(
    cls: type, names: tuple[str, ...], documents: tuple[int, ...]
) -> Maker:
    parts: list[tuple[str, int, Reader | None]] = []
    absent: dict[str, None] = {}
    for part in _parts_of(cls) or ():
        if part.column not in names:
            if not part.needed:
                continue
            if not _is_optional(part.annotation):
                raise wrong(
                    f"there is no column {part.column} for {cls.__name__}."
                    f"{part.name}; the statement gives {', '.join(names) or 'none'}"
                )
            absent[part.name] = None
            continue
        # As in dict(zip()): of columns with the same name the last one.
        index = len(names) - 1 - names[::-1].index(part.column)
        read = reader(
            part.annotation,
            f"column {part.column}",
            f"{cls.__name__}.{part.name}",
            index in documents,
        )
        parts.append((part.name, index, read))

    def make(row: Row) -> Any:
        values: dict[str, Any] = {
            name: row[index] if read is None else read(row[index])
            for name, index, read in parts
        }
        return cls(**values, **absent)

    return make


# --- Values -------------------------------------------------------------------


def _document(value: Any) -> Any:
    if isinstance(value, list):
        return [_document(each) for each in value]
    return json.loads(value) if isinstance(value, str) else value


def _spelled(annotation: Any) -> str:
    name = getattr(annotation, "__name__", None)
    if isinstance(annotation, type) and name and not typing.get_args(annotation):
        return str(name)
    return str(annotation)


def _plain(annotation: Any) -> Any:
    """Without Annotated and NewType."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _is_optional(annotation: Any) -> bool:
    annotation = _plain(annotation)
    return annotation in (Any, None, object) or type(None) in _alternatives(annotation)


def reader(
    annotation: Any, column: str, place: str, is_document: bool
) -> Reader | None:
    """Of a value of `column` that goes to `place` ("": it is all that was asked
    for); it raises inlay.Internal."""
    annotation = _plain(annotation)
    if annotation in (Any, object) or isinstance(annotation, typing.TypeVar):
        return _document if is_document else None
    optional = _is_optional(annotation)
    kinds = [_plain(each) for each in _alternatives(annotation)]
    kinds = [each for each in kinds if each not in (None, type(None))]
    reads = [_reader_of(kind, column, place, is_document) for kind in kinds]

    def refuse(value: Any) -> Exception:
        text = _spelled(annotation)
        wanted = f"{place} is {text}" if place else f"{text} was asked for"
        if value is None:
            return wrong(
                f"{column} is null, but {wanted}: make it {text} | None, "
                "or select coalesce(…)"
            )
        shown = f"a value of {type(value).__name__}"
        if type(value) is int and value.bit_length() <= 64:
            shown = f"the value {value}"
        return wrong(f"{column} has {shown}, which does not fit: {wanted}")

    def read(value: Any) -> Any:
        if value is None:
            if optional:
                return None
            raise refuse(value)
        for each in reads:
            try:
                return each(value)
            except (TypeError, ValueError, KeyError, InvalidOperation):
                continue
        raise refuse(value)

    return read


def _reader_of(kind: Any, column: str, place: str, is_document: bool) -> Reader:
    """One of a type that is no union; what does not fit is a ValueError."""
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return _literal(typing.get_args(kind))
    if origin in (list, Sequence, set, frozenset) or kind in (list, set, frozenset):
        return _list(origin or kind, typing.get_args(kind), column, place)
    made = origin or kind
    if made in _READERS:
        return _READERS[made]
    if isinstance(made, type):
        if issubclass(made, enum.Enum):
            return _enumeration(made)
        if issubclass(made, dict) or typing.is_typeddict(made):
            return _mapping
        if hasattr(made, "model_validate"):
            return lambda value: made.model_validate(_loaded(value))
        if _parts_of(made) is not None:
            return _nested(made)
        if not is_document:
            return _instance(made)
    return lambda value: _document(value) if is_document else value


def _instance(cls: type) -> Reader:
    def read(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        raise ValueError

    return read


def _literal(values: tuple[Any, ...]) -> Reader:
    def read(value: Any) -> Any:
        if value in values:
            return value
        raise ValueError

    return read


def _loaded(value: Any) -> Any:
    """SQLite and text columns have JSON as text."""
    return json.loads(value) if isinstance(value, str) else value


def _mapping(value: Any) -> Any:
    found = _loaded(value)
    if isinstance(found, dict):
        return found
    raise ValueError


def _list(made: Any, of: tuple[Any, ...], column: str, place: str) -> Reader:
    item = reader(of[0], f"an element of {column}", place, False) if of else None
    collect = made if made in (set, frozenset) else list

    def read(value: Any) -> Any:
        found = _loaded(value)
        if not isinstance(found, list):
            raise ValueError
        return collect(found if item is None else map(item, found))

    return read


def _nested(cls: type) -> Reader:
    def read(value: Any) -> Any:
        found = _mapping(value)
        names = tuple(found)
        return maker(cls, names, ())(tuple(found.values()))

    return read


def _enumeration(cls: type[enum.Enum]) -> Reader:
    def read(value: Any) -> Any:
        try:
            return cls(value)
        except ValueError:
            return cls[value]  # as C writes it

    return read


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError


def _integer(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    if isinstance(value, (int, float, str)):
        return int(value)
    raise ValueError


def _real(value: Any) -> float:
    if not isinstance(value, (int, float, str)):
        raise ValueError
    if isinstance(value, int) and not _is_exact(value):
        raise ValueError
    return float(value)


def _is_exact(value: int) -> bool:
    """Is it the same as a float?"""
    try:
        return float(value) == value
    except OverflowError:  # of JSON
        return False


def _boolean(value: Any) -> bool:
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise ValueError


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    raise ValueError


def _decimal(value: Any) -> Decimal:
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, (int, str)):
        return Decimal(value)
    raise ValueError


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    # Before 3.11 fromisoformat knows no Z.
    text = _text(value)
    return datetime.fromisoformat(f"{text[:-1]}+00:00" if text[-1:] == "Z" else text)


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return date.fromisoformat(_text(value))


def _time(value: Any) -> time:
    return time.fromisoformat(_text(value))


def _uuid(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    return UUID(bytes=value) if isinstance(value, bytes) else UUID(_text(value))


_READERS: dict[Any, Reader] = {
    str: _text,
    int: _integer,
    float: _real,
    bool: _boolean,
    bytes: _bytes,
    Decimal: _decimal,
    datetime: _moment,
    date: _day,
    time: _time,
    UUID: _uuid,
}
