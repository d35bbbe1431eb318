"""`inlay run --reload`: uvicorn's options for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from inlay.config import Config
from inlay.reload import Patterns

APP = """
from pathlib import Path

TEXT = Path(__file__).with_name("page.html").read_text() + "{version}"

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": TEXT.encode()}})
"""


def patterns(folder: Path, **options: tuple[str, ...]) -> Patterns:
    return Patterns(Config("app:app", app_dir=str(folder), **options))


def test_python_files_by_default(tmp_path):
    found = patterns(tmp_path)
    assert found.folders == [str(tmp_path)]
    assert found.match(f"{tmp_path}/a/b.py")
    for name in ("a.html", ".hidden.py", "~saved.py", "a.pyc", "a.py.swp"):
        assert not found.match(f"{tmp_path}/{name}"), name


def test_includes_and_excludes(tmp_path):
    (tmp_path / "static").mkdir()
    found = patterns(
        tmp_path,
        reload_includes=("*.html", ".env"),
        reload_excludes=("*_test.py", str(tmp_path / "static")),
    )
    for name in ("a.py", "a.html", ".env", "sub/.env"):
        assert found.match(f"{tmp_path}/{name}"), name
    for name in ("a_test.py", "static/a.html", ".a.html"):
        assert not found.match(f"{tmp_path}/{name}"), name
    assert not patterns(tmp_path, reload_excludes=("*.py",)).match(f"{tmp_path}/a.py")


def test_folders(tmp_path, caplog):
    for name in ("a/b", "c"):
        (tmp_path / name).mkdir(parents=True)
    a, b, c = (str(tmp_path / name) for name in ("a", "a/b", "c"))
    found = patterns(tmp_path, reload_dirs=(a, b), reload_includes=(c,))
    assert found.folders == [a, c]
    nowhere = str(tmp_path / "nowhere")
    assert patterns(tmp_path, reload_dirs=(nowhere,)).folders == [str(tmp_path)]


@pytest.mark.slow
def test_the_worker_is_restarted(inlay_run, tmp_path):
    (tmp_path / "page.html").write_text("one")
    (tmp_path / "app.py").write_text(APP.format(version=1))
    server = inlay_run(
        "app:app",
        *("--reload", "--workers", "2", "--reload-include", "*.html"),
        *("--reload-delay", "0.05"),
        app_dir=tmp_path,
    )
    assert "WARNING:  --reload has one worker: --workers is ignored" in server.log
    assert server.get("/").text == "one1"

    def becomes(text):
        deadline = time.monotonic() + 10
        while (got := server.get("/").text) != text:
            assert time.monotonic() < deadline, got
            time.sleep(0.02)

    (tmp_path / "page.html").write_text("two")
    becomes("two1")
    (tmp_path / "app.py").write_text(APP.format(version=2))
    becomes("two2")
    (tmp_path / "page.txt").write_text("nothing")
    time.sleep(0.3)
    assert server.log.count("starting anew") == 2
    # A mistake is said to those who ask; the next change mends it.
    (tmp_path / "app.py").write_text("syntax error")
    server.wait_for_log("SyntaxError")
    assert server.get("/").status_code == 500
    (tmp_path / "app.py").write_text(APP.format(version=3))
    becomes("two3")
    assert server.stop() == 0
