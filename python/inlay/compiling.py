"""A recipe -> a shared object: the commands, and what to say when they fail."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

from inlay import pkgconfig, programs, toolchain
from inlay.errors import CompileError
from inlay.recipe import Recipe, language
from inlay.toolchain import Tool

# Files here change with packages only: date and size tell.
_SYSTEM = ("/usr/", "/lib/", "/lib64/", "/opt/", "/nix/")

_ERROR = re.compile(
    r"^(?P<where>[^:\n]+:\d+)(?::\d+)?: (?:fatal )?error: (?P<text>.+)$", re.M
)
_RUST_ERROR = re.compile(
    r"^error(?:\[E\d+\])?: (?P<text>.+)\n +--> (?P<where>.+?:\d+):\d+$", re.M
)
_LINK_ERROR = re.compile(r"^(?:\S*ld: )?(?P<where>/[^:\n]+:\d+): (?P<text>.+)$", re.M)
_NO_LIBRARY = re.compile(r"cannot find (?P<lib>-l[^\s:]+)|library (?P<lld>-l\S+) not")
_NO_OPENMP = re.compile(r"cannot find -l[iog]*omp|library -l[iog]*omp|'omp\.h' file")


class Unit:
    """One source, compiled: what it was made from, and where it is.

    `files` are known by their content, `system` ones (headers, libraries,
    tools) by date and size. `object` is None when there is none in between.
    """

    def __init__(
        self, source: str, files: list[str], system: list[str], object: str | None
    ) -> None:
        self.source = source
        self.files = files
        self.system = system
        self.object = object


class Made:
    """A shared object that was made: of what, and what was said about it."""

    def __init__(self, units: list[Unit], system: list[str], warnings: str) -> None:
        self.units = units
        self.files = list(dict.fromkeys(path for unit in units for path in unit.files))
        self.system = [path for unit in units for path in unit.system]
        self.system = list(dict.fromkeys(self.system + system))
        self.warnings = warnings


def make(
    recipe: Recipe,
    output: str,
    scratch: str,
    *,
    tools: Mapping[str, Tool] | None = None,
    ready: Mapping[str, Unit] | None = None,
    cflags: Sequence[str] = (),
    ldflags: Sequence[str] = (),
) -> Made:
    """Compile and link a recipe into `output`; CompileError if that fails.

    `scratch` is an empty folder, in which objects are left. Sources in `ready`
    are not compiled again. `cflags`, `ldflags` go behind all other flags.
    """
    if tools is None:
        tools = toolchain.find_all(recipe.languages)
    kind = _RustBuild if recipe.is_rust else _Build
    return kind(recipe, scratch, tools, ready or {}, cflags, ldflags).run(output)


def map_prefixes(recipe: Recipe, root: str) -> list[str]:
    """cflags for `make`: the sources seem to lie in the folder `root`."""
    folders = {os.path.dirname(path) for path in recipe.sources} | {recipe.root}
    option = "--remap-path-prefix=" if recipe.is_rust else "-ffile-prefix-map="
    flags = [f"{option}{toolchain.include_dir()}=/inlay/include"]
    # The last that matches counts, so the longest has to be last.
    for folder in sorted(folders, key=len):
        inside = os.path.relpath(os.path.realpath(folder), recipe.root)
        target = root if inside == "." else os.path.join(root, inside)
        flags.append(f"{option}{folder}={target}")
    return flags


class _Build:
    """C and C++."""

    def __init__(
        self,
        recipe: Recipe,
        scratch: str,
        tools: Mapping[str, Tool],
        ready: Mapping[str, Unit],
        cflags: Sequence[str],
        ldflags: Sequence[str],
    ) -> None:
        self.recipe = recipe
        self.scratch = scratch
        self.tools = tools
        self.ready = ready
        self.packages = pkgconfig.Packages(recipe)
        self.python = self._python_include() if recipe.python else None
        # INLAY_CFLAGS is C's and C++'s: rustc has flags of its own.
        variable = [] if recipe.is_rust else toolchain.words("INLAY_CFLAGS")
        self.cflags = [*recipe.cflags, *variable, *cflags]
        self.libs = [
            *(*recipe.libs, *self.packages.libs),
            *(*toolchain.words("INLAY_LDFLAGS"), *ldflags),
        ]

    def run(self, output: str) -> Made:
        if len(self.recipe.sources) == 1:
            units, said = self._compile_and_link(output)
        else:
            units, said = self._compile_all()
            said += self._link(output, units)
        self._check(output)
        return Made(units, [*self._libraries(), *self._wrapped()], said)

    def _compile_and_link(self, output: str) -> tuple[list[Unit], str]:
        source = self.recipe.source
        command = [*self._compiler(source), *self._dependencies(0)]
        command += [*self._link_flags(), "-o", output, source, *self.libs, "-lm"]
        said = self._run([command], [0])
        return [self._unit(0, None)], said

    def _compile_all(self) -> tuple[list[Unit], str]:
        sources = self.recipe.sources
        missing = [i for i, source in enumerate(sources) if source not in self.ready]
        commands = []
        for index in missing:
            command = [*self._compiler(sources[index]), *self._dependencies(index)]
            commands.append(
                [*command, "-c", sources[index], "-o", self._path(f"{index}.o")]
            )
        said = self._run(commands, missing)
        units = [
            self._unit(index, self._path(f"{index}.o"))
            if index in missing
            else self.ready[source]
            for index, source in enumerate(sources)
        ]
        return units, said

    def _link(self, output: str, units: list[Unit]) -> str:
        # -flto, -fsanitize and -m32 are the linker's business too.
        command = [*self._driver().command, *toolchain.FLAGS, *self._user_flags()]
        command += [*self._link_flags(), "-o", output]
        command += [str(unit.object) for unit in units]
        return self._run([[*command, *self.libs, "-lm"]], [0])

    def _driver(self) -> Tool:
        """Who links: the C++ compiler if any source is C++."""
        return self.tools.get("c++") or self.tools["c"]

    def _compiler(self, source: str) -> list[str]:
        each = language(source) or "c"
        tool = self.tools[each]
        command = [*tool.command, *toolchain.FLAGS, *toolchain.LANGUAGE_FLAGS[each]]
        if not tool.is_clang():
            command += toolchain.GCC_FLAGS[each]
        command.append(f"-I{toolchain.include_dir()}")
        command += [f"-I{folder}" for folder in self.recipe.includes]
        if self.python:
            command += ["-isystem", self.python]
        return [*command, *self.packages.cflags, *self._user_flags()]

    def _user_flags(self) -> list[str]:
        return [*(["-fopenmp"] if self.recipe.openmp else []), *self.cflags]

    def _dependencies(self, index: int) -> list[str]:
        return ["-MD", "-MF", self._path(f"{index}.d"), "-MT", "module"]

    def _link_flags(self) -> list[str]:
        # CPython's functions are those of the process, found when it loads.
        defs = [] if self.python else [toolchain.NO_UNDEFINED]
        return [*toolchain.LINK_FLAGS, *defs]

    def _python_include(self) -> str:
        folder = toolchain.python_include()
        if not os.path.isfile(os.path.join(folder, "Python.h")):
            self._fail(
                f"{self.recipe.source}: there is no Python.h in {folder}: install "
                "the development files of this Python (python3-dev, python3-devel)"
            )
        return folder

    def _libraries(self) -> list[str]:
        """Libraries outside of the system's folders, and files that are linked."""
        folders = [word[2:] for word in self.libs if word.startswith("-L")]
        folders += os.environ.get("LIBRARY_PATH", "").split(os.pathsep)
        paths = [word for word in self.libs if not word.startswith("-")]
        for word in self.libs:
            if word.startswith("-l"):
                names = (f"lib{word[2:]}.so", f"lib{word[2:]}.a")
                paths += [os.path.join(f, name) for f in folders for name in names if f]
        absolute = [os.path.join(self.recipe.folder, path) for path in paths]
        return [path for path in absolute if os.path.isfile(path)]

    def _wrapped(self) -> list[str]:
        """Behind a wrapper ("ccache gcc") it is the compiler that counts."""
        found = []
        for each, tool in self.tools.items():
            if len(tool.command) == 1:
                continue
            name = {"c": "cc1", "c++": "cc1plus"}[each]
            name = "clang" if tool.is_clang() else name
            said = programs.ask(
                [*tool.command, f"-print-prog-name={name}"], self.recipe.folder
            )
            if os.path.isabs(said.text) and os.path.isfile(said.text):
                found.append(said.text)
        return found

    def _unit(self, index: int, object: str | None) -> Unit:
        source = self.recipe.sources[index]
        read = self._read_rule(index)
        files = [source, *(path for path in read if path != source)]
        files += self.packages.files
        system = [path for path in files if self._is_system(path)]
        return Unit(source, [p for p in files if p not in system], system, object)

    def _read_rule(self, index: int) -> list[str]:
        try:
            return read_rule(self._path(f"{index}.d"), self.recipe.folder)
        except FileNotFoundError:
            return []

    def _is_system(self, path: str) -> bool:
        if self.python and path.startswith(self.python + os.sep):
            return True
        own = os.path.join(self.recipe.root, "")
        return path.startswith(_SYSTEM) and not os.path.realpath(path).startswith(own)

    def _path(self, name: str) -> str:
        return os.path.join(self.scratch, name)

    def _check(self, output: str) -> None:
        os.stat(self.scratch)  # a cache folder that is gone is an error of its own
        if not os.path.isfile(output):
            self._fail(
                f"{self.recipe.source}: the compiler {self._driver().command[0]} "
                "made nothing"
            )

    def _run(self, commands: list[list[str]], indices: list[int]) -> str:
        """Runs one command per source; what was said. CompileError if one fails."""
        ended = programs.run(commands, self.recipe.folder)
        failed = [i for i, said in enumerate(ended) if said.status != 0]
        if not failed:
            return "".join(said.text for said in ended)
        text = "".join(ended[i].text for i in failed)
        source = self.recipe.sources[indices[failed[0]]]
        # What was read up to the error: where a change may mend it.
        files = [path for index in indices for path in self._read_rule(index)]
        head = self._describe(source, ended[failed[0]])
        self._fail(f"{head}\n{text.rstrip()}", text, files)

    def _describe(self, source: str, said: programs.Said) -> str:
        """The first error, with its place."""
        first = (
            _ERROR.search(said.text)
            or _RUST_ERROR.search(said.text)
            or _LINK_ERROR.search(said.text)
        )
        library = _NO_LIBRARY.search(said.text)
        if self.recipe.openmp and _NO_OPENMP.search(said.text):
            return (
                f"{source}: it has #pragma omp, and {self._driver().command[0]} "
                "has no OpenMP: install libomp-dev for clang, or use CC=gcc"
            )
        if library:
            lib = library["lib"] or library["lld"]
            line = self.recipe.lines.get(lib)
            where = f"{self.recipe.source}:{line}" if line else source
            return f"{where}: the linker can't find the library {lib}"
        if first:
            return f"{first['where']}: {first['text']}"
        if said.status < 0:
            return f"{source}: the compiler was killed by signal {-said.status}"
        return f"{source}: the compiler failed with status {said.status}"

    def _fail(
        self, message: str, output: str = "", files: Sequence[str] = ()
    ) -> NoReturn:
        raise CompileError(message, path=self.recipe.source, output=output, files=files)


