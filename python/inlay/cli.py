"""The `inlay` command."""

from __future__ import annotations

import os
import socket
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


_WORKERS = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=lambda: int(os.environ.get("WEB_CONCURRENCY", _DEFAULTS.workers)),
    show_default="$WEB_CONCURRENCY or 1",
    help="Worker processes.",
)
_SERVER_OPTIONS = [
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


def _server_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_SERVER_OPTIONS):
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
@_WORKERS
@_server_options
def run(**options: Any) -> None:
    """Serve TARGET: an ASGI application as module:attribute, or a .c file.

    Every option can also be given as an environment variable: --host as
    INLAY_HOST, and so on.
    """
    _serve(Config(**options), Supervisor)


@main.command()
@click.argument("path", default=".", type=click.Path())
@click.option("--wheel", is_flag=True, help="Make a wheel of the project in PATH.")
@click.option("--sdist", is_flag=True, help="Make its source archive.")
@click.option(
    "--outdir",
    type=click.Path(file_okay=False),
    help="Where wheel and archive go.  [default: PATH/dist]",
)
def build(path: str, wheel: bool, sdist: bool, outdir: str | None) -> None:
    """Compile native modules ahead of time.

    Without options: in place, NAME.inlay.so and NAME.pyi beside each source
    of the file or folder PATH. Where such a module runs, no compiler is needed.
    """
    from . import ahead
    from . import build as backend
    from .errors import BuildError

    try:
        if not wheel and not sdist:
            for made in ahead.build_in_place(path):
                sys.stderr.write(made.warnings)
                click.echo(f"{made.name}: {os.path.splitext(made.source)[0]}.inlay.so")
            return
        folder = os.path.abspath(outdir or os.path.join(path, "dist"))
        os.makedirs(folder, exist_ok=True)
        os.chdir(path)
        if wheel:
            click.echo(os.path.join(folder, backend.build_wheel(folder)))
        if sdist:
            click.echo(os.path.join(folder, backend.build_sdist(folder)))
    except (BuildError, ImportError, OSError) as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def inspect(file: str, as_json: bool) -> None:
    """List what the native module FILE gives Python, what not, and why."""
    from . import listing

    listing.show(_load(file), as_json)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--stdout", is_flag=True, help="Print instead of writing NAME.pyi.")
def stubs(files: tuple[str, ...], stdout: bool) -> None:
    """Write NAME.pyi beside each native module, for type checkers and editors."""
    from . import ahead
    from . import stubs as writer
    from .errors import BuildError
    from .importer import head_comment

    try:
        sources = [source for path in files for source in ahead.native_sources(path)]
    except BuildError as error:
        raise click.ClickException(str(error)) from None
    for source in sources:
        native, doc = _load(source), head_comment(source)
        if stdout:
            click.echo(writer.text(native, os.path.basename(source), doc))
            continue
        target = f"{os.path.splitext(source)[0]}.pyi"
        writer.write(native, target, os.path.basename(source), doc)
        click.echo(target)


def _load(file: str) -> Any:
    """The NativeModule of a source, or of a module that was built ahead."""
    from . import _core, ahead, built, cache

    name = ahead.module_name(file.removesuffix(built.SUFFIX) + ".c")
    try:
        if file.endswith(built.SUFFIX):
            made = built.find(os.path.abspath(file), name)
            return _core.load(name, made.path, made.root)
        found = cache.build(file)
        return _core.load(name, found.path, found.root)
    except ImportError as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.argument("path", metavar="NAME", type=click.Path())
@click.option(
    "--template",
    type=click.Choice(["function", "routes", "wheel"]),
    default="routes",
    show_default=True,
    help="C functions; a FastAPI application with C routes; a package to ship.",
)
def new(path: str, template: str) -> None:
    """Make a folder NAME with something in it that runs, and its test."""
    from . import scaffold

    try:
        made = scaffold.create(path, template)
    except scaffold.ScaffoldError as error:
        raise click.ClickException(str(error)) from None
    for file in made:
        click.echo(f"  {file}")
    steps = "".join(f"\n  {step}" for step in scaffold.NEXT_STEPS[template])
    click.echo(f"Now:\n  cd {path}{steps}")


def _serve(
    config: Config, kind: Callable[[Config, list[socket.socket]], Supervisor]
) -> None:
    _reserve_standard_streams()
    logs.configure(config.log_level, config.use_colors)
    try:
        listening = sockets.bind(config)
    except sockets.BindError as error:
        logs.log.error("%s", error)
        sys.exit(EXIT_FAILED)
    sys.exit(kind(config, listening).run())


@main.command(cls=_RunCommand, context_settings={"auto_envvar_prefix": "INLAY"})
@click.argument("target")
@_server_options
def dev(**options: Any) -> None:
    """Serve TARGET and follow its sources.

    C is compiled and swapped in while the server runs. When Python changes,
    the worker is replaced; requests wait for the new one. A file that does
    not compile leaves the code as it is.
    """
    from .dev import DevSupervisor

    _serve(Config(**options, dev=True), DevSupervisor)
