"""What is served how: the lines that `inlay run` prints when it is ready."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from . import __version__, database, sockets
from .config import Config
from .logs import log

_SHOWN = 12  # native routes listed one by one


def show(config: Config, listening: list[socket.socket], ready: dict[str, Any]) -> None:
    """Log the banner; `ready` is the first worker's message."""
    native = ready["native"]
    log.info(
        "Inlay %s, Python %s, %s, process %d",
        __version__,
        ready["python"],
        ready["loop"],
        os.getpid(),
    )
    show_native(native)
    show_guards(ready)
    if ready["app"] is not None:
        log.info("  ASGI application %s (%s)", config.target, ready["app"])
        show_lifted(ready)
    for each in ready.get("databases", ()):
        if each["wanted"]:
            log.info("  %s", database.line(each))
    for line in ready.get("warnings", ()):
        log.warning("%s", line)
    log.info(
        "  %s, each with %s",
        _count(config.workers, "worker"),
        _count(config.io_threads, "I/O thread"),
    )
    for sock in listening:
        log.info("Inlay running on %s (Press CTRL+C to quit)", sockets.name(sock))
    sys.stderr.flush()


def show_routes(ready: dict[str, Any]) -> None:
    """Log what another worker serves without Python, as it may be another code
    that it has."""
    show_native(ready["native"])
    show_guards(ready)
    show_lifted(ready)


def show_native(native: list[dict[str, Any]]) -> None:
    """Log the native routes, the first ones by name."""
    log.info("  %s", _native_line(native))
    for route in native[:_SHOWN]:
        log.info(
            "    %-6s %s -> %s.%s",
            route["methods"],
            route["path"],
            route["module"],
            route["function"],
        )
    if len(native) > _SHOWN:
        log.info("    and %d more; `inlay routes` lists all", len(native) - _SHOWN)


def show_guards(ready: dict[str, Any]) -> None:
    """Log what runs around all that it matches, whoever answers."""
    for line in ready.get("guards", ()):
        log.info("    %s", line)


def show_lifted(ready: dict[str, Any]) -> None:
    """Log what native routes bypass, and which endpoints are lifted."""
    for line in ready.get("bypasses", ()):
        log.info("    %s", line)
    lifted, kept = ready.get("lifted", ()), ready.get("not_lifted", ())
    if lifted:
        count = _count(len(lifted), "endpoint")
        log.info("  %s lifted, answered without Python:", count)
    for line in lifted[:_SHOWN]:
        log.info("    %s", line)
    for line in kept[:_SHOWN]:
        log.info("    not lifted: %s", line)
    if len(lifted) > _SHOWN or len(kept) > _SHOWN:
        log.info("    `inlay routes` lists all")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _native_line(native: list[dict[str, Any]]) -> str:
    if not native:
        return "no native routes"
    return f"{_count(len(native), 'native route')}, answered without Python:"
