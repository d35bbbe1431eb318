"""Native modules compiled ahead of time: what `inlay build` and wheels ship.

Such a module holds the debug information that binding and crash reports need
and nothing else, the documentation that is in the source's comments, and no
path of this machine.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from inlay import _core, built, cache, compiling, programs, stubs, toolchain
from inlay.errors import BuildError
from inlay.importer import head_comment
from inlay.recipe import Recipe, language

# Where variables are at each instruction; what macros there were: only
# debuggers ask for it.
_NEEDLESS = (
    *(".debug_loclists", ".debug_loc", ".debug_aranges", ".debug_macro"),
    *(".debug_pubnames", ".debug_pubtypes", ".comment", ".gdb_index"),
)


class Ahead(NamedTuple):
    """One module, built."""

    name: str
    source: str
    stub: str
    python_only: bool  # it includes Python.h: for this version only
    warnings: str


def compile_module(source: str, name: str, output: str) -> Ahead:
    """Build the module `name` of a source into the file `output`."""
    recipe = Recipe(source)
    root = built.default_root(name)
    doc = head_comment(source)
    # Comments are found by the real paths, which the shipped one has not.
    plain = cache.build(source)
    native = _core.load(name, plain.path, plain.root)
    folder = os.path.dirname(os.path.abspath(output))
    with tempfile.TemporaryDirectory(prefix=".inlay-", dir=folder) as scratch:
        part = os.path.join(scratch, "module.so")
        made = compiling.make(
            recipe, part, scratch, cflags=compiling.map_prefixes(recipe, root)
        )
        _slim(part, native.docs, scratch)
        built.stamp(part, recipe, made, root, doc)
        os.chmod(part, 0o755)
        os.replace(part, output)
    stub = stubs.text(native, os.path.basename(source), doc)
    return Ahead(
        name, source, stub, recipe.python, "" if plain.fresh else made.warnings
    )


def _slim(path: str, docs: dict[str, str], scratch: str) -> None:
    """Take out what nobody reads at run time, put the documentation in."""
    program = toolchain.which("objcopy") or toolchain.which("llvm-objcopy")
    if program is None:
        raise BuildError("objcopy was not found: install binutils")
    table = os.path.join(scratch, "docs")
    with open(table, "wb") as file:
        for name, text in docs.items():
            file.write(name.encode() + b"\0" + text.encode() + b"\0")
    options = [f"--add-section=.inlay_docs={table}"]
    options += [f"--remove-section={section}" for section in _NEEDLESS]
    said = programs.ask([os.path.abspath(program), *options, path], scratch)
    if said.status != 0:
        raise BuildError(f"objcopy failed on {path}: {said.text}")


def find_modules(files: Iterable[str]) -> Iterator[str]:
    """The sources that are modules: those that no other one takes in."""
    sources = [path for path in files if language(path)]
    parts: set[str] = set()
    for path in sources:
        parts.update(Recipe(path).sources[1:])
    for path in sources:
        if os.path.abspath(path) not in parts:
            yield path


def module_name(source: str) -> str:
    """pkg/fast.c is pkg.fast when pkg is a package."""
    folder, file = os.path.split(os.path.abspath(source))
    names = [os.path.splitext(file)[0]]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        names.insert(0, package)
    return ".".join(names)


def native_sources(path: str) -> list[str]:
    """A source itself, or the modules of a folder and those below it."""
    if os.path.isfile(path):
        if language(path) is None:
            raise BuildError(f"{path} is neither C, C++ nor Rust")
        return [path]
    if not os.path.isdir(path):
        raise BuildError(f"there is no file or folder {path}")
    found = []
    for folder, names, files in os.walk(path):
        names[:] = sorted(
            name
            for name in names
            if not name.startswith(".")
            and name not in ("node_modules", "build", "dist", "target", "__pycache__")
            and not os.path.isfile(os.path.join(folder, name, "pyvenv.cfg"))
        )
        found += [os.path.join(folder, name) for name in sorted(files)]
    return list(find_modules(found))


def build_in_place(path: str) -> Iterator[Ahead]:
    """NAME.inlay.so and NAME.pyi beside each source."""
    sources = native_sources(path)
    if not sources:
        raise BuildError(f"{path} has no native modules: no C, C++ or Rust file")
    for source in sources:
        stem = os.path.splitext(source)[0]
        made = compile_module(source, module_name(source), stem + built.SUFFIX)
        with open(f"{stem}.pyi", "w", encoding="utf-8") as file:
            file.write(made.stub)
        yield made
