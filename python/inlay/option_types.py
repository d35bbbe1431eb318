"""What values of options look like: click's types of our own."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
if TYPE_CHECKING:  # not generic in every click
    _Type = click.ParamType[Any]
    _Choice = click.Choice[str]
else:
    _Type, _Choice = click.ParamType, click.Choice


class Whole(click.IntRange):
    """A whole number; a file may have it with a point, but nothing behind."""

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            if isinstance(value, bool) or int(value) != float(value):
                raise ValueError
        except (ValueError, TypeError, OverflowError):
            self.fail(f"{value!r} is not a whole number", param, ctx)
        return int(super().convert(int(value), param, ctx))


class Number(click.FloatRange):
    """A number with or without a fraction."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            if isinstance(value, bool) or not math.isfinite(float(value)):
                raise ValueError
        except (ValueError, TypeError, OverflowError):
            self.fail(f"{value!r} is not a number", param, ctx)
        return float(super().convert(value, param, ctx))


class Size(_Type):
    """Bytes: 4096, 64K, 512M, 1G."""

    name = "size"

    def __init__(self, least: int = 1) -> None:
        self.least = least

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        found = _SIZE.fullmatch(str(value).strip())
        if not found:
            self.fail(f"{value!r} is not a size: write 4096, 64K, 512M, 1G", param, ctx)
        size = int(found[1]) * _UNITS[found[2].lower()]
        if not self.least <= size < 1 << 63:
            self.fail(f"{value} is out of range: {self.least} or more", param, ctx)
        return size


class Mode(_Type):
    """Permissions of a file, in octal."""

    name = "octal"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            mode = value if isinstance(value, int) else int(str(value), 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o777:
            self.fail(f'{value!r} are no permissions: write "660"', param, ctx)
        return mode


class Item(_Type):
    """One of a list. Variables separate them by commas, headers by lines."""

    name = "text"

    def __init__(self, separator: str = ",", choices: Sequence[str] = ()) -> None:
        self.separator = separator
        self.choices = choices

    def split_envvar_value(self, rv: str) -> list[str]:
        return [part.strip() for part in rv.split(self.separator) if part.strip()]

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if not isinstance(value, str):
            self.fail(f"{value!r} is not a text", param, ctx)
        return value


class Header(Item):
    """A line "Name: value", or a pair of them; names are sent in lower case."""

    name = "name:value"
    _LINE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*")

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if isinstance(value, (tuple, list)) and len(value) == 2:
            value = ": ".join(
                part.decode("latin-1") if isinstance(part, bytes) else str(part)
                for part in value
            )
        line = super().convert(value, param, ctx)
        if not self._LINE.fullmatch(line):
            self.fail(f'{value!r} is no header: write "Name: value"', param, ctx)
        name, _, text = line.partition(":")
        return f"{name.lower()}:{text}"


class Database(Item):
    """A database's URL, or NAME=URL; variables separate them by blanks. What
    is wrong with one is said without it: it may have a password."""

    name = "[name=]url"

    def __init__(self) -> None:
        super().__init__(" ")

    def split_envvar_value(self, rv: str) -> list[str]:
        return rv.split()

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if not isinstance(value, str):
            self.fail("a database is given by the text of its URL", param, ctx)
        return value


class Loop(_Type):
    """A loop's name, or the MODULE:FACTORY of another one."""

    name = "[auto|asyncio|uvloop|zuvloop|MODULE:FACTORY]"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        text = str(value)
        known = ("auto", "asyncio", "uvloop", "zuvloop", "none")  # none: asyncio's
        if text not in known and ":" not in text:
            self.fail(f"{text!r} is not one of {self.name}", param, ctx)
        return text


class Interface(_Choice):
    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "wsgi":
            self.fail(
                "WSGI is not served: wrap the application, for example with "
                "a2wsgi.WSGIMiddleware(app)",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)
