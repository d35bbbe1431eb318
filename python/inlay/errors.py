"""Errors of importing C; those of calling it come from inlay._core."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any


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


async def answer_error(request: Any, error: Any) -> Any:
    """An inlay.Error as native routes answer it, for FastAPI and Starlette:

    app.add_exception_handler(inlay.Error, inlay.answer_error)
    """
    from http import HTTPStatus

    from starlette.responses import JSONResponse

    from .logs import log

    text, status = str(error), error.status
    if status >= 500:
        # Busy is not broken: it passes, and may come often.
        level = logging.WARNING if status == 503 else logging.ERROR
        log.log(level, "%s: %s", request.url.path, text)
        text = ""
    elif text and error.detail:
        # The database's own words name what is stored: they are for the log.
        log.info("%s: %s", request.url.path, text)
        text = error.detail
    return JSONResponse({"detail": text or HTTPStatus(status).phrase}, status)
