"""A C file that is imported when the server is there already."""

from __future__ import annotations

APP = """
import importlib
from fastapi import FastAPI

app = FastAPI()

@app.get("/import/{name}")
def load(name: str):
    try:
        importlib.import_module(name)
    except ImportError as error:
        return {"failed": str(error)}
    return {"failed": None}
"""

GUARDED = """
#include <inlay.h>

static void refuse(void)
{
    inlay_fail(INLAY_DENIED, "no");
}
INLAY_BEFORE("/private/*", refuse);
"""

ROUTED = """
#include <inlay.h>

int32_t one(void)
{
    return 1;
}
INLAY_GET("/one", one);
"""


def test_what_comes_too_late_is_said(inlay_run, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "guarded.c").write_text(GUARDED)
    (tmp_path / "routed.c").write_text(ROUTED)
    server = inlay_run("app:app", app_dir=tmp_path)
    failed = server.get("/import/guarded").json()["failed"]
    assert "guarded.c:8: /private/* is guarded here" in failed
    assert "import guarded when the application starts" in failed
    assert server.get("/import/routed").json() == {"failed": None}
    assert "the routes of routed.c are not served" in server.log
    assert server.get("/one").status_code == 404
