"""What `inlay db` does and prints."""

from __future__ import annotations

import os
from pathlib import Path

import click

from . import _core, database, migrations, project
from .migrations import MigrationError, kind_of
from .options import OptionError


def _url(given: str | None) -> str:
    """--db, INLAY_DB, DATABASE_URL, or [tool.inlay] db: the default database."""
    if given:
        return given
    try:
        settings = project.settings("", True)
    except OptionError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None
    told = [
        *map(database.split, os.environ.get("INLAY_DB", "").split()),
        *database.of_environment(os.environ),
        *map(database.split, settings.get("db", ())),
    ]
    for name, url in told:
        if not name:
            return url
    raise click.UsageError(
        "which database? --db URL, or DATABASE_URL", click.get_current_context()
    )


def _configure(given: str | None) -> str:
    try:
        url = database.checked(_url(given))[1]
        kind_of(url)
        # Migrations may take as long as they like.
        _core.configure_database("", url, statement_timeout=-1)
    except (MigrationError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    return url


def migrate(folder: str, given: str | None, dry_run: bool) -> None:
    url, path = _configure(given), Path(folder)
    try:
        if dry_run:
            for each in migrations.status(url, path)[1]:
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
        applied, left = migrations.status(url, Path(folder))
    except MigrationError as error:
        raise click.ClickException(str(error)) from None
    for each in applied:
        click.echo(f"applied  {each.number:04} {each.name}  {each.applied_at}")
    for file in left:
        click.echo(f"pending  {file.number:04} {file.name}")
    if not applied and not left:
        click.echo("there are no migrations")
