"""Fixtures of all Python tests: C text -> module, in folders of their own."""

from __future__ import annotations

import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import httpx
import pytest
from inlay.importer import SourceLoader

from .compare import Twin, load_app
from .postgres import Postgres, installed
from .server import UnixServer

_numbers = itertools.count()

# A run in the background ignores them, and whatever is started by it: programs go
# on ignoring them then, as they should, and tests send them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory):
    """Compiled modules of the tests stay out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    before = os.environ.get("INLAY_CACHE_DIR")
    os.environ["INLAY_CACHE_DIR"] = str(folder)
    yield folder
    if before is None:
        del os.environ["INLAY_CACHE_DIR"]
    else:
        os.environ["INLAY_CACHE_DIR"] = before


@pytest.fixture(scope="session")
def module(tmp_path_factory, cache_dir):
    """module(source) -> the module made of that C text.

    Line 1 includes <inlay.h>, the text follows. Each gets a name of its own
    (or `name`) and stays in sys.modules, for pickle.
    """

    def make(source: str, name: str | None = None, header: str | None = None):
        name = name or f"native_{next(_numbers)}"
        folder = tmp_path_factory.mktemp(name)
        path = folder / f"{name}.c"
        if header is not None:
            (folder / "local.h").write_text(textwrap.dedent(header))
        text = textwrap.dedent(source).lstrip("\n")
        path.write_text(f"#include <inlay.h>\n{text}")
        return load(path, name)

    return make


def load(path: Path, name: str):
    loader = SourceLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    try:
        loader.exec_module(made)
    except BaseException:
        del sys.modules[name]
        raise
    return made


class Project:
    """A folder with files, in which Python programs run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = dict(os.environ)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return path

    def start(self, main: Path, **env: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, str(main)],
            cwd="/",
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str, **env: str) -> tuple[int, str, str]:
        """Runs the program; its status, output and errors."""
        process = self.start(self.write("main.py", code), **env)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def project(tmp_path):
    """An empty project with a cache of its own."""
    made = Project(tmp_path / "app")
    made.folder.mkdir()
    made.cache = tmp_path / "cache"
    made.env["INLAY_CACHE_DIR"] = str(made.cache)
    return made


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL of this run's own; its tests are skipped where it has none."""
    if installed() is None:
        pytest.skip("PostgreSQL is not installed")
    with Postgres() as made:
        yield made


@pytest.fixture(scope="module")
def native(request, tmp_path_factory):
    """A client of the module's NATIVE, a C file, served with its OPTIONS."""
    url = os.environ.get("INLAY_TEST_NATIVE_URL")
    if url:  # a server of it that is there already
        with httpx.Client(base_url=url) as client:
            yield client
        return
    options = getattr(request.module, "OPTIONS", [])
    folder = tmp_path_factory.mktemp("native")
    with UnixServer(folder, request.module.NATIVE, *options) as server:
        yield server.client


@pytest.fixture(scope="module")
def twin(request):
    """The module's TWIN, the same in FastAPI, in process."""
    made = Twin(load_app(request.module.TWIN))
    yield made
    made.close()
