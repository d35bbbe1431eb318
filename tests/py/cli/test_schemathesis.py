"""Requests made from the documents of the examples, good and bad ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import validate

EXAMPLES = Path(__file__).parents[3] / "examples"

# pydantic's lax mode takes "5" and true for an int, and so do we.
LAX = "negative_data_rejection"


def schemathesis(url: str, folder: Path, *more: str) -> str:
    program = Path(sys.executable).parent / "schemathesis"
    options = ["--seed", "1", "--max-examples", "50", "--no-color"]
    told = subprocess.run(
        [str(program), "run", f"{url}/openapi.json", *options, *more],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.mark.slow
def test_alone(inlay_run, tmp_path):
    server = inlay_run(str(EXAMPLES / "library" / "library.c"))
    validate(server.get("/openapi.json").json())
    staff = ["--header", "authorization: Bearer staff"]
    told = schemathesis(server.url, tmp_path, "--exclude-checks", LAX, *staff)
    assert "Tested: 12" in told


@pytest.mark.slow
def test_beside_an_application(inlay_run, tmp_path):
    """The function itself refuses numbers whose squares are too large."""
    server = inlay_run("app:app", app_dir=EXAMPLES / "quickstart")
    validate(server.get("/openapi.json").json())
    paths = ["/sum-squares", "/process-numbers", "/", "/items/{item_id}"]
    checks = f"{LAX},positive_data_acceptance"
    told = schemathesis(
        server.url,
        tmp_path,
        *(part for path in paths for part in ("--include-path", path)),
        *("--exclude-checks", checks),
    )
    assert "Tested: 4" in told
