"""Native code that crashes under `inlay run`: the log says where."""

import re
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow

INPUT = Path(__file__).parents[2] / "unit" / "load" / "crash_input.c"
ROUTES = """
INLAY_GET("/null", null_write);
INLAY_GET("/overflow", overflow);
INLAY_GET("/loop", in_loop);
INLAY_GET("/well", well);
"""
APP = """
import fast
async def app(scope, receive, send):
    assert scope["type"] == "http"
    fast.divide(1)
"""


@pytest.mark.parametrize(
    ("path", "report"),
    [
        (
            "/null?value=1",
            r"inlay: SIGSEGV in helper\(\) at /\S*/fast\.c:\d+, for GET /null "
            r"\(address 0x0, thread inlay-io-0\)\n"
            r"  called by null_write\(\) at /\S*/fast\.c:\d+\n",
        ),
        (
            "/overflow",
            r"inlay: SIGSEGV \(stack overflow\) in recurse\(\) at /\S*/fast\.c:\d+, "
            r"for GET /overflow "
            r"\(address 0x\w+, thread inlay-io-0\)\n",
        ),
        (
            "/loop",
            r"inlay: SIGSEGV in helper\(\) at /\S*/fast\.c:\d+(, for GET /loop)? "
            r"\(address 0x0, thread inlay-(loop/\d+|io-0)\)\n"
            r"  called by part\(\) at ",
        ),
        (
            "/python",
            r"inlay: SIGFPE \(integer division by zero\) in divide\(\) at "
            r"/\S*/fast\.c:\d+ \(thread .+\)\n",
        ),
    ],
)
def test_report(inlay_run, write_app, tmp_path, path, report):
    write_app(APP)
    (tmp_path / "fast.c").write_text(INPUT.read_text() + ROUTES)
    server = inlay_run("app:app", "--lifespan", "off")
    assert server.get("/well?value=1").json() == 2
    with pytest.raises(httpx.HTTPError):
        server.get(path)
    server.wait_for_log("inlay: SIG")
    server.wait_for_log(".c:")
    # One write: all of it is there at once.
    assert len(re.findall(report, server.log)) == 1, server.log
    # And the next worker answers.
    for _ in range(100):
        try:
            assert server.get("/well?value=2").json() == 3
            break
        except httpx.HTTPError:
            continue
    else:
        pytest.fail(f"no worker: {server.log}")
