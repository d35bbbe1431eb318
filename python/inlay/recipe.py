"""A module's recipe: what its file says about how it is to be built.

`// inlay: WORD …` at the start of a line, in the first 200 lines of the
module's own file, in any of the three languages.
"""

from __future__ import annotations

import os
import re
import shlex

from inlay.errors import CompileError

LANGUAGES = {".c": "c", ".cpp": "c++", ".cc": "c++", ".cxx": "c++", ".rs": "rust"}
LINES = 200  # where the lines of a recipe are looked for

_LINE = re.compile(
    rb"[ \t]*(?://[/!]?[ \t]*inlay:(.*)|/\*+[ \t]*inlay:(.*?)(?:\*/.*)?)$"
)
_OPENMP = re.compile(rb"^[ \t]*#[ \t]*pragma[ \t]+omp\b", re.M)
_PYTHON = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*[<"]Python\.h[>"]', re.M)


def language(path: str) -> str | None:
    """ "c", "c++" or "rust", by the file's suffix."""
    return LANGUAGES.get(os.path.splitext(path)[1])


def expand(folder: str, pattern: str) -> list[str]:
    """The files that a pattern of a `sources` line means, in order."""
    path = os.path.join(folder, pattern)
    if not any(letter in pattern for letter in "*?["):
        return [os.path.normpath(path)] if os.path.isfile(path) else []
    import glob

    found = glob.glob(os.path.join(glob.escape(folder), pattern))
    return sorted(os.path.normpath(file) for file in found)


class Recipe:
    """Read from the module's file; CompileError with file:line if it's wrong.

    Paths in it are relative to the file's folder, and compilers run there.
    """

    def __init__(self, source: str) -> None:
        self.source = os.path.abspath(source)
        self.folder = os.path.dirname(self.source)
        self.sources = [self.source]
        self.patterns: dict[str, list[str]] = {}
        self.cflags: list[str] = []
        self.libs: list[str] = []
        self.includes: list[str] = []
        self.packages: list[tuple[list[str], int]] = []  # words, line
        self.lines: dict[str, int] = {}  # of each library, for errors
        self.texts = {self.source: _read(self.source)}
        for number, words in self._find_lines():
            self._add(number, words)
        texts = [self.texts[path] for path in self.sources]
        self.openmp = any(map(_OPENMP.search, texts)) and not self.is_rust
        self.python = any(map(_PYTHON.search, texts)) and not self.is_rust

    @property
    def is_rust(self) -> bool:
        return language(self.source) == "rust"

    @property
    def languages(self) -> list[str]:
        """Each once."""
        return sorted({language(path) or "c" for path in self.sources})

    @property
    def root(self) -> str:
        """The folder of the module's own files, without links."""
        folders = {os.path.dirname(os.path.realpath(path)) for path in self.sources}
        return os.path.commonpath(folders)

    def is_unchanged(self) -> bool:
        """Do the sources still say what was read?"""
        return all(_read(path) == text for path, text in self.texts.items())

    def wrong(self, line: int, message: str) -> CompileError:
        return CompileError(f"{self.source}:{line}: {message}", path=self.source)

    def _find_lines(self) -> list[tuple[int, list[str]]]:
        found = []
        for number, line in enumerate(self.texts[self.source].split(b"\n", LINES), 1):
            match = _LINE.match(line.rstrip(b"\r")) if number <= LINES else None
            if match:
                text = (match[1] or match[2] or b"").decode(errors="surrogateescape")
                text = text.strip()
                try:
                    if "\0" in text:
                        raise ValueError("a NUL byte")
                    found.append((number, shlex.split(text)))
                except ValueError as error:
                    raise self.wrong(number, f"{error}: {text}") from error
        return found

    def _add(self, number: int, words: list[str]) -> None:
        word = words[0] if words else ""
        rest = words[1:]
        if word not in ("cflags", "libs", "pkg-config", "sources", "include"):
            raise self.wrong(
                number,
                f'"inlay: {word}" is unknown; there are cflags, libs, pkg-config, '
                "sources and include",
            )
        if not rest:
            raise self.wrong(number, f'nothing follows "inlay: {word}"')
        if word == "cflags":
            self.cflags += rest
        elif word == "libs":
            self.libs += rest
            self.lines.update((lib, number) for lib in rest)
        elif word == "pkg-config":
            self.packages.append((rest, number))
        elif word == "sources":
            for pattern in rest:
                self._add_sources(number, pattern)
        else:
            for folder in rest:
                path = os.path.join(self.folder, folder)
                if not os.path.isdir(path):
                    raise self.wrong(number, f"there is no folder {path}")
                self.includes.append(os.path.normpath(path))

    def _add_sources(self, number: int, pattern: str) -> None:
        if self.is_rust:
            raise self.wrong(
                number, "a Rust file has no sources: write mod, or include!"
            )
        found = expand(self.folder, pattern)
        if not found:
            raise self.wrong(
                number, f"there is no file {os.path.join(self.folder, pattern)}"
            )
        self.patterns[pattern] = found
        for path in found:
            if language(path) not in ("c", "c++"):
                raise self.wrong(number, f"{path} is neither C nor C++")
            if path not in self.texts:
                self.sources.append(path)
                self.texts[path] = _read(path)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
