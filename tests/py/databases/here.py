"""Databases of the process that runs the tests, one of each kind.

A process keeps a database that it has opened, so these last as long as it does,
and every test file has tables of its own in them.
"""

from __future__ import annotations

import os

from inlay import _core

KINDS = ("sqlite", "postgresql")
_made: dict[str, str] = {}


def url_of(kind: str, request, tmp_path_factory) -> str:
    """Its URL; PostgreSQL's tests are skipped where it is not installed."""
    if kind not in _made:
        if kind == "sqlite":
            folder = tmp_path_factory.mktemp("here")
            _made[kind] = f"sqlite:///{folder}/here.db"
        elif found := os.environ.get("INLAY_TEST_POSTGRES"):
            _made[kind] = found  # of tests/py/postgres.py
        else:
            postgres = request.getfixturevalue("postgres")
            _made[kind] = postgres.create_database("here")
        # SQLite's is the default one, too.
        names = ["test_" + kind] + ([""] if kind == "sqlite" else [])
        for name in names:
            _core.configure_database(name, _made[kind])
    return _made[kind]


def name_of(kind: str, request, tmp_path_factory) -> str:
    """The name under which the process has it."""
    url_of(kind, request, tmp_path_factory)
    return "test_" + kind
