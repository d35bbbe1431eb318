"""Errors of importing C; those of calling it come from inlay._core."""

from __future__ import annotations


class CompileError(ImportError):
    """A C file that the compiler refused.

    The message starts with file:line and the first error; `output` is all
    that the compiler said.
    """

    def __init__(self, message: str, *, path: str, output: str = "") -> None:
        super().__init__(message, path=path)
        self.output = output


class CacheError(ImportError):
    """The folder of compiled modules can't be used, or not safely."""
