"""Running compilers and their like: in a folder, several at once."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO, NamedTuple


class Said(NamedTuple):
    """How a program ended: its status (negative: a signal) and its words."""

    status: int
    text: str


def ask(command: Sequence[str], folder: str) -> Said:
    """What a program answers; when it fails, its complaint."""
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=_environment(),
                check=False,
            )
        except OSError as error:
            return Said(127, f"cannot run {command[0]}: {error.strerror}")
        words = done.stdout
        if done.returncode != 0:
            errors.seek(0)
            words = errors.read()
    return Said(done.returncode, words.decode(errors="surrogateescape").strip())


def run(commands: Sequence[Sequence[str]], folder: str) -> list[Said]:
    """Runs them all, as many at once as there are cores, in `folder`."""
    most = len(os.sched_getaffinity(0))
    running: list[tuple[subprocess.Popen[bytes] | Said, IO[bytes]]] = []
    ended: list[Said] = []
    try:
        for index, command in enumerate(commands):
            if index >= most:
                ended.append(_wait(*running[index - most]))
            file: IO[bytes] = tempfile.TemporaryFile()
            running.append((_start(command, folder, file), file))
        ended += [_wait(*each) for each in running[len(ended) :]]
    finally:
        for process, output in running:
            if isinstance(process, subprocess.Popen) and process.poll() is None:
                process.kill()
                process.wait()
            output.close()
    return ended


def _start(
    command: Sequence[str], folder: str, output: IO[bytes]
) -> subprocess.Popen[bytes] | Said:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=_environment(),
        )
    except OSError as error:
        return Said(127, f"cannot run {command[0]}: {error.strerror}")


def _wait(process: subprocess.Popen[bytes] | Said, output: IO[bytes]) -> Said:
    if isinstance(process, Said):
        return process
    status = process.wait()
    output.seek(0)
    return Said(status, output.read().decode(errors="replace"))


def _environment() -> dict[str, str]:
    """English, as messages are read by us."""
    return {**os.environ, "LC_ALL": "C"}
