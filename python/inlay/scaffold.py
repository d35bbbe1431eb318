"""`inlay new`: a folder with something in it that runs, and its test."""

from __future__ import annotations

import keyword
import os
import shutil
import string
from collections.abc import Iterator

NEXT_STEPS = {
    "function": ("python main.py", "python -m pytest"),
    "routes": ("inlay dev app:app", "python -m pytest"),
    "wheel": ("inlay build --wheel", "python -m pytest"),
}


class ScaffoldError(Exception):
    """The folder can't be made; the message says why."""


def create(path: str, template: str) -> list[str]:
    """Make the folder `path` from a template; the files that were made."""
    name = os.path.basename(os.path.abspath(path))
    if template == "wheel" and (not name.isidentifier() or keyword.iskeyword(name)):
        raise ScaffoldError(
            f'"{name}" can\'t be the name of a Python package: '
            "letters, digits and _ only, no digit first, no word of Python's own"
        )
    if os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path)):
        raise ScaffoldError(f"{path} is there already, and not empty")
    existed = os.path.isdir(path)
    made = []
    try:
        for source, relative in _files(template):
            target = os.path.join(path, relative.replace("NAME", name))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(source, encoding="utf-8") as file:
                text = string.Template(file.read()).substitute(name=name)
            with open(target, "w", encoding="utf-8") as file:
                file.write(text)
            made.append(target)
    except OSError as error:
        if not existed:
            shutil.rmtree(path, ignore_errors=True)
        raise ScaffoldError(
            f"cannot write {error.filename}: {error.strerror}"
        ) from error
    return made


def _files(template: str) -> Iterator[tuple[str, str]]:
    """(file of the template, path in the new folder)"""
    root = os.path.join(os.path.dirname(__file__), "templates", template)
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            if name.endswith(".tmpl"):
                path = os.path.join(folder, name)
                yield path, os.path.relpath(path, root).removesuffix(".tmpl")
