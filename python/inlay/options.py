"""The options of a server: the one table behind the command line, the INLAY_
variables, [tool.inlay] and the keywords of `inlay.run`.

Each is a click option named after a field of Config, whose default it has.
Names are uvicorn's wherever uvicorn has one.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from . import database, logs, quarantine, settings, sockets
from .config import Config
from .option_types import (
    Database,
    Header,
    Interface,
    Item,
    Loop,
    Mode,
    Number,
    Size,
    Whole,
)

DEFAULTS = Config("")
_CODINGS = ("zstd", "br", "gzip")


class OptionError(ValueError):
    """Options that can't be had, or not together; the message says why."""


_SECONDS = Number(min=0)
_COUNT = Whole(min=0)
_PORT = Whole(0, 65535)
_FILE = click.Path(exists=True, dir_okay=False)

# --- The table ----------------------------------------------------------------


class ServerOption(click.Option):
    """An option of `inlay run`, in a section of its help."""

    section: str = ""
    shown: str = ""  # the default, in words

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        if record is None or not self.shown:
            return record
        return record[0], f"{self.help}  [default: {self.shown}]"

    def get_error_hint(self, ctx: click.Context | None) -> str:
        hint = super().get_error_hint(ctx)
        source = ctx.get_parameter_source(self.name) if ctx and self.name else None
        if source is click.core.ParameterSource.ENVIRONMENT:
            hint += f" (from the environment, {' or '.join(self.envvar or ())})"
        return hint


def _shown(field: str, type: Any) -> str:
    """The default, as the help has it."""
    value = getattr(DEFAULTS, field)
    if value is None or value is False or value in ("", ()):
        return ""
    if value is True:
        return "on"
    if isinstance(type, Mode):
        return f"{value:o}"
    if isinstance(type, Size) and value and value % 1024 == 0:
        return f"{value >> 20}M" if value % (1 << 20) == 0 else f"{value >> 10}K"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _metavar(type: Any) -> str | None:
    if isinstance(type, Whole):
        return "NUMBER"
    if isinstance(type, Number):
        return "SECONDS"
    if isinstance(type, Item):
        return type.name.upper()
    return type.name if isinstance(type, Loop) else None


def _flatten(_: Any, param: click.Parameter, value: Any) -> Any:
    """a,b -c d, each of them one of the choices."""
    assert isinstance(param.type, Item)
    words = [word for part in value for word in param.type.split_envvar_value(part)]
    for word in words:
        if param.type.choices and word not in param.type.choices:
            raise click.BadParameter(
                f"{word!r} is not one of {', '.join(param.type.choices)}"
            )
    return tuple(dict.fromkeys(words))


def _option(
    name: str,
    help: str,
    type: Any = None,
    *,
    field: str = "",
    env: Sequence[str] = (),
    also: str = "",
    **more: Any,
) -> ServerOption:
    """`field` if it is not the name's; `also` a second name."""
    long = name.split("/")[0].strip()
    named = long.removeprefix("--").replace("-", "_")
    field = field or named
    if isinstance(type, Item):
        more["multiple"] = True
    if name.count("/"):
        more["is_flag"] = True
    if not more.get("is_flag"):
        more["metavar"] = _metavar(type)
    option = ServerOption(
        [name, field, *([also] if also else [])],
        help=help,
        type=type,
        default=getattr(DEFAULTS, field),
        show_default=False,
        envvar=list(dict.fromkeys([f"INLAY_{named.upper()}", *env])),
        **more,
    )
    option.shown = _shown(field, type)
    return option


