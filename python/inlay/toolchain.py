"""The system's C compiler: which one, with which flags, and what it says."""

from __future__ import annotations

import os
import re
import shlex

from inlay.errors import CompileError

# A cached import runs no compiler and should cost next to nothing: what only
# a build needs (subprocess, tempfile) is imported there.

# What a module may count on; docs/dwarf.md says why each is there.
FLAGS = (
    "-std=gnu11",
    "-O2",
    "-g",
    "-fPIC",
    "-shared",
    "-fno-omit-frame-pointer",
    "-fno-semantic-interposition",
    "-fstack-clash-protection",
    "-Wall",
    "-Wformat",
    "-Werror=format-security",
    "-Werror=implicit-function-declaration",
    "-Wl,-Bsymbolic",
    "-Wl,-z,defs",
)
# Two functions must not share an address; clang does not know the option.
GCC_FLAGS = ("-fno-ipa-icf",)

NO_COMPILER = (
    "no C compiler found: install one (Debian, Ubuntu: apt install gcc "
    "libc6-dev; Fedora: dnf install gcc) or name it in the environment "
    "variable CC"
)

_FIRST_ERROR = re.compile(
    r"^(?P<where>[^:\n]+:\d+)(?::\d+)?: (?:fatal )?error: (?P<text>.+)$", re.M
)
_LINK_ERROR = re.compile(r"^(?:\S*ld: )?(?P<where>/[^:\n]+:\d+): (?P<text>.+)$", re.M)


class Compiler:
    """A compiler as found: `identity` changes when it is updated."""

    def __init__(self, path: str, options: list[str]) -> None:
        real = os.path.realpath(path)
        info = os.stat(real)
        self.command = [path, *options]
        self.identity = f"{real} {info.st_mtime_ns} {info.st_size} {options}"
        # Behind a wrapper as well: "ccache clang".
        self.is_clang = any("clang" in os.path.basename(w) for w in [real, *options])


def find_compiler() -> Compiler | None:
    """$CC, else cc, gcc or clang; None when there is none."""
    wanted = _words("CC")
    for words in [wanted] if wanted else [["cc"], ["gcc"], ["clang"]]:
        path = _which(words[0])
        if path:
            return Compiler(path, words[1:])
    return None


def _words(variable: str) -> list[str]:
    """An environment variable as a shell would split it."""
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:
        raise ImportError(
            f"the environment variable {variable} can't be read: {error}"
        ) from error


def _which(program: str) -> str | None:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if os.sep in program:
        folders = [""]
    for folder in folders:
        path = os.path.join(folder, program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def no_compiler() -> str:
    """What to tell a user who has none."""
    wanted = os.environ.get("CC", "").strip()
    if wanted:
        return f"the C compiler that CC names was not found: {wanted}"
    return NO_COMPILER


def include_dir() -> str:
    """The folder of inlay.h: installed, or of the source tree."""
    package = os.path.dirname(os.path.realpath(__file__))
    for place in ("include", "../../include"):
        folder = os.path.normpath(os.path.join(package, place))
        if os.path.isfile(os.path.join(folder, "inlay.h")):
            return folder
    raise ImportError("inlay.h is missing from the installation of inlay")


def user_flags() -> list[str]:
    return _words("INLAY_CFLAGS")


def all_flags() -> list[str]:
    """Everything that shapes the code, for the cache's key."""
    return [*FLAGS, *GCC_FLAGS, *user_flags()]


def compile_module(compiler: Compiler, source: str, output: str, deps: str) -> str:
    """Compile the C file `source`; returns the compiler's warnings.

    `deps` receives a make rule of the headers that were read.
    """
    import subprocess

    flags = [*FLAGS, *(() if compiler.is_clang else GCC_FLAGS)]
    command = [*compiler.command, *flags, f"-I{include_dir()}"]
    command += ["-MMD", "-MF", deps, "-MT", "module"]
    command += [*user_flags(), "-o", output, source, "-lm"]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    except OSError as error:
        raise CompileError(
            f"cannot run the C compiler {command[0]}: {error.strerror}",
            path=source,
        ) from error
    said = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise CompileError(
            _describe(source, done.returncode, said), path=source, output=said
        )
    return said


def _describe(source: str, status: int, said: str) -> str:
    first = _FIRST_ERROR.search(said) or _LINK_ERROR.search(said)
    if first:
        head = f"{first['where']}: {first['text']}"
    elif status < 0:
        head = f"{source}: the C compiler was killed by signal {-status}"
    else:
        head = f"{source}: the C compiler failed with status {status}"
    return f"{head}\n{said.rstrip()}"


def read_deps(path: str) -> list[str]:
    """The files of a make rule that -MMD wrote; spaces are escaped in it."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
    _, _, files = text.replace("\\\n", " ").partition(":")
    words = re.findall(r"(?:\\.|\$\$|[^\s\\$])+", files)
    return [re.sub(r"\\(.)", r"\1", word).replace("$$", "$") for word in words]
