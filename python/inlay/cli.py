"""The `inlay` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from . import __version__, database, logs, options, project
from .config import Config
from .supervisor import supervise


def _server_options(command: click.Command) -> click.Command:
    """Give it the options of a server, in sections."""
    command.params += [
        option
        for members in options.SECTIONS.values()
        for option in members
        if command.name == "run" or option.name not in options.NOT_IN_DEV
    ]
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inlay")
def main() -> None:
    """Inlay sets C into Python web applications."""


# uvicorn has these; here they are planned (docs/options.md says more).
_NOT_YET = frozenset({
    "--http2", "--ssl-ca-certs", "--ssl-cert-reqs", "--ssl-certfile",
    "--ssl-ciphers", "--ssl-keyfile", "--ssl-keyfile-password", "--ssl-version",
})  # fmt: skip

# Of gunicorn and hypercorn.
_SHORT = {"-w": "--workers", "-b": "--bind", "-p": "--port"}


class _ServerCommand(click.Command):
    """Options from the command line, else from the environment, an env file,
    or [tool.inlay]; in this order."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            given = self.make_parser(ctx).parse_args(args=list(args))[0]
            if not ctx.resilient_parsing and "help" not in given:
                self._read_files(ctx, given)
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise self._explained(error, ctx) from None
        except options.OptionError as error:
            raise click.UsageError(str(error), ctx) from None

    def _explained(
        self, error: click.NoSuchOption, ctx: click.Context
    ) -> click.UsageError:
        name = error.option_name
        if name in _NOT_YET:
            return click.UsageError(
                f"{name} is an option of uvicorn that Inlay does not have yet "
                "(see docs/options.md)",
                ctx,
            )
        if self.name == "dev" and options.field_of(name.removeprefix("--")):
            return click.UsageError(
                f"{name} is an option of `inlay run`: `inlay dev` has one worker, "
                "which follows its sources",
                ctx,
            )
        if name in _SHORT:
            text = f"there is no option {name}; did you mean {_SHORT[name]}?"
            return click.UsageError(text, ctx)
        return error

    def _read_files(self, ctx: click.Context, given: Mapping[str, Any]) -> None:
        app_dir = given.get("app_dir") or os.environ.get("INLAY_APP_DIR", "")
        target = given.get("target")  # none may be an object of click's
        named = isinstance(target, str) or "INLAY_TARGET" in os.environ
        found = project.settings(app_dir, named)
        env_file = (
            given.get("env_file")
            or os.environ.get("INLAY_ENV_FILE")
            or found.get("env_file")
        )
        if env_file:
            project.load_env_file(env_file)
        if "db" in found:
            found["db"] = database.without(found["db"], os.environ)
        ctx.default_map = found

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                title = getattr(param, "section", "Other")
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _reserve_standard_streams() -> None:
    """Descriptors 0 to 2 that are closed would become sockets of ours."""
    while True:
        fd = os.open(os.devnull, os.O_RDWR)
        if fd > 2:
            os.close(fd)
            return


_TARGET = click.argument("target", required=False, envvar="INLAY_TARGET")


@_server_options
@main.command(cls=_ServerCommand)
@_TARGET
def run(target: str | None, **values: Any) -> None:
    """Serve TARGET: an ASGI application as module:attribute, or a .c file.

    Every option is also a variable, --host is INLAY_HOST, and a key of
    [tool.inlay] in pyproject.toml. Without TARGET, main.py, app.py, api.py
    and asgi.py are searched for one.
    """
    _serve(_config(target, values))


def _config(target: str | None, values: dict[str, Any], **more: Any) -> Config:
    try:
        target = target or project.find_target(values["app_dir"])
        return options.check(Config(target, **values, **more))
    except options.OptionError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None


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


# What decides which application is imported, and how its routes are served.
_OF_ROUTES = frozenset({
    "app_dir", "factory", "interface", "lifespan", "root_path", "env_file", "loop",
    "lift", "lift_past", "db", "db_min_size", "db_max_size", "db_pool_timeout",
    "db_statement_timeout", "db_statement_cache",
})  # fmt: skip


@main.command(
    "routes",
    cls=_ServerCommand,
    params=[options.BY_FIELD[name] for name in options.BY_FIELD if name in _OF_ROUTES],
)
@_TARGET
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_routes(target: str | None, as_json: bool, **values: Any) -> None:
    """List who answers what: every route of TARGET, in matching order.

    TARGET is imported and started as `inlay run` does it, its lifespan
    included (--lifespan off leaves that out); nothing is served.
    """
    from . import route_list
    from .lifespan import LifespanError
    from .target import TargetError

    config = _config(target, values)
    database.prepare(config)
    database.pretend()
    try:
        route_list.show(config, as_json)
    except (TargetError, LifespanError) as error:
        raise click.ClickException(str(error)) from None


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
    from . import _core, ahead, built, cache, recipe

    if not file.endswith(built.SUFFIX) and recipe.language(file) is None:
        raise click.ClickException(f"{file} is no C, C++ or Rust file")
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