_WHERE = [
    _option("--host", "Listen on this host."),
    _option("--port", "Listen on this port; 0 picks a free one.", _PORT),
    _option("--uds", "Listen on a Unix socket instead.", click.Path()),
    _option("--uds-permissions", "Permissions of Unix sockets.", Mode()),
    _option("--fd", "Listen on this inherited descriptor instead.", _COUNT),
    _option(
        "--bind",
        "HOST:PORT, [IPV6]:PORT, unix:PATH, fd://NUMBER or, of systemd, fd://NAME, "
        "instead of all these; may be repeated.",
        Item(),
    ),
    _option(
        "--reuse-port/--no-reuse-port",
        "A socket for each worker; the kernel spreads clients.",
    ),
    _option("--backlog", "Connections that wait to be accepted.", Whole(1)),
]
_WHAT = [
    _option(
        "--app-dir",
        "Folder to import TARGET from; the current one if empty.",
        click.Path(file_okay=False),
    ),
    _option(
        "--factory", "TARGET is a function that makes the application.", is_flag=True
    ),
    _option(
        "--interface",
        "What TARGET is; WSGI is refused.",
        Interface(["auto", "asgi3", "asgi2", "wsgi"]),
    ),
    _option("--loop", "Event loop of the application.", Loop()),
    _option("--lifespan", "Lifespan protocol.", click.Choice(["auto", "on", "off"])),
    _option("--root-path", "ASGI root_path, for an application below a path."),
    _option("--env-file", "Variables to set first, from this file.", _FILE),
    _option(
        "--docs/--no-docs",
        "Serve /openapi.json and /docs when there is no application (a .c file).",
    ),
    _option(
        "--lift/--no-lift",
        "Answer FastAPI's endpoints that are C functions without Python.",
    ),
    _option(
        "--lift-past",
        "Middleware that those may go past, by its class's name; may be repeated.",
        Item(),
        callback=_flatten,
    ),
]
_PROCESSES = [
    _option("--workers", "Worker processes.", Whole(1), env=["WEB_CONCURRENCY"]),
    _option("--spare", "Started workers that wait for another one's end.", _COUNT),
    _option(
        "--preload/--no-preload", "Import TARGET once and fork the workers off that."
    ),
    _option("--io-threads", "I/O threads of each worker.", Whole(1, 256)),
    _option(
        "--limit-max-requests", "Requests until a worker is replaced; 0: any.", _COUNT
    ),
    _option("--limit-max-requests-jitter", "Up to so many more, drawn by lot.", _COUNT),
    _option(
        "--limit-memory",
        "Resident memory at which a worker is replaced (512M, 1G); 0: any.",
        Size(0),
    ),
    _option(
        "--timeout-worker-healthcheck",
        "Seconds until a worker whose loop hangs is replaced; 0: never.",
        _SECONDS,
    ),
    _option(
        "--watchdog",
        "Seconds that C may hold an I/O thread until the log names it; 0: any.",
        _SECONDS,
    ),
    _option(
        "--timeout-graceful-shutdown",
        "Seconds that running requests get when the server stops.",
        _SECONDS,
    ),
    _option(
        "--native-off",
        'Native routes that Python is to answer: "/path", "/path/*", '
        '"METHOD /path" or "*"; may be repeated.',
        Item(),
    ),
    _option(
        "--quarantine-crashes",
        "Crashes of a native route after which Python answers; 0: any.",
        _COUNT,
    ),
    _option(
        "--quarantine-window", "Seconds within which those crashes happen.", _SECONDS
    ),
    _option("--control", "Unix socket that `inlay ctl` talks to.", click.Path()),
]
_DATABASES = [
    _option(
        "--db",
        "Database: postgresql://USER@HOST/NAME, sqlite:///FILE, or NAME=URL for "
        "another one than the default; may be repeated. Also DATABASE_URL and "
        "DATABASE_URL_NAME.",
        Database(),
    ),
    _option("--db-min-size", "Connections of a worker that stay open.", _COUNT),
    _option("--db-max-size", "Connections of a worker.", Whole(1, 10_000)),
    _option(
        "--db-pool-timeout",
        "Seconds that a statement waits for a connection, then 503.",
        _SECONDS,
    ),
    _option(
        "--db-statement-timeout", "Seconds that a statement may run; 0: any.", _SECONDS
    ),
    _option(
        "--db-statement-cache",
        "Prepared statements of a connection; 0: none, for old PgBouncers.",
        Whole(0, 100_000),
    ),
]
_RELOAD = [
    _option(
        "--reload",
        "Follow the sources, Python and C, as `inlay dev` does.",
        is_flag=True,
    ),
    _option(
        "--reload-dir",
        "Folder to watch instead of the current one; may be repeated.",
        Item(),
        field="reload_dirs",
        env=["INLAY_RELOAD_DIRS"],
    ),
    _option(
        "--reload-include",
        "Pattern of files to watch besides *.py; may be repeated.",
        Item(),
        field="reload_includes",
        env=["INLAY_RELOAD_INCLUDES"],
    ),
    _option(
        "--reload-exclude",
        "Pattern of files not to watch; may be repeated.",
        Item(),
        field="reload_excludes",
        env=["INLAY_RELOAD_EXCLUDES"],
    ),
    _option("--reload-delay", "Seconds between looks at the files.", _SECONDS),
]
_LOGS = [
    _option(
        "--log-level",
        "Least important level to log.",
        click.Choice(list(logs.LEVELS), case_sensitive=False),
    ),
    _option("--log-config", "Logging configuration: .ini, .json, .yaml.", _FILE),
    _option("--access-log/--no-access-log", "Log each request to stdout."),
    _option(
        "--access-log-format",
        "uvicorn, common, combined, json, or a text with %(name)s.",
    ),
    _option("--use-colors/--no-use-colors", "Coloured log; by default on a terminal."),
]
_METRICS = [
    _option("--metrics-port", "Prometheus metrics on this port.", _PORT),
    _option("--metrics-host", "Host of the metrics' port."),
    _option("--health-path", "Path that is answered 200 while the worker serves."),
    _option("--request-id/--no-request-id", "Make, log and send back x-request-id."),
    _option("--server-timing/--no-server-timing", "Send a Server-Timing header."),
]
_HEADERS = [
    _option("--server-header/--no-server-header", "Send a Server header."),
    _option("--date-header/--no-date-header", "Send a Date header."),
    _option(
        "--header",
        'Send this with every answer: "Name: value"; may be repeated.',
        Header("\n"),
        field="headers",
        env=["INLAY_HEADERS"],
    ),
    _option(
        "--proxy-headers/--no-proxy-headers",
        "Believe X-Forwarded-* and Forwarded of trusted proxies.",
    ),
    _option(
        "--forwarded-allow-ips",
        "Those proxies: addresses, networks, unix, or *.",
        env=["FORWARDED_ALLOW_IPS"],
    ),
    _option(
        "--proxy-protocol/--no-proxy-protocol",
        "Connections begin with a PROXY protocol header (v1, v2).",
    ),
]
_LAYERS = [
    _option(
        "--cors-origin",
        "Origin whose pages may read answers: https://a.example, "
        "https://*.example.com, http://localhost:*, or *; may be repeated.",
        Item(),
        callback=_flatten,
    ),
    _option(
        "--cors-method",
        "Method that they may use, or *; may be repeated.",
        Item(),
        callback=_flatten,
    ),
    _option(
        "--cors-header",
        "Header that they may send, or *; may be repeated.",
        Item(),
        callback=_flatten,
    ),
    _option(
        "--cors-expose-header",
        "Header of answers that they may read; may be repeated.",
        Item(),
        callback=_flatten,
    ),
    _option(
        "--cors-credentials/--no-cors-credentials",
        "They may send cookies and authorization.",
    ),
    _option(
        "--cors-max-age",
        "Seconds that browsers keep the answer to a preflight.",
        _COUNT,
    ),
    _option(
        "--rate-limit",
        "Requests of one client, per worker: 100/minute, "
        '"/login=5/minute burst 10 by header:x-api-key"; may be repeated.',
        Item(),
    ),
    _option(
        "--concurrency",
        "Requests at once, per worker: /report=2; may be repeated.",
        Item(),
    ),
    _option(
        "--timeout",
        "Time until the answer begins, then 504: /report=3s; may be repeated.",
        Item(),
    ),
    _option(
        "--accept",
        "Media types that there are, else 406: /report=text/csv; may be repeated.",
        Item(),
    ),
]
_FILES = [
    _option("--static", "Serve files: /PATH=FOLDER; may be repeated.", Item()),
    _option("--static-index", "File that stands for a folder; empty: none."),
    _option(
        "--static-max-age",
        "Seconds of cache-control for files; -1: no such header.",
        Whole(min=-1),
    ),
    _option(
        "--compress",
        "Compress answers: zstd, br, gzip, with commas or repeated.",
        Item(choices=_CODINGS),
        callback=_flatten,
    ),
    _option("--compress-min-size", "Shorter answers are not.", Size(0)),
    _option(
        "--compress-types",
        "Content types that are, with commas or repeated.",
        Item(),
        callback=_flatten,
    ),
]
_WEBSOCKET = [
    _option(
        "--ws",
        "WebSocket: auto, or none. The other names mean auto.",
        click.Choice(["auto", "none", "websockets", "websockets-sansio", "wsproto"]),
    ),
    _option("--ws-max-size", "Bytes of a message.", Size()),
    _option("--ws-max-queue", "Messages that wait for the application.", _COUNT),
    _option("--ws-ping-interval", "Seconds between pings; 0: none.", _SECONDS),
    _option("--ws-ping-timeout", "Seconds for the answer; 0: any time.", _SECONDS),
    _option(
        "--ws-per-message-deflate",
        "Compress, if the client can.",
        click.BOOL,
    ),
]
_TIMEOUTS = [
    _option("--timeout-keep-alive", "Seconds a connection may idle.", _SECONDS),
    _option(
        "--timeout-header",
        "Seconds from a request's first byte to the end of its headers.",
        _SECONDS,
    ),
    _option("--timeout-body", "Seconds without a byte of an awaited body.", _SECONDS),
    _option("--timeout-write", "Seconds a client may take no byte.", _SECONDS),
    _option(
        "--timeout-request",
        "Seconds from a request's headers to the begin of its answer.",
        _SECONDS,
    ),
    _option("--timeout-queue", "Seconds in the queue of --limit-queue.", _SECONDS),
]
_LIMITS = [
    _option(
        "--limit-head-bytes",
        "Request line and headers, together.",
        Size(),
        also="--h11-max-incomplete-event-size",
    ),
    _option("--limit-header-count", "Headers of a request.", Whole(1)),
    _option(
        "--limit-trailer-bytes",
        "Trailers and chunk extensions of a body, together.",
        Size(),
    ),
    _option(
        "--limit-body-bytes",
        "Body of any request; 0: no limit (ASGI bodies are streamed).",
        Size(0),
    ),
    _option("--limit-native-body-bytes", "Body collected for a native route.", Size()),
    _option(
        "--limit-form-bytes", "Form sent to a native route, files and all.", Size()
    ),
    _option("--limit-form-fields", "Fields of a form.", _COUNT),
    _option("--limit-form-files", "Files of a form.", _COUNT),
    _option("--limit-form-field-bytes", "One field of a form.", Size()),
    _option(
        "--limit-form-file-memory", "File of a form; larger ones go to disk.", Size()
    ),
    _option("--limit-request-memory", "Memory that one request may take.", Size()),
    _option("--limit-body-rate", "Bytes a second that a body must come with.", Size(0)),
    _option(
        "--limit-connections", "Open connections of a worker; 0: no limit.", _COUNT
    ),
    _option(
        "--limit-address-connections",
        "Open connections from one address; 0: no limit.",
        _COUNT,
    ),
    _option(
        "--limit-concurrency",
        "Requests that the application has at once, further ones get a 503; 0: any.",
        _COUNT,
    ),
    _option("--limit-queue", "Requests that wait for that instead.", _COUNT),
    _option(
        "--body-window",
        "Body bytes held for the application before the client has to wait.",
        Size(),
    ),
    _option(
        "--write-window",
        "Answer bytes held for the client before the application has to wait.",
        Size(),
    ),
]
# Of uvicorn, without an effect here.
_NO_EFFECT = [
    ServerOption(
        ["--http"],
        type=click.Choice(["auto", "h11", "httptools", "zttp"]),
        expose_value=False,
        help="There is one HTTP implementation; nothing follows from this.",
    ),
    ServerOption(
        ["--reset-contextvars"],
        is_flag=True,
        expose_value=False,
        help="Each request has a context of its own in any case.",
    ),
]

