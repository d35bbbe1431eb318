"""Wheels and source archives of a project whose modules are in C.

The wheel's tag is `py3-none-<platform>`: nothing in it depends on the version
of Python. What it holds: the project's Python packages (and modules of its
root folder), and for each native module NAME the shared object NAME.inlay.so,
its stub and a NAME.py that loads it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import platform
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Any

from inlay.errors import BuildError
from inlay.toml import parse_toml

_SKIPPED = {"__pycache__", "build", "dist", "node_modules", "venv", "tests", "test"}
# A wheel's times: 1980 is the first year that a zip file knows.
_EPOCH = 315532800
# The oldest glibc that pip knows a tag for.
_GLIBC_LEAST = (2, 17)
# What every Linux that a manylinux tag stands for has.
_EVERYWHERE = re.compile(
    r"(libc|libm|libpthread|libdl|librt|libgcc_s|libstdc\+\+|ld-linux[-\w]*)\.so[.\d]*"
)


class Project:
    """A folder with a pyproject.toml."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.abspath(folder)
        path = os.path.join(self.folder, "pyproject.toml")
        try:
            with open(path, "rb") as file:
                self.settings = parse_toml(file.read().decode())
        except FileNotFoundError:
            raise BuildError(
                f"{self.folder} has no pyproject.toml: a wheel needs a name and a "
                "version (`inlay new NAME --template wheel` makes one)"
            ) from None
        except ValueError as error:
            raise BuildError(f"{path}: {error}") from None
        self.metadata = self._read_metadata(path)

    def _read_metadata(self, path: str) -> Any:
        try:
            import pyproject_metadata
        except ImportError:
            raise BuildError(
                'wheels need the package pyproject-metadata: pip install "inlay[build]"'
            ) from None
        if "project" not in self.settings:
            raise BuildError(f"{path} has no [project] table")
        try:
            metadata = pyproject_metadata.StandardMetadata.from_pyproject(
                self.settings, self.folder, metadata_version=self._metadata_version()
            )
        except pyproject_metadata.ConfigurationError as error:
            raise BuildError(f"{path}: {error}") from None
        if metadata.version is None:
            raise BuildError(f"{path}: [project] has no version")
        return metadata

    def _metadata_version(self) -> str:
        """The oldest that can say it: not every installer knows PEP 639's."""
        project = self.settings["project"]
        licensed = isinstance(project.get("license"), str)
        return "2.4" if licensed or "license-files" in project else "2.2"

    @property
    def stem(self) -> str:
        """NAME-VERSION as file names have it (PEP 427, PEP 625)."""
        name = re.sub(r"[-_.]+", "_", self.metadata.name).lower()
        return f"{name}-{self.metadata.version}"

    @property
    def root(self) -> str:
        """The folder that imports begin in: src/ when there is one."""
        source = os.path.join(self.folder, "src")
        if os.path.isdir(source) and not _is_package(source):
            return source
        return self.folder

    def files(self) -> Iterator[str]:
        """Everything importable below the root, as relative paths."""
        for folder, names, files in os.walk(self.root):
            inside = folder != self.root
            names[:] = sorted(
                name
                for name in names
                if not name.startswith(".")
                and name not in _SKIPPED
                and not name.endswith(".egg-info")
                and (inside or _is_package(os.path.join(folder, name)))
            )
            for name in sorted(files):
                if inside or name.endswith((".py", ".c", ".cpp", ".cc", ".cxx", ".rs")):
                    if not _is_private(name, inside):
                        yield os.path.relpath(os.path.join(folder, name), self.root)


def _is_package(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "__init__.py"))


def _is_private(name: str, inside: bool) -> bool:
    if name.startswith(".") or name.endswith((".pyc", ".inlay.so")):
        return True
    return not inside and (
        name in ("setup.py", "conftest.py") or name.startswith("test_")
    )


class Wheel:
    """A wheel that is being written."""

    def __init__(self, directory: str, project: Project, tag: str) -> None:
        self.name = f"{project.stem}-{tag}.whl"
        self.tag = tag
        self.info = f"{project.stem}.dist-info"
        self._project = project
        self._path = os.path.join(directory, self.name)
        self._part = f"{self._path}.part"
        self._zip = zipfile.ZipFile(self._part, "w", zipfile.ZIP_DEFLATED)
        self._rows: list[str] = []

    def add(self, path: str, content: bytes, mode: int = 0o644) -> None:
        path = path.replace(os.sep, "/")
        self._write(path, content, mode)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
        self._rows.append(
            f"{_csv(path)},sha256={digest.rstrip(b'=').decode()},{len(content)}"
        )

    def _write(self, path: str, content: bytes, mode: int) -> None:
        entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
        entry.external_attr = (0o100000 | mode) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        self._zip.writestr(entry, content)

    def close(self) -> str:
        """Add the metadata and finish; the file's name."""
        for path, content in info_files(self._project, self.tag):
            self.add(f"{self.info}/{path}", content)
        record = f"{self.info}/RECORD"
        self._rows.append(f"{record},,")
        self._write(record, ("\n".join(self._rows) + "\n").encode(), 0o644)
        self._zip.close()
        os.replace(self._part, self._path)
        return self.name


