"""The same functions bound in four ways, as modules of this process.

Each is built as its own documentation has it for speed, in build/bench_peers,
and again only when its source here is newer. `Missing` says what a peer needs
that this machine has not.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
BUILD = ROOT / "build" / "bench_peers" / SUFFIX.strip(".").split(".")[0]
PINS = ROOT / "requirements" / "bench.txt"

PYO3 = "0.30.1"
CARGO = f"""[package]
name = "by_pyo3"
version = "0.0.0"
edition = "2021"
[lib]
crate-type = ["cdylib"]
path = "{{source}}"
[dependencies]
pyo3 = "={PYO3}"
[profile.release]
lto = "fat"
codegen-units = 1
"""


class Missing(Exception):
    """A peer that can't be had here; says why."""


def run(command: list[str], **options) -> None:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, **options
        )
    except FileNotFoundError:
        raise Missing(f"there is no {command[0]} here") from None
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        wrong = [line for line in lines if re.search(r"\berror\b", line, re.I)]
        raise Missing(f"{command[0]}: {(wrong or lines or ['failed'])[0]}")


def is_fresh(output: Path, *sources: Path) -> bool:
    return output.exists() and all(
        output.stat().st_mtime > source.stat().st_mtime for source in sources
    )


def load(name: str, folder: Path) -> ModuleType:
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


def inlay() -> ModuleType:
    os.environ.setdefault("INLAY_CACHE_DIR", str(BUILD / "inlay"))
    import inlay

    inlay.install()
    return load("by_inlay", HERE)


def by_hand() -> ModuleType:
    source, output = HERE / "by_hand.c", BUILD / f"by_hand{SUFFIX}"
    include = f"-I{sysconfig.get_path('include')}"
    flags = ["-O2", "-fPIC", "-shared", include]
    if not is_fresh(output, source):
        run(["cc", *flags, str(source), "-o", str(output)])
    return load("by_hand", BUILD)


def nanobind_folder() -> Path:
    """Where its pinned version is, which need not be installed."""
    folder = BUILD / "site"
    stamp = folder / ".pins"
    if not is_fresh(stamp, PINS):
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
        run([*pip, "--target", str(folder), "-r", str(PINS)])
        stamp.touch()
    return folder / "nanobind"


def nanobind() -> ModuleType:
    source, output = HERE / "by_nanobind.cpp", BUILD / f"by_nanobind{SUFFIX}"
    folder = nanobind_folder()
    flags = ["-O3", "-DNDEBUG", "-std=c++17", "-fPIC", "-shared"]
    flags += ["-fvisibility=hidden", "-fno-strict-aliasing"]
    flags += ["-fno-stack-protector", "-flto"]
    for include in (
        Path(sysconfig.get_path("include")),
        folder / "include",
        folder / "ext" / "robin_map" / "include",
    ):
        flags.append(f"-I{include}")
    library = folder / "src" / "nb_combined.cpp"
    if not is_fresh(output, source, library):
        run(["g++", *flags, str(source), str(library), "-o", str(output)])
    return load("by_nanobind", BUILD)


def pyo3() -> ModuleType:
    folder, output = BUILD / "pyo3", BUILD / f"by_pyo3{SUFFIX}"
    folder.mkdir(exist_ok=True)
    manifest = CARGO.format(source=HERE / "by_pyo3.rs")
    if not is_fresh(output, HERE / "by_pyo3.rs", Path(__file__)):
        (folder / "Cargo.toml").write_text(manifest)
        run(
            ["cargo", "build", "--release", "--quiet"],
            cwd=folder,
            env={**os.environ, "PYO3_PYTHON": sys.executable},
        )
        built = folder / "target" / "release" / "libby_pyo3.so"
        shutil.copyfile(built, output)
    return load("by_pyo3", BUILD)


MAKERS: dict[str, Callable[[], ModuleType]] = {
    "inlay": inlay,
    "by hand": by_hand,
    "nanobind": nanobind,
    "PyO3": pyo3,
}


def build_all() -> tuple[dict[str, ModuleType], dict[str, str]]:
    """The modules by name, and why the others are missing."""
    modules: dict[str, ModuleType] = {}
    missing: dict[str, str] = {}
    BUILD.mkdir(parents=True, exist_ok=True)
    for name, make in MAKERS.items():
        try:
            modules[name] = make()
        except Missing as reason:
            missing[name] = str(reason)
    return modules, missing