SECTIONS: dict[str, list[ServerOption]] = {
    "Where to listen": _WHERE,
    "Application": _WHAT,
    "Processes and threads": _PROCESSES,
    "Databases": _DATABASES,
    "Reload": _RELOAD,
    "Log": _LOGS,
    "Metrics and health": _METRICS,
    "Headers and proxies": _HEADERS,
    "Layers": _LAYERS,
    "Files and compression": _FILES,
    "WebSocket": _WEBSOCKET,
    "Timeouts": _TIMEOUTS,
    "Limits": _LIMITS,
    "Accepted because uvicorn has them": _NO_EFFECT,
}
for _title, _members in SECTIONS.items():
    for _each in _members:
        _each.section = _title

BY_FIELD = {
    option.name: option
    for members in SECTIONS.values()
    for option in members
    if option.name is not None and option.expose_value
}
NAMES = [option.opts[0].removeprefix("--") for option in BY_FIELD.values()]
# `inlay dev` has one worker, which follows its sources.
NOT_IN_DEV = frozenset({
    "workers", "spare", "preload", "reload", "reload_dirs", "reload_includes",
    "reload_excludes", "reload_delay", "limit_max_requests",
    "limit_max_requests_jitter", "limit_memory", "reuse_port",
})  # fmt: skip

