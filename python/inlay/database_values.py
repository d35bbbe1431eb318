"""What parameters become that no database knows: for inlay._core."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import ipaddress
import json
import operator
import uuid
from typing import Any

from . import _core
from .enums import Enum as NativeEnum

_TEXTS = (
    decimal.Decimal,
    uuid.UUID,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
)
_MOMENTS = (datetime.date, datetime.time)


def adapt(value: Any) -> tuple[bool, Any]:
    """(True, JSON text), or (False, what to take instead)."""
    if isinstance(value, NativeEnum):
        return False, value.name  # as C gives it to a database
    if isinstance(value, enum.Enum):
        return False, value.value
    if isinstance(value, str):
        return False, "".join((value,))
    if isinstance(value, float):
        return False, float(value)
    if isinstance(value, _TEXTS):
        return False, str(value)
    if isinstance(value, datetime.time):
        return False, value.isoformat()
    if type(value) not in (list, tuple) and isinstance(value, (list, tuple)):
        return False, list(value)
    if isinstance(value, (list, tuple, dict)) or _is_record(value):
        return True, document(value)
    try:
        return False, operator.index(value)
    except TypeError:
        raise TypeError(
            f"{type(value).__name__} is no value of a database; give it as text"
        ) from None


def document(value: Any) -> str:
    """The value as JSON text."""
    dump = getattr(type(value), "model_dump_json", None)
    if dump is not None:
        text: str = dump(value)
        return text
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)


def _is_record(value: Any) -> bool:
    kind = type(value)
    return (
        isinstance(value, _core.Struct)
        or dataclasses.is_dataclass(kind)
        or hasattr(kind, "model_dump_json")
    )


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, _core.Struct):
        return {name: value[name] for name in value.keys()}
    if dataclasses.is_dataclass(type(value)):
        fields = dataclasses.fields(value)
        return {each.name: getattr(value, each.name) for each in fields}
    if hasattr(type(value), "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, _TEXTS):
        return str(value)
    if isinstance(value, _MOMENTS):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def row(value: Any) -> Any:
    """The values of a row for batch() and copy_in(): a sequence of them."""
    if isinstance(value, _core.Struct):
        return [value[name] for name in value.keys()]
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return [getattr(value, each.name) for each in dataclasses.fields(kind)]
    if hasattr(kind, "model_fields"):
        return [getattr(value, name) for name in kind.model_fields]
    if isinstance(value, (str, bytes, dict)):
        raise TypeError(
            "a row is a list or tuple of values, a dataclass or a model, not "
            f"{kind.__name__}"
        )
    return value
