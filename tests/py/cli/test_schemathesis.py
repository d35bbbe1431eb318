"""Requests made from the document of the quick start, good and bad ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import validate

pytest.importorskip("schemathesis")

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart"

# Not what is tested here: pydantic's lax mode takes "5" and true for an int,
# and so do we; a method that no native route has is answered by FastAPI; the
# function itself refuses numbers whose squares are too large.
UNWANTED = "negative_data_rejection,unsupported_method,positive_data_acceptance"


@pytest.mark.slow
def test_native_routes_are_as_documented(inlay_run, tmp_path):
    server = inlay_run("app:app", app_dir=QUICKSTART)
    validate(server.get("/openapi.json").json())
    program = Path(sys.executable).parent / "schemathesis"
    told = subprocess.run(
        [
            str(program),
            "run",
            f"{server.url}/openapi.json",
            "--include-path",
            "/sum-squares",
            "--include-path",
            "/process-numbers",
            "--include-path",
            "/",
            "--include-path",
            "/items/{item_id}",
            "--exclude-checks",
            UNWANTED,
            "--seed",
            "1",
            "--max-examples",
            "50",
            "--no-color",
        ],  # fmt: skip
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Tested: 4" in told.stdout