class _RustBuild(_Build):
    """rustc compiles and links in one, and finds the other files itself."""

    def run(self, output: str) -> Made:
        source = self.recipe.source
        stem = os.path.splitext(os.path.basename(source))[0]
        command = [*self._driver().command, *toolchain.RUST_FLAGS]
        command += ["--crate-name", re.sub(r"\W", "_", stem, flags=re.A)]
        if not any(word.startswith("--edition") for word in self.recipe.cflags):
            command.append(toolchain.RUST_EDITION)
        command += self.cflags
        for lib in self.libs:
            command += ["-C", f"link-arg={lib}"]
        rule = self._path("0.d")
        command += [f"--emit=link={output},dep-info={rule}", source]
        said = self._run([command], [0])
        self._check(output)
        return Made([self._unit(0, None)], [*self._libraries(), *self._wrapped()], said)

    def _driver(self) -> Tool:
        return self.tools["rust"]

    def _wrapped(self) -> list[str]:
        """rustup's rustc is a switch: by its settings the compiler is chosen."""
        command = [*self._driver().command, "--print", "sysroot"]
        said = programs.ask(command, self.recipe.folder)
        home = os.environ.get("RUSTUP_HOME") or os.path.expanduser("~/.rustup")
        paths = [
            os.path.join(said.text, "bin", "rustc"),
            os.path.join(home, "settings.toml"),
        ]
        return [path for path in paths if os.path.isfile(path)]


def read_rule(path: str, folder: str) -> list[str]:
    """The files of a make rule that a compiler wrote; spaces are escaped in it.

    rustc writes several rules; the first one has everything.
    """
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read().replace("\\\n", " ")
    _, _, files = text.partition("\n")[0].partition(":")
    words = re.findall(r"(?:\\.|\$\$|[^\s\\$])+", files)
    return [
        os.path.join(folder, re.sub(r"\\(.)", r"\1", word).replace("$$", "$"))
        for word in words
    ]
