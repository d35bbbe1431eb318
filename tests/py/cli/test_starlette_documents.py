"""Native routes in what Starlette's SchemaGenerator makes."""

from __future__ import annotations

APP = """
import fast
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.schemas import SchemaGenerator

schemas = SchemaGenerator({"openapi": "3.1.0", "info": {"title": "x", "version": "1"}})


def schema(request):
    return JSONResponse(schemas.get_schema(routes=request.app.routes))


def users(request):
    \'\'\'
    responses:
      200:
        description: Users.
    \'\'\'


app = Starlette(routes=[Route("/schema", schema), Route("/users", users)])
"""

FAST = """
#include <inlay.h>

int64_t twice(int64_t n)
{
    return 2 * n;
}
INLAY_GET("/twice", twice);
"""


def test_both_are_documented(inlay_run, tmp_path):
    (tmp_path / "app.py").write_text(APP.replace("\\'", "'"))
    (tmp_path / "fast.c").write_text(FAST)
    server = inlay_run("app:app", app_dir=tmp_path)
    paths = server.get("/schema").json()["paths"]
    assert paths["/users"]["get"]["responses"]
    assert [each["name"] for each in paths["/twice"]["get"]["parameters"]] == ["n"]
