"""Connections to PostgreSQL: encrypted ones, and one that is used for long."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .postgres import Postgres
from .server import UnixServer
from .test_native_stream import children, resident

C_FILE = Path(__file__).parent / "databases" / "session.c"


def certificate(folder: Path, owner: str | None) -> tuple[Path, Path]:
    cert, key = folder / "server.crt", folder / "server.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-subj", "/CN=database", "-days", "2"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    if owner:
        shutil.chown(key, owner)
        shutil.chown(cert, owner)
    return cert, key


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate")
def test_tls_as_the_url_says(tmp_path: Path) -> None:
    with Postgres() as postgres:
        cert, key = certificate(postgres.folder, postgres.user)
        postgres.psql(f"alter system set ssl_cert_file = '{cert}'")
        postgres.psql(f"alter system set ssl_key_file = '{key}'")
        postgres.psql("alter system set ssl = on")
        postgres.stop()
        postgres.start()
        url = postgres.url(tcp=True)
        url += "&" if "?" in url else "?"
        trusted = f"{url}sslmode=verify-full&sslrootcert={cert}"
        with UnixServer(tmp_path, C_FILE, "--db", trusted) as server:
            assert server.client.get("/encrypted").json() is True
            # Whole results of many records, and many statements at once.
            assert server.client.get("/ask", params={"times": 500}).json() == 500
        other, _ = certificate(tmp_path, None)
        strange = f"{url}sslmode=verify-full&sslrootcert={other}"
        with UnixServer(tmp_path, C_FILE, "--db", strange) as server:
            assert server.client.get("/encrypted").status_code == 503
            server.wait_logged("certificate verify failed")
        plain = f"{url}sslmode=disable"
        with UnixServer(tmp_path, C_FILE, "--db", plain) as server:
            assert server.client.get("/encrypted").json() is False


@pytest.mark.slow
def test_a_million_statements_leak_nothing(postgres: Postgres, tmp_path: Path) -> None:
    options = ["--db", postgres.url(), "--db-max-size", "4"]
    with UnixServer(tmp_path, C_FILE, *options) as server:

        def ask_once(_: int) -> None:
            answer = server.client.get("/ask", params={"times": 5000})
            assert answer.json() == 5000, answer.text

        # Four at once: with one, most of the time is waking an idle machine.
        def ask(requests: int) -> int:
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(ask_once, range(requests)))
            pid = server.process.pid
            return max(resident(each) for each in [pid, *children(pid)])

        warm = ask(20)
        assert ask(180) < warm + (2 << 20)