# Read by others: the compiler and its cache, the pools, the command's TARGET.
_OTHER_VARIABLES = frozenset({
    "INLAY_TARGET", "INLAY_CACHE_DIR", "INLAY_NO_CACHE", "INLAY_CFLAGS",
    "INLAY_LDFLAGS", "INLAY_POOL_THREADS", "INLAY_POOL_QUEUE", "INLAY_LOOP_THREADS",
})  # fmt: skip

# --- Values from elsewhere than the command line ------------------------------


def field_of(key: str) -> str | None:
    """The field of an option's name, with dashes or underscores."""
    name = key.replace("-", "_")
    if name in BY_FIELD:
        return name
    for field, option in BY_FIELD.items():
        if f"--{key.replace('_', '-')}" in option.opts:
            return field
    return None


def convert(field: str, value: Any) -> Any:
    """A value as Config has it; raises OptionError."""
    option = BY_FIELD[field]
    if field == "db" and isinstance(value, Mapping):
        value = [f"{name}={url}" for name, url in value.items()]
    if isinstance(value, Mapping):
        raise OptionError(f"{value!r} is a table")
    if option.multiple:
        value = list(value) if isinstance(value, (list, tuple)) else [value]
    elif isinstance(value, (list, tuple)):
        raise OptionError(f"{value!r} is a list: one value is expected")
    context = click.Context(click.Command("inlay"))
    try:
        value = option.type_cast_value(context, value)
        if option.callback is not None:
            value = option.callback(context, option, value)
    except click.BadParameter as error:
        raise OptionError(error.message) from None
    return value


