"""Modules that were built ahead: NAME.inlay.so beside (or without) its source.

A section of the file says what it was made from. `stamp` writes it, for
`inlay build`; the import hook reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from inlay.compiling import Made
    from inlay.recipe import Recipe

SUFFIX = ".inlay.so"
SECTION = ".inlay_build"
_MOST = 1 << 24  # bytes of a section


class Built(NamedTuple):
    """What a module says about itself."""

    path: str
    root: str  # where its sources seem to have been: compiling.map_prefixes
    doc: str | None
    files: dict[str, str]  # path from the module's folder -> SHA-256


def default_root(name: str) -> str:
    """Of a module called `name`, for compiling.map_prefixes and `stamp`."""
    return f"/inlay/{name}"


def find(path: str, name: str) -> Built:
    """Reads what `stamp` wrote; ImportError when it is for another Python."""
    try:
        with open(path, "rb") as file:
            content = _section(file, SECTION.encode())
        known: dict[str, Any] = json.loads(content) if content else {}
        python = known.get("python")
        files = {str(k): str(v) for k, v in known.get("files", {}).items()}
        root = str(known.get("root", default_root(name)))
        made = Built(path, root, known.get("doc"), files)
    except (ValueError, OverflowError, AttributeError, struct.error) as error:
        raise ImportError(f"{path} is damaged: build it again") from error
    tag = sys.implementation.cache_tag
    if python not in (None, tag):
        raise ImportError(
            f"{path} was built for {python}, as it includes Python.h; this is {tag}: "
            "build it again"
        )
    return made


def is_current(made: Built) -> bool:
    """Are the files that it was made from what they were? False: not known."""
    folder = os.path.dirname(made.path)
    try:
        return bool(made.files) and all(
            _digest(os.path.join(folder, path)) == digest
            for path, digest in made.files.items()
        )
    except OSError:
        return False


def stamp(path: str, recipe: Recipe, made: Made, root: str, doc: str | None) -> None:
    """Writes into the module at `path` what it was made from.

    It is to lie in the source's folder, or in one where there is no source.
    """
    import tempfile

    from inlay import programs, toolchain

    # What lies elsewhere is another machine's, once this file has moved there.
    own = (os.path.join(recipe.root, ""), os.path.join(recipe.folder, ""))
    files = [file for file in made.files if file.startswith(own)]
    known = {
        "root": root,
        "doc": doc,
        "python": sys.implementation.cache_tag if recipe.python else None,
        "files": {os.path.relpath(f, recipe.folder): _digest(f) for f in files},
    }
    program = toolchain.which("objcopy") or toolchain.which("llvm-objcopy")
    if program is None:
        raise ImportError("objcopy was not found: install binutils")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        json.dump(known, file)
        file.flush()
        options = [
            f"--remove-section={SECTION}",
            f"--add-section={SECTION}={file.name}",
        ]
        command = [os.path.abspath(program), *options, path]
        said = programs.ask(command, os.path.dirname(os.path.abspath(path)))
    if said.status != 0:
        raise ImportError(f"objcopy failed on {path}: {said.text}", path=path)


def is_shim(path: str) -> bool:
    """Is a Python file only there to load the module beside it?"""
    try:
        with open(path, "rb") as file:
            return b"load_built(__name__, __file__)" in file.read(4096)
    except OSError:
        return False


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _section(file: BinaryIO, name: bytes) -> bytes | None:
    """A section of a 64-bit little-endian ELF file; None: it has no such."""
    head = file.read(64)
    if head[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not an ELF file of this machine")
    (table,) = struct.unpack_from("<Q", head, 40)
    size, count, names = struct.unpack_from("<3H", head, 58)
    if size != 64 or names >= count:
        return None
    file.seek(table)
    content = file.read(size * count)
    if len(content) != size * count:
        raise ValueError("the file is cut off")
    rows = list(struct.iter_unpack("<2I4Q2I2Q", content))
    text = _content(file, rows[names])
    for row in rows:
        if text[row[0] :].startswith(name + b"\0"):
            return _content(file, row)
    return None


def _content(file: BinaryIO, row: tuple[int, ...]) -> bytes:
    offset, size = row[4], row[5]
    if size > _MOST:
        raise ValueError("a section is too large")
    file.seek(offset)
    return file.read(size)