@main.group()
def db() -> None:
    """Migrations of a database: numbered .sql files, each applied once."""


def _of_migrations(command: Any) -> Any:
    for option in (
        click.option(
            "--dir",
            "folder",
            default="migrations",
            show_default=True,
            type=click.Path(file_okay=False),
            help="Where 0001_users.sql and the others are.",
        ),
        click.option(
            "--db",
            "url",
            metavar="URL",
            help="postgresql://…, sqlite:///…, or the name of one that a variable or "
            "[tool.inlay] has.  [default: DATABASE_URL]",
        ),
    ):
        command = option(command)
    return command


@db.command()
@_of_migrations
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
def migrate(folder: str, url: str | None, dry_run: bool) -> None:
    """Apply what was not applied yet: in order, each in a transaction.

    One that fails is rolled back, and nothing behind it is tried. When two
    run at once the second one waits, and finds nothing to do.
    """
    from . import migrate_command

    migrate_command.migrate(folder, url, dry_run)


@db.command("status")
@_of_migrations
def db_status(folder: str, url: str | None) -> None:
    """What was applied and what is to be; fails when they don't go together."""
    from . import migrate_command

    migrate_command.status(folder, url)


@main.group(invoke_without_command=False)
@click.option(
    "--control",
    envvar="INLAY_CONTROL",
    type=click.Path(),
    help="The server's socket, as its --control has it.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def ctl(ctx: click.Context, control: str | None, as_json: bool) -> None:
    """Talk to a running server that has --control PATH."""
    try:
        path = control or project.settings("", True).get("control")
    except options.OptionError as error:
        raise click.UsageError(str(error), ctx) from None
    ctx.obj = (path, as_json)


def _ask(**request: Any) -> None:
    """Send a request to the server and show the answer."""
    from . import ctl as client

    path, as_json = click.get_current_context().obj
    if not path:
        raise click.UsageError("which server? --control PATH, or INLAY_CONTROL")
    client.run(path, request, as_json)


@ctl.command()
def status() -> None:
    """Workers, and what is off or quarantined."""
    _ask(command="status")


@ctl.command()
def routes() -> None:
    """The native routes, whether they run, and how often they crashed."""
    _ask(command="routes")


@ctl.command()
def databases() -> None:
    """Their connections and statements, of all workers together."""
    _ask(command="databases")


@ctl.command("native-off")
@click.argument("pattern")
def native_off(pattern: str) -> None:
    """Have Python answer: /path, /path/*, "METHOD /path" or "*"."""
    _ask(command="native-off", pattern=pattern)


@ctl.command("native-on")
@click.argument("pattern")
def native_on(pattern: str) -> None:
    """Have C answer again what PATTERN has turned off; "*": all."""
    _ask(command="native-on", pattern=pattern)


@ctl.group()
def quarantine() -> None:
    """Native routes that have crashed too often."""


@quarantine.command("list")
def quarantine_list() -> None:
    """Which ones there are."""
    _ask(command="quarantine")


@quarantine.command("lift")
@click.argument("route")
def quarantine_lift(route: str) -> None:
    """Have it run again, as "METHODS /path" of the list; "*": all."""
    _ask(command="lift", route=route)


@ctl.command()
def reload() -> None:
    """A new worker for each, one by one (as SIGHUP)."""
    _ask(command="reload")


@ctl.command(context_settings={"ignore_unknown_options": True})
@click.argument("change", metavar="+N|-N")
def workers(change: str) -> None:
    """So many workers more, or less."""
    try:
        if change[0] not in "+-":
            raise ValueError
        number = int(change if change[1:] else f"{change}1")
    except (ValueError, IndexError):
        raise click.BadParameter("write +1 or -1", param_hint="CHANGE") from None
    _ask(command="workers", change=number)


def _serve(config: Config) -> None:
    _reserve_standard_streams()
    try:
        logs.configure(config)
    except logs.LogConfigError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None
    for text in options.unknown_variables(os.environ):
        logs.log.warning("%s", text)
    sys.exit(supervise(config))


@_server_options
@main.command(cls=_ServerCommand)
@_TARGET
def dev(target: str | None, **values: Any) -> None:
    """Serve TARGET and follow its sources.

    C is compiled and swapped in while the server runs. When Python changes,
    the worker is replaced; requests wait for the new one. A file that does
    not compile leaves the code as it is.
    """
    _serve(_config(target, values, dev=True))
