"""Log lines in uvicorn's look: the level, padded, then the message."""

from __future__ import annotations

import copy
import logging
import sys

LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}

_COLORS = {
    logging.DEBUG: 36,
    logging.INFO: 32,
    logging.WARNING: 33,
    logging.ERROR: 31,
    logging.CRITICAL: 91,
}

log = logging.getLogger("inlay.error")


class LevelFormatter(logging.Formatter):
    """`INFO:     message`, the level in colour on a terminal."""

    def __init__(self, colors: bool) -> None:
        super().__init__("%(levelprefix)s %(message)s")
        self.colors = colors

    def format(self, record: logging.LogRecord) -> str:
        record = copy.copy(record)
        name = record.levelname
        pad = " " * max(0, 8 - len(name))
        if self.colors and record.levelno in _COLORS:
            name = f"\x1b[{_COLORS[record.levelno]}m{name}\x1b[0m"
        record.__dict__["levelprefix"] = f"{name}:{pad}"
        return super().format(record)


def configure(level: str, use_colors: bool | None = None) -> None:
    """Send the `inlay` loggers to stderr; the application's own are not ours."""
    colors = sys.stderr.isatty() if use_colors is None else use_colors
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LevelFormatter(colors))
    root = logging.getLogger("inlay")
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    root.propagate = False


def flush() -> None:
    """Everything logged so far is written."""
    for handler in logging.getLogger("inlay").handlers:
        handler.flush()
