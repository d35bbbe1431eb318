#!/usr/bin/env python3
"""Put the C sources of llhttp and yyjson into third_party/.

Both are carried by source packages that pip can download: each is pinned by
version and by the SHA-256 of its archive. Does nothing, and needs no network,
when the folder already holds these versions.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Source(NamedTuple):
    """An archive, and which of its files go where."""

    name: str
    version: str
    sha256: str
    files: dict[str, str]  # path inside the archive -> inside third_party/

    @property
    def pin(self) -> str:
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


SOURCES = [
    Source(
        "httptools",
        "0.9.0",
        "d484ebb7e3a3f3597b0f645fbd1b85633674ca808c1f5ba11c2caf7c66f5c8b6",
        {
            "vendor/llhttp/src/api.c": "llhttp/api.c",
            "vendor/llhttp/src/http.c": "llhttp/http.c",
            "vendor/llhttp/src/llhttp.c": "llhttp/llhttp.c",
            "vendor/llhttp/include/llhttp.h": "llhttp/llhttp.h",
            "vendor/llhttp/LICENSE": "llhttp/LICENSE",
        },
    ),
    Source(
        "yyjson",
        "4.0.6",
        "fcd4dc15c1e39a30bf9fa85d56903029111506860fc3080ab0d81c6c6dacaa8c",
        {
            "yyjson/yyjson.c": "yyjson/yyjson.c",
            "yyjson/yyjson.h": "yyjson/yyjson.h",
            "LICENSE": "yyjson/LICENSE",
        },
    ),
]
STAMP = "".join(f"{source.pin}\n" for source in SOURCES)


def is_complete(folder: Path) -> bool:
    stamp = folder / ".stamp"
    return (
        stamp.is_file()
        and stamp.read_text() == STAMP
        and all((folder / f).is_file() for s in SOURCES for f in s.files.values())
    )


def download(into: Path) -> None:
    pins = into / "pins.txt"
    pins.write_text(STAMP)
    command = [sys.executable, "-m", "pip", "download", "--quiet"]
    command += ["--disable-pip-version-check", "--no-deps", "--no-binary=:all:"]
    command += ["--require-hashes", "--dest", str(into), "-r", str(pins)]
    subprocess.run(command, check=True)


def extract(source: Source, archives: Path, folder: Path) -> None:
    base = f"{source.name}-{source.version}"
    with tarfile.open(archives / f"{base}.tar.gz") as archive:
        for inside, outside in source.files.items():
            content = archive.extractfile(f"{base}/{inside}")
            if content is None:
                raise FileNotFoundError(f"{base}.tar.gz has no {inside}")
            target = folder / outside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--copy-to",
        type=Path,
        metavar="FOLDER",
        help="also copy the files there (a release's source archive has them)",
    )
    copy_to = parser.parse_args().copy_to
    folder = ROOT / "third_party"
    if not is_complete(folder):
        with tempfile.TemporaryDirectory() as archives:
            download(Path(archives))
            for source in SOURCES:
                extract(source, Path(archives), folder)
        (folder / ".stamp").write_text(STAMP)
    if copy_to is not None:
        for name in ("llhttp", "yyjson"):
            shutil.copytree(folder / name, copy_to / name, dirs_exist_ok=True)
        shutil.copy2(folder / ".stamp", copy_to / ".stamp")
    return 0


if __name__ == "__main__":
    sys.exit(main())