def _csv(path: str) -> str:
    if "," in path or '"' in path:
        return '"' + path.replace('"', '""') + '"'
    return path


def info_files(project: Project, tag: str) -> Iterator[tuple[str, bytes]]:
    """What lies in .dist-info, but for RECORD."""
    yield "METADATA", bytes(project.metadata.as_rfc822())
    yield (
        "WHEEL",
        f"Wheel-Version: 1.0\nGenerator: inlay\n"
        f"Root-Is-Purelib: false\nTag: {tag}\n".encode(),
    )
    scripts = _entry_points(project.metadata)
    if scripts:
        yield "entry_points.txt", scripts.encode()
    for path in project.metadata.license_files or ():
        with open(os.path.join(project.folder, path), "rb") as file:
            yield f"licenses/{path}", file.read()


def _entry_points(metadata: Any) -> str:
    groups = dict(metadata.entrypoints)
    if metadata.scripts:
        groups["console_scripts"] = metadata.scripts
    if metadata.gui_scripts:
        groups["gui_scripts"] = metadata.gui_scripts
    parts = []
    for group, items in groups.items():
        rows = [f"{name} = {target}" for name, target in items.items()]
        parts.append("\n".join([f"[{group}]", *rows]) + "\n")
    return "\n".join(parts)


def write_archive(directory: str, project: Project) -> str:
    """The source archive (PEP 625); its file's name."""
    name = f"{project.stem}.tar.gz"
    path = os.path.join(directory, name)
    with (
        open(f"{path}.part", "wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=_EPOCH) as packed,
        tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as archive,
    ):
        for relative in _archive_files(project.folder):
            with open(os.path.join(project.folder, relative), "rb") as file:
                _add_file(archive, f"{project.stem}/{relative}", file.read())
        head = bytes(project.metadata.as_rfc822())
        _add_file(archive, f"{project.stem}/PKG-INFO", head)
    os.replace(f"{path}.part", path)
    return name


def _archive_files(folder: str) -> Iterator[str]:
    skipped = _SKIPPED - {"tests", "test"}
    for place, names, files in os.walk(folder):
        names[:] = sorted(
            n
            for n in names
            if n not in skipped
            and not n.startswith(".")
            and not n.endswith(".egg-info")
            and not os.path.isfile(os.path.join(place, n, "pyvenv.cfg"))
        )
        for name in sorted(files):
            path = os.path.join(place, name)
            if os.path.isfile(path) and not name.endswith((".pyc", ".inlay.so")):
                yield os.path.relpath(path, folder)


def _add_file(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mtime = _EPOCH
    entry.mode = 0o644
    archive.addfile(entry, io.BytesIO(content))


def platform_tag(objects: list[str]) -> str:
    """manylinux_2_N when any Linux with that glibc can load them, else linux.

    PEP 600: what counts is the newest symbol version of glibc that is asked
    for, and that no library is needed that not every system has.
    """
    machine = platform.machine()
    newest = _GLIBC_LEAST
    for path in objects:
        text = _readelf(path)
        needed = re.findall(r"\(NEEDED\).*\[(.+?)\]", text)
        if not all(_EVERYWHERE.fullmatch(name) for name in needed):
            return f"linux_{machine}"
        if re.search(r"Name: (GLIBCXX|CXXABI)_", text):
            return f"linux_{machine}"
        for major, minor in re.findall(r"Name: GLIBC_(\d+)\.(\d+)", text):
            newest = max(newest, (int(major), int(minor)))
    return f"manylinux_{newest[0]}_{newest[1]}_{machine}"


def _readelf(path: str) -> str:
    command = ["readelf", "--wide", "--dynamic", "--version-info", path]
    try:
        done = subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError:
        raise BuildError("readelf is missing: install binutils") from None
    except subprocess.CalledProcessError as error:
        raise BuildError(
            f"readelf {path}: {error.stderr.decode(errors='replace').strip()}"
        ) from None
    return done.stdout.decode(errors="replace")
