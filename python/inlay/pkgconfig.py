"""`// inlay: pkg-config …`: flags of libraries, and the files that say them."""

from __future__ import annotations

import os
import re
import shlex

from inlay import programs, toolchain
from inlay.recipe import Recipe


class Packages:
    """All packages of a recipe: CompileError with file:line when one is missing."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.cflags: list[str] = []
        self.libs: list[str] = []
        self.files: list[str] = []  # the .pc files, of packages' packages too
        for words, line in recipe.packages:
            command = self._program(line)
            self.cflags += shlex.split(self._ask([*command, "--cflags", *words], line))
            self.libs += shlex.split(self._ask([*command, "--libs", *words], line))
            self._add_files(command, _names(" ".join(words)), line)

    def _program(self, line: int) -> list[str]:
        command = toolchain.words("PKG_CONFIG") or ["pkg-config"]
        path = toolchain.which(command[0])
        if path is None:
            raise self.recipe.wrong(
                line,
                f"{command[0]} was not found: install it, or write cflags and libs",
            )
        return [os.path.abspath(path), *command[1:]]

    def _ask(self, command: list[str], line: int) -> str:
        said = programs.ask(command, self.recipe.folder)
        if said.status != 0:
            raise self.recipe.wrong(line, f"pkg-config failed:\n{said.text}")
        return said.text

    def _add_files(self, command: list[str], names: list[str], line: int) -> None:
        seen: set[str] = set()
        while names:
            name = names.pop()
            if name in seen:
                continue
            seen.add(name)
            folder = self._ask([*command, "--variable=pcfiledir", name], line)
            path = os.path.join(folder, f"{name}.pc")
            if os.path.isfile(path):
                self.files.append(path)
            for option in ("--print-requires", "--print-requires-private"):
                names += _names(self._ask([*command, option, name], line))


def _names(text: str) -> list[str]:
    """Of "zlib >= 1.2 libpng" the packages."""
    return re.sub(r"[<>!=]+\s*\S+", " ", text).replace(",", " ").split()