def like(name: str, known: Iterable[str]) -> str:
    """ "; did you mean …?", or nothing if none is like it."""
    found = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {found[0]}?" if found else ""


def unknown_variables(environ: Iterable[str]) -> list[str]:
    """What to say of INLAY_ variables that nothing reads."""
    known = {name for option in BY_FIELD.values() for name in option.envvar or ()}
    known |= _OTHER_VARIABLES
    return [
        f"the variable {name} is none of Inlay's{like(name, known)}"
        for name in sorted(set(environ) - known)
        if name.startswith("INLAY_")
    ]


def check(config: Config) -> Config:
    """The record, if its options make sense and go together, with root_path
    as ASGI has it; raises OptionError."""
    _check_together(config)
    _check_texts(config)
    try:
        for text in config.bind:
            sockets.parse(text)
        settings.check(config)
        database.check(config)
    except (sockets.BindError, ValueError, OSError) as error:
        text = getattr(error, "strerror", None) or str(error)
        name, colon, reason = text.partition(":")
        if colon and name in BY_FIELD:
            text = f"{BY_FIELD[name].opts[0]}:{reason}"
        raise OptionError(text) from None
    return dataclasses.replace(config, root_path=config.root_path.rstrip("/"))


def _check_texts(config: Config) -> None:
    for option, path in (
        ("--health-path", config.health_path),
        ("--root-path", config.root_path),
    ):
        if path and not path.startswith("/"):
            raise OptionError(f'{option}: "{path}" begins with no "/"')
        if wrong := re.search(r"[?#\s\0]", path):
            raise OptionError(f'{option}: "{path}" has "{wrong[0]}", which no path has')
    for pattern in config.native_off:
        try:
            quarantine.check(pattern)
        except ValueError as error:
            raise OptionError(f"--native-off: {error}") from None
    if config.control is not None and config.control[:1] in ("", "@"):
        raise OptionError("--control: it takes the path of a file")
    if config.app_dir and not os.path.isdir(config.app_dir):
        raise OptionError(f'--app-dir: there is no folder "{config.app_dir}"')


def _check_together(config: Config) -> None:
    conflicts = [
        (config.bind and config.uds is not None, "--bind", "--uds"),
        (config.bind and config.fd is not None, "--bind", "--fd"),
        (config.fd is not None and config.uds is not None, "--fd", "--uds"),
        (config.reuse_port and config.fd is not None, "--reuse-port", "--fd"),
        (config.reuse_port and config.uds is not None, "--reuse-port", "--uds"),
        (config.reload and config.preload, "--reload", "--preload"),
        (config.reload and config.spare > 0, "--reload", "--spare"),
    ]
    for given, one, other in conflicts:
        if given:
            raise OptionError(f"{one} and {other} exclude each other")
    needs = [
        (config.limit_queue, config.limit_concurrency, "queue", "concurrency"),
        (
            config.limit_max_requests_jitter,
            config.limit_max_requests,
            "max-requests-jitter",
            "max-requests",
        ),
    ]
    if config.cors_credentials and not config.cors_origin:
        raise OptionError("--cors-credentials needs --cors-origin")
    for wanted, there, one, other in needs:
        if wanted and not there:
            raise OptionError(f"--limit-{one} needs --limit-{other}")
