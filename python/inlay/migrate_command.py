"""What `inlay db` does and prints."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from . import _core, database, migrations, project
from .migrations import Applied, Migration, MigrationError, kind_of
from .options import OptionError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _url(given: str | None) -> str:
    """--db, or of INLAY_DB, DATABASE_URL and [tool.inlay] db the default database,
    or the one that --db names."""
    if given and not _NAME.fullmatch(given):
        return given
    wanted = _folded(given if given and given != "default" else "")
    try:
        settings = project.settings("", True)
    except OptionError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None
    told = [*map(database.split, os.environ.get("INLAY_DB", "").split())]
    if not database.misspelt(wanted, os.environ):
        told += database.of_environment(os.environ)
        told += map(database.split, settings.get("db", ()))
    for name, url in told:
        if _folded(name) == wanted:
            return url
    text = "which database? --db URL, or DATABASE_URL"
    if wanted:
        variable = database.variable(wanted)
        text = f'no database is called "{given}": give its URL, or set {variable}'
    why = database.passed_over(wanted, os.environ)
    raise click.UsageError(
        f"{text} ({why})" if why else text, click.get_current_context()
    )


def _folded(name: str) -> str:
    """As a variable has it."""
    return name.lower().replace("-", "_")


def _configure(given: str | None) -> str:
    try:
        url = database.checked(_url(given))[1]
        kind_of(url)
        # Migrations may take as long as they like.
        _core.configure_database("", url, statement_timeout=-1)
    except (MigrationError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    return url


def _status(url: str, folder: Path) -> tuple[list[Applied], list[Migration]]:
    if path := migrations.missing_file(url):
        click.echo(f"{path} does not exist yet", err=True)
    return migrations.status(url, folder)


def migrate(folder: str, given: str | None, dry_run: bool) -> None:
    url, path = _configure(given), Path(folder)
    try:
        if dry_run:
            for each in _status(url, path)[1]:
                click.echo(f"would apply {each.path}")
            return
        count = migrations.migrate(
            url, path, lambda each: click.echo(f"applied {each.path}")
        )
    except MigrationError as error:
        raise click.ClickException(str(error)) from None
    if not count:
        click.echo("nothing to apply")


def status(folder: str, given: str | None) -> None:
    url = _configure(given)
    try:
        applied, left = _status(url, Path(folder))
    except MigrationError as error:
        raise click.ClickException(str(error)) from None
    for each in applied:
        click.echo(f"applied  {each.number:04} {each.name}  {each.applied_at}")
    for file in left:
        click.echo(f"pending  {file.number:04} {file.name}")
    if not applied and not left:
        click.echo("there are no migrations")
