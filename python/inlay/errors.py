"""Errors of importing C; those of calling it come from inlay._core."""

from __future__ import annotations

from collections.abc import Sequence


class CompileError(ImportError):
    """A source that the compiler refused, or an `inlay:` line that is wrong.

    The message starts with file:line and the first error; `output` is all
    that the compiler said, `files` what it had read by then.
    """

    def __init__(
        self, message: str, *, path: str, output: str = "", files: Sequence[str] = ()
    ) -> None:
        super().__init__(message, path=path)
        self.output = output
        self.files = list(files)


class CacheError(ImportError):
    """The folder of compiled modules can't be used, or not safely."""


class BuildError(Exception):
    """`inlay build` can't go on; the message says what to do."""
