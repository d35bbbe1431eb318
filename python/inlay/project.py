"""What a project says of how it is served: `[tool.inlay]` of its
pyproject.toml, its env file, and the usual places of an application.

    [tool.inlay]
    target = "app:app"
    workers = 4
    header = ["x-frame-options: DENY"]
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from typing import Any

from . import options
from .options import OptionError
from .toml import parse_toml

# Paths of the table are relative to its file, wherever the command is typed;
# in these, what follows the text.
_PATHS = {
    "app_dir": "",
    "env_file": "",
    "log_config": "",
    "uds": "",
    "reload_dirs": "",
    "static": "=",
    "bind": "unix:",
}
# Tried in this order, as `fastapi run` does.
_FILES = ("main.py", "app.py", "api.py", "asgi.py")
_NAMES = ("app", "api", "application")


def settings(folder: str, named: bool) -> dict[str, Any]:
    """Values by field of Config of the next [tool.inlay], from this folder
    upwards; none when nobody has one. If no target has been `named`, its own
    is imported from its folder. Raises OptionError."""
    for path in _upwards(os.path.abspath(folder or ".")):
        table = _table(path)
        if table is not None:
            values = _read(path, table)
            if "target" in values and not named:
                values.setdefault("app_dir", os.path.dirname(path))
            return values
    return {}


def _upwards(folder: str) -> Iterator[str]:
    while True:
        path = os.path.join(folder, "pyproject.toml")
        if os.path.isfile(path):
            yield path
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _table(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            tool = parse_toml(file.read()).get("tool", {})
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: {error}") from None
    table = tool.get("inlay")
    if table is not None and not isinstance(table, dict):
        raise OptionError(f"{path}: tool.inlay is no table")
    return table


def _read(path: str, table: dict[str, Any]) -> dict[str, Any]:
    folder = os.path.dirname(path)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "target":
            if not isinstance(value, str):
                raise OptionError(f"{path}: [tool.inlay] target is no text")
            values["target"] = value
            continue
        field = options.field_of(key)
        if field is None:
            named = key.replace("_", "-")
            raise OptionError(
                f'{path}: [tool.inlay] has no option "{key}"'
                + options.like(named, ["target", *options.NAMES])
            )
        try:
            values[field] = options.convert(field, _anchored(field, value, folder))
        except OptionError as error:
            raise OptionError(f"{path}: [tool.inlay] {key}: {error}") from None
    return values


def _anchored(field: str, value: Any, folder: str) -> Any:
    if isinstance(value, list):
        return [_anchored(field, each, folder) for each in value]
    if field == "db" and isinstance(value, dict):
        return {name: _anchored(field, url, folder) for name, url in value.items()}
    if field == "db" and isinstance(value, str):
        return _anchored_url(value, folder)
    if field not in _PATHS or not isinstance(value, str):
        return value
    mark = _PATHS[field]
    head, found, path = value.partition(mark) if mark else ("", "", value)
    if found != mark or path.startswith("@"):
        return value  # HOST:PORT; an abstract socket
    return f"{head}{found}{os.path.join(folder, path)}"


def _anchored_url(text: str, folder: str) -> str:
    """sqlite:///app.db of this folder; no other one is a file's."""
    found = re.fullmatch(r"([\w-]*=)?(sqlite(?:\+\w+)?:///)([^/:?].*)", text, re.I)
    return f"{found[1] or ''}{found[2]}{folder}/{found[3]}" if found else text


def load_env_file(path: str) -> None:
    """Variables of the file that are not set yet. Raises OptionError."""
    try:
        from dotenv import load_dotenv
    except ImportError:
        raise OptionError(
            "--env-file needs python-dotenv: pip install python-dotenv"
        ) from None
    if not os.path.exists(path) or os.path.isdir(path):
        raise OptionError(f'--env-file: there is no file "{path}"')
    load_dotenv(path)


def find_target(app_dir: str) -> str:
    """MODULE:ATTRIBUTE of the application in this folder, by the names that
    most have. Nothing is imported. Raises OptionError."""
    for file in _FILES:
        path = os.path.join(app_dir or ".", file)
        try:
            with open(path, "rb") as source:
                tree = ast.parse(source.read(), path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, SyntaxError, ValueError) as error:
            raise OptionError(f"{path}: {error}") from None
        found = set(_names(tree))
        for name in _NAMES:
            if name in found:
                return f"{file.removesuffix('.py')}:{name}"
    raise OptionError(
        "TARGET is missing: give one (app:app), or `target` in [tool.inlay] of "
        f"pyproject.toml; without, {', '.join(_FILES)} are searched for "
        f"{', '.join(_NAMES)}, in {os.path.abspath(app_dir or '.')}"
    )


def _names(tree: ast.Module) -> Iterator[str]:
    """What the module's own lines define."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.ImportFrom):
            yield from (each.asname or each.name for each in node.names)
