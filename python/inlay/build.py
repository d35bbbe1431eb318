"""The build backend of projects with native modules (PEP 517, PEP 660).

    [build-system]
    requires = ["inlay"]
    build-backend = "inlay.build"

`pip install .` and `python -m build` then make one wheel for all versions of
Python. Hooks run in the project's folder; `inlay build --wheel` calls them too.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

from inlay import ahead, built
from inlay.recipe import language
from inlay.wheels import Project, Wheel, info_files, platform_tag, write_archive

_SHIM = '''\
"""Compiled ahead by Inlay: the code is in {file}, the signatures in {stub}."""

__import__("inlay").load_built(__name__, __file__)
'''
_OURS = (".py", ".pyi")
_HEADERS = (".h", ".hh", ".hpp", ".hxx", ".inc")


def get_requires_for_build_wheel(
    config_settings: dict[str, Any] | None = None,
) -> list[str]:
    return ["pyproject-metadata>=0.8", 'tomli; python_version < "3.11"']


get_requires_for_build_sdist = get_requires_for_build_wheel
get_requires_for_build_editable = get_requires_for_build_wheel


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Write the wheel of the project in the working directory; its name."""
    project = Project(".")
    files = list(project.files())
    sources = list(
        ahead.find_modules(os.path.join(project.root, path) for path in files)
    )
    with tempfile.TemporaryDirectory(prefix="inlay-") as scratch:
        modules = []
        for index, source in enumerate(sources):
            output = os.path.join(scratch, f"{index}{built.SUFFIX}")
            relative = os.path.relpath(source, project.root)
            name = os.path.splitext(relative)[0].replace(os.sep, ".")
            modules.append((relative, output, _compile(source, name, output)))
        wheel = Wheel(wheel_directory, project, _tag(modules))
        ours = {_stem(relative) + end for relative, _, _ in modules for end in _OURS}
        for path in files:
            if not language(path) and not path.endswith(_HEADERS) and path not in ours:
                wheel.add(path, _read(os.path.join(project.root, path)))
        for relative, output, made in modules:
            _add_module(wheel, _stem(relative), output, made)
        return wheel.close()


def _compile(source: str, name: str, output: str) -> ahead.Ahead:
    print(f"compiling {os.path.relpath(source)}", file=sys.stderr)
    made = ahead.compile_module(source, name, output)
    sys.stderr.write(made.warnings)
    return made


def _stem(relative: str) -> str:
    return os.path.splitext(relative)[0]


def _add_module(wheel: Wheel, stem: str, output: str, made: ahead.Ahead) -> None:
    wheel.add(stem + built.SUFFIX, _read(output), 0o755)
    wheel.add(f"{stem}.pyi", made.stub.encode())
    name = os.path.basename(stem)
    shim = _SHIM.format(file=name + built.SUFFIX, stub=f"{name}.pyi")
    wheel.add(f"{stem}.py", shim.encode())


def _tag(modules: list[tuple[str, str, ahead.Ahead]]) -> str:
    if not modules:
        return "py3-none-any"
    platform = platform_tag([output for _, output, _ in modules])
    if any(made.python_only for _, _, made in modules):
        version = f"cp{sys.version_info.major}{sys.version_info.minor}"
        return f"{version}-{version}-{platform}"
    return f"py3-none-{platform}"


def build_sdist(
    sdist_directory: str, config_settings: dict[str, Any] | None = None
) -> str:
    """Write the source archive; its name."""
    return write_archive(sdist_directory, Project("."))


def build_editable(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """A wheel that points to the sources, which the import hook compiles."""
    project = Project(".")
    wheel = Wheel(wheel_directory, project, "py3-none-any")
    lines = [project.root]
    # Modules at the root have no __init__.py that could turn the hook on.
    if any(language(path) and os.sep not in path for path in project.files()):
        lines.append("import inlay")
    name = project.stem.partition("-")[0]
    wheel.add(f"__editable__{name}.pth", ("\n".join(lines) + "\n").encode())
    return wheel.close()


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: dict[str, Any] | None = None
) -> str:
    """Write the .dist-info folder without building anything; its name."""
    project = Project(".")
    name = f"{project.stem}.dist-info"
    os.makedirs(os.path.join(metadata_directory, name), exist_ok=True)
    # The tag is known after compiling; installers read METADATA here.
    for path, content in info_files(project, "py3-none-any"):
        target = os.path.join(metadata_directory, name, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(content)
    return name


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
