"""The `inlay` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from . import __version__, logs, sockets
from .config import Config
from .supervisor import EXIT_FAILED, Supervisor

_DEFAULTS = Config("")
_SECONDS = click.FloatRange(min=0)
_BYTES = click.IntRange(min=1)
_BYTES_OR_NONE = click.IntRange(min=0)


def _option(name: str, help: str, type: Any = None, **more: Any) -> Any:
    """A click option whose default is Config's."""
    field = name.removeprefix("--").split("/")[0].strip().replace("-", "_")
    return click.option(
        name,
        help=help,
        type=type,
        default=getattr(_DEFAULTS, field),
        show_default=getattr(_DEFAULTS, field) is not None,
        **more,
    )


_RUN_OPTIONS = [
    _option("--host", "Listen on this host."),
    _option(
        "--port", "Listen on this port; 0 picks a free one.", click.IntRange(0, 65535)
    ),
    _option("--uds", "Listen on a Unix socket instead.", click.Path()),
    _option(
        "--app-dir",
        "Folder to import TARGET from; the current one if empty.",
        click.Path(file_okay=False),
    ),
    _option(
        "--factory", "TARGET is a function that makes the application.", is_flag=True
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=lambda: int(os.environ.get("WEB_CONCURRENCY", _DEFAULTS.workers)),
        show_default="$WEB_CONCURRENCY or 1",
        help="Worker processes.",
    ),
    _option("--io-threads", "I/O threads of each worker.", click.IntRange(1, 256)),
    _option(
        "--loop",
        "Event loop of the application.",
        click.Choice(["auto", "asyncio", "uvloop"]),
    ),
    _option("--lifespan", "Lifespan protocol.", click.Choice(["auto", "on", "off"])),
    _option("--root-path", "ASGI root_path, for an application below a path."),
    _option("--backlog", "Connections that wait to be accepted.", click.IntRange(1)),
    _option(
        "--log-level", "Least important level to log.", click.Choice(list(logs.LEVELS))
    ),
    _option("--access-log/--no-access-log", "Log each request to stdout."),
    _option("--use-colors/--no-use-colors", "Coloured log; by default on a terminal."),
    _option("--server-header/--no-server-header", "Send a Server header."),
    _option("--date-header/--no-date-header", "Send a Date header."),
    _option("--timeout-keep-alive", "Seconds a connection may idle.", _SECONDS),
    _option(
        "--timeout-header",
        "Seconds from a request's first byte to the end of its headers.",
        _SECONDS,
    ),
    _option("--timeout-body", "Seconds without a byte of an awaited body.", _SECONDS),
    _option("--timeout-write", "Seconds a client may take no byte.", _SECONDS),
    _option(
        "--timeout-graceful-shutdown",
        "Seconds that running requests get when the server stops.",
        _SECONDS,
    ),
    _option("--limit-head-bytes", "Request line and headers, together.", _BYTES),
    _option("--limit-header-count", "Headers of a request.", _BYTES),
    _option(
        "--limit-trailer-bytes",
        "Trailers and chunk extensions of a body, together.",
        _BYTES,
    ),
    _option(
        "--limit-body-bytes",
        "Body of any request; 0: no limit (ASGI bodies are streamed).",
        _BYTES_OR_NONE,
    ),
    _option("--limit-native-body-bytes", "Body collected for a native route.", _BYTES),
    _option("--limit-request-memory", "Memory that one request may take.", _BYTES),
    _option(
        "--limit-connections",
        "Open connections of a worker; 0: no limit.",
        _BYTES_OR_NONE,
    ),
    _option(
        "--body-window",
        "Body bytes held for the application before the client has to wait.",
        _BYTES,
    ),
    _option(
        "--write-window",
        "Answer bytes held for the client before the application has to wait.",
        _BYTES,
    ),
]


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inlay")
def main() -> None:
    """Inlay sets C into Python web applications."""


# uvicorn has these; here they are planned (docs/options.md says more).
_NOT_YET = frozenset({
    "--env-file", "--fd", "--forwarded-allow-ips", "--header", "--http", "--http2",
    "--interface", "--limit-concurrency", "--limit-max-requests",
    "--limit-max-requests-jitter", "--log-config", "--no-proxy-headers",
    "--proxy-headers", "--reload", "--reload-delay", "--reload-dir",
    "--reload-exclude", "--reload-include", "--reset-contextvars",
    "--ssl-ca-certs", "--ssl-cert-reqs", "--ssl-certfile", "--ssl-ciphers",
    "--ssl-keyfile", "--ssl-keyfile-password", "--ssl-version",
    "--timeout-worker-healthcheck", "--ws", "--ws-max-queue", "--ws-max-size",
    "--ws-per-message-deflate", "--ws-ping-interval", "--ws-ping-timeout",
})  # fmt: skip


class _RunCommand(click.Command):
    """Says of an option of uvicorn's that it is not there yet."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in _NOT_YET:
                raise
            raise click.UsageError(
                f"{error.option_name} is an option of uvicorn that Inlay does "
                "not have yet (see docs/options.md)",
                ctx,
            ) from None


def _reserve_standard_streams() -> None:
    """Descriptors 0 to 2 that are closed would become sockets of ours."""
    while True:
        fd = os.open(os.devnull, os.O_RDWR)
        if fd > 2:
            os.close(fd)
            return


@main.command(cls=_RunCommand, context_settings={"auto_envvar_prefix": "INLAY"})
@click.argument("target")
@_run_options
def run(**options: Any) -> None:
    """Serve TARGET: an ASGI application as module:attribute, or a .c file.

    Every option can also be given as an environment variable: --host as
    INLAY_HOST, and so on.
    """
    _reserve_standard_streams()
    config = Config(**options)
    logs.configure(config.log_level, config.use_colors)
    try:
        listening = sockets.bind(config)
    except sockets.BindError as error:
        logs.log.error("%s", error)
        sys.exit(EXIT_FAILED)
    sys.exit(Supervisor(config, listening).run())
