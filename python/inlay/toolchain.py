"""Compilers of the system: which ones there are, and with which flags."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

# A cached import runs no compiler and should cost next to nothing: what only
# a build needs (subprocess, tempfile) is imported there.

# What a module may count on; docs/dwarf.md says why each is there.
FLAGS = (
    "-O2",
    "-g",
    "-fPIC",
    "-fno-omit-frame-pointer",
    "-mno-omit-leaf-frame-pointer",
    "-fno-semantic-interposition",
    "-fstack-clash-protection",
    "-Wall",
    "-Wformat",
    "-Werror=format-security",
)
LANGUAGE_FLAGS = {
    "c": ("-std=gnu11", "-Werror=implicit-function-declaration"),
    "c++": ("-std=gnu++17",),
}
# Two functions must not share an address, nor two generations an object.
# clang does neither, and knows neither option.
GCC_FLAGS = {
    "c": ("-fno-ipa-icf",),
    "c++": ("-fno-ipa-icf", "-fno-gnu-unique"),
}
LINK_FLAGS = ("-shared", "-Wl,-Bsymbolic")
NO_UNDEFINED = "-Wl,-z,defs"
RUST_FLAGS = (
    *("--crate-type", "cdylib", "--color", "never"),
    *("-C", "opt-level=2", "-C", "debuginfo=2", "-C", "panic=abort"),
    *("-C", "force-frame-pointers=yes"),
    # Equal functions become one at -O2: two names, one description.
    *("-C", "llvm-args=-mergefunc-preserve-debug-info"),
    *("-C", "llvm-args=-mergefunc-use-aliases=false"),
)
RUST_EDITION = "--edition=2021"

# What else shapes a build: the values are part of the cache's key.
VARIABLES = (
    *("INLAY_CFLAGS", "INLAY_LDFLAGS"),
    *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH"),
    *("COMPILER_PATH", "GCC_EXEC_PREFIX", "LD_RUN_PATH"),
    *("PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"),
    *("PKG_CONFIG_SYSROOT_DIR", "RUSTUP_TOOLCHAIN", "RUSTUP_HOME"),
)

_NAMES = {"c": "C compiler", "c++": "C++ compiler", "rust": "Rust compiler"}
_VARIABLE = {"c": "CC", "c++": "CXX", "rust": "RUSTC"}
_PROGRAMS = {
    "c": ("cc", "gcc", "clang"),
    "c++": ("c++", "g++", "clang++"),
    "rust": ("rustc",),
}
_INSTALL = {
    "c": "Debian, Ubuntu: apt install gcc libc6-dev; Fedora: dnf install gcc",
    "c++": "Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++",
    "rust": "see https://rustup.rs",
}


class Tool:
    """A compiler as found: `identity` changes when it is updated."""

    def __init__(self, language: str, path: str, options: list[str]) -> None:
        path = os.path.abspath(path)
        real = os.path.realpath(path)
        info = os.stat(real)
        self.language = language
        self.command = [path, *options]
        self.identity = f"{real} {info.st_mtime_ns} {info.st_size} {options}"
        self._names = [os.path.basename(word) for word in [real, *options]]

    def is_clang(self) -> bool:
        """Or gcc. Asks a wrapper whose name does not tell."""
        if any("clang" in name for name in self._names):
            return True
        if any(re.search(r"\b(gcc|g\+\+)(-[\d.]+)?$", name) for name in self._names):
            return False
        from inlay import programs

        return "clang" in programs.ask([*self.command, "--version"], os.sep).text


def find(language: str) -> Tool | None:
    """$CC, else cc, gcc or clang; $CXX and $RUSTC likewise. None: no such."""
    wanted = words(_VARIABLE[language])
    choices = [[name] for name in _PROGRAMS[language]]
    if wanted:
        choices = [wanted]
    elif language == "c++" and (sibling := _sibling_of_cc()):
        choices.insert(0, sibling)
    for choice in choices:
        path = which(choice[0])
        if path:
            return Tool(language, path, choice[1:])
    return None


def _sibling_of_cc() -> list[str]:
    """The C++ compiler that belongs to $CC: clang-14 -> clang++-14."""
    command = words("CC")
    for index, word in enumerate(command):
        folder, name = os.path.split(word)
        match = re.fullmatch(r"(.*-)?(gcc|clang|cc)(-[\d.]+)?", name)
        if match:
            other = {"gcc": "g++", "clang": "clang++", "cc": "c++"}[match[2]]
            command[index] = os.path.join(
                folder, f"{match[1] or ''}{other}{match[3] or ''}"
            )
            return command
    return []


def find_all(languages: Sequence[str]) -> dict[str, Tool]:
    """A compiler for each language; ImportError when one is missing."""
    tools = {}
    for each in languages:
        tool = find(each)
        if tool is None:
            raise ImportError(missing(each))
        tools[each] = tool
    return tools


def missing(language: str) -> str:
    """What to tell a user who has none."""
    variable = _VARIABLE[language]
    wanted = os.environ.get(variable, "").strip()
    if wanted:
        return f"the {_NAMES[language]} that {variable} names was not found: {wanted}"
    return (
        f"no {_NAMES[language]} found: install one ({_INSTALL[language]}) or name "
        f"it in the environment variable {variable}"
    )


def words(variable: str) -> list[str]:
    """An environment variable as a shell would split it."""
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:
        raise ImportError(
            f"the environment variable {variable} can't be read: {error}"
        ) from error


def which(program: str) -> str | None:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if os.sep in program:
        folders = [""]
    for folder in folders:
        path = os.path.join(folder, program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def include_dir() -> str:
    """The folder of inlay.h: installed, or of the source tree."""
    package = os.path.dirname(os.path.realpath(__file__))
    for place in ("include", "../../include"):
        folder = os.path.normpath(os.path.join(package, place))
        if os.path.isfile(os.path.join(folder, "inlay.h")):
            return folder
    raise ImportError("inlay.h is missing from the installation of inlay")


def python_include() -> str:
    """The folder of this Python's Python.h, which need not be there."""
    import sysconfig

    return sysconfig.get_paths()["include"]
