"""`inlay new`, `inspect`, `stubs`, `build`: as a person types them."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import textwrap
import zipfile
from pathlib import Path

import pytest

from .conftest import INLAY

pytestmark = pytest.mark.slow

SOURCE = """\
/* Things to look at. */

#include <inlay.h>

enum color { RED, GREEN = 5 };
struct user { int64_t id; inlay_str name; enum color likes; };
INLAY_SLICE(users, struct user);
struct counter { int64_t n; };

/// Adds two numbers.
///
/// More about it.
int64_t add(int64_t a, int64_t b) { return a + b; }
INLAY_DEFAULT(add, b, 5);
INLAY_GET("/add", add);

/// The first of them.
struct user first(users all) { return all.ptr[0]; }
double slow(double x) { return x; }
INLAY_ASYNC(slow);
double long_one(double x) { return x; }
INLAY_NOGIL(long_one);
int64_t ask(inlay_db *db) { return inlay_one(db, int64_t, "select 1"); }
union both { int i; float f; };
int64_t odd(union both b) { return b.i; }

static struct counter the_one;
/// Counts.
struct counter *counter_new(int64_t start)
{
    the_one.n = start;
    return &the_one;
}
void counter_free(struct counter *c) { c->n = 0; }
/// One more.
int64_t counter_up(struct counter *c, int64_t by) { return c->n += by; }
"""


def inlay(
    *words: str, cwd: Path, env: dict[str, str] | None = None, fails: bool = False
) -> str:
    done = subprocess.run(
        [str(INLAY), *words],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def python(
    *words: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "look.c"
    path.write_text(SOURCE)
    return path


def no_compiler(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing can be compiled."""
    cache = tmp_path / "empty-cache"
    missing = str(tmp_path / "no-such-compiler")
    return {
        "CC": missing,
        "CXX": missing,
        "RUSTC": missing,
        "PATH": str(tmp_path),
        "INLAY_CACHE_DIR": str(cache),
    }


# --- inspect -------------------------------------------------------------------


def test_inspect_prints_tables(source: Path) -> None:
    text = inlay("inspect", "look.c", cwd=source.parent)
    assert "Functions" in text and "Types" in text
    assert "Routes" in text and "Left out" in text
    assert "Adds two numbers." in text
    assert "(a: int, b: int = 5) -> int" in text
    assert "look.c:13" in text
    assert "unions have no Python form" in text
    assert "on the pool, awaited" in text
    assert "without the GIL" in text


def test_inspect_as_json(source: Path) -> None:
    found = json.loads(inlay("inspect", "look.c", "--json", cwd=source.parent))
    functions = {f["name"]: f for f in found["functions"]}
    assert functions["first"]["signature"] == "(all: list[user]) -> user"
    assert functions["long_one"]["runs"] == "without the GIL"
    assert functions["first"]["runs"] == "holding the GIL"
    assert functions["ask"]["runs"] == "holding the GIL, given back in waits"
    types = {t["name"]: t for t in found["types"]}
    assert types["color"]["members"] == ["RED = 0", "GREEN = 5"]
    assert types["user"]["members"] == ["id: int", "name: str", "likes: color"]
    assert types["counter"]["kind"] == "object"
    assert any(".up(by: int) -> int" in row for row in types["counter"]["members"])
    (route,) = found["routes"]
    assert (route["methods"], route["path"]) == ("GET", "/add")
    assert "odd" in {row["name"] for row in found["left_out"]}


def test_inspect_says_what_does_not_compile(source: Path) -> None:
    source.write_text("int f(void) { return nothing; }\n")
    text = inlay("inspect", "look.c", cwd=source.parent, fails=True)
    assert "look.c:1" in text and "nothing" in text
    assert "Traceback" not in text


def test_inspect_knows_what_is_native(source: Path) -> None:
    (source.parent / "app.py").write_text("x = 1\n")
    text = inlay("inspect", "app.py", cwd=source.parent, fails=True)
    assert "app.py is no C, C++ or Rust file" in text


def test_inspect_lists_a_class_named_as_a_function(source: Path) -> None:
    source.write_text(
        "#include <stdint.h>\n"
        "struct r { int64_t x; };\n"
        "struct r r(int64_t x) { return (struct r){x}; }\n"
    )
    found = json.loads(inlay("inspect", "look.c", "--json", cwd=source.parent))
    assert [t["name"] for t in found["types"]] == ["r_"]
    assert [f["signature"] for f in found["functions"]] == ["(x: int) -> r_"]
    (row,) = found["left_out"]
    assert row["name"] == "r" and "the class is r_" in row["reason"]


# --- stubs ---------------------------------------------------------------------

USE = """\
from __future__ import annotations
from dataclasses import dataclass
import look

@dataclass
class Person:
    id: int
    name: str
    likes: look.color

total: int = look.add(1) + look.add(a=1, b=2)
someone: look.user = look.first([Person(1, "a", look.color.RED), {"id": 2}])
name: str = someone.name
likes: look.color = someone.likes

async def wait() -> float:
    return await look.slow(1.5)

with look.counter(3) as c:
    n: int = c.up(by=2)

match someone:
    case look.user(id, text):
        print(id, text)
"""

MISUSE = """\
import look

look.add("one")
look.first(3)
x: str = look.add(1)
look.missing()
look.user(1)
"""


def checking(checker: str, folder: Path) -> list[str]:
    """The command, at its strictest."""
    if checker == "mypy":
        return ["-m", "mypy", "--strict", "--no-incremental"]
    settings = '{"typeCheckingMode": "strict", "reportMissingModuleSource": false}'
    (folder / "pyrightconfig.json").write_text(settings)
    return ["-m", "basedpyright", "--level", "error"]


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_stubs_are_right(source: Path, checker: str) -> None:
    assert "look.pyi" in inlay("stubs", "look.c", cwd=source.parent)
    (source.parent / "use.py").write_text(USE)
    (source.parent / "misuse.py").write_text(MISUSE)
    command = checking(checker, source.parent)
    good = python(*command, "use.py", cwd=source.parent)
    assert good.returncode == 0, good.stdout + good.stderr
    bad = python(*command, "misuse.py", cwd=source.parent)
    for line in (3, 4, 5, 6, 7):
        assert f"misuse.py:{line}" in bad.stdout, bad.stdout


ODD = r'''/* The module "ends" so: "x" */

#include <inlay.h>
#include <stdlib.h>
INLAY_SLICE(reals, double);
enum colour { None, class };
struct user { int id, self, property; };
struct Any { struct user user; enum colour colour; reals list; };
struct box { int n; };
struct box *box_new(int self) { return calloc(1, sizeof(struct box)); }
void box_free(struct box *b) { free(b); }
reals box_list(struct box *b, reals str) { return str; }
struct user box_user(struct box *b, struct user u) { return u; }
int box_object(const struct box *b, int self) { return b->n + self; }
/// back\\slash, \n, """three""" and "one"
reals list(reals a) { return a; }
inlay_str str(inlay_str s) { return s; }
INLAY_DEFAULT(str, s, "a\"b\\c\n'");
struct Any swap(struct Any lambda) { return lambda; }
double apply(double (*def)(double, int), double x) { return def(x, 1); }
'''

USE_ODD = """\
import odd

numbers: list[float] = odd.list([1.0])
text: str = odd.str("a") + odd.str()
box = odd.box(3)
user: odd.user = box.user(odd.user(1, 2, 3))
swapped: odd.Any = odd.swap(odd.Any(user, odd.colour.None_, [1.0]))
again: odd.user = odd.swap(swapped).user
n: int = box.object(3)
numbers = box.list(str=[])
half: float = odd.apply(lambda x, n: x / n, 1.0)
"""


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_stubs_of_odd_names(tmp_path: Path, checker: str) -> None:
    (tmp_path / "odd.c").write_text(ODD)
    inlay("stubs", "odd.c", cwd=tmp_path)
    compile((tmp_path / "odd.pyi").read_text(), "odd.pyi", "exec")
    (tmp_path / "use.py").write_text(USE_ODD)
    done = python(*checking(checker, tmp_path), "use.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_import_writes_the_stub_beside_the_cache(source: Path) -> None:
    cache = source.parent / "cache"
    done = python(
        "-c",
        "import inlay, look",
        cwd=source.parent,
        env={"INLAY_CACHE_DIR": str(cache)},
    )
    assert done.returncode == 0, done.stderr
    stubs = list(cache.rglob("*.pyi"))
    assert len(stubs) == 1
    assert "def add(" in stubs[0].read_text()
    assert not list(source.parent.glob("*.pyi")), "nothing is written beside sources"


# --- build ---------------------------------------------------------------------


def test_build_in_place_runs_without_a_compiler(source: Path, tmp_path: Path) -> None:
    text = inlay("build", "look.c", cwd=source.parent)
    assert "look.inlay.so" in text
    assert (tmp_path / "look.pyi").exists()
    code = (
        "import inlay, look\n"
        "assert look.add(2) == 7\n"
        "assert look.add.__doc__.startswith('Adds two numbers.')\n"
        "assert look.__doc__ == 'Things to look at.'\n"
        "assert look.counter(1).up(2) == 3\n"
        "assert look.first([look.user(1, 'a', 'RED')]).likes is look.color.RED\n"
        "print(look.add.__inlay_source__)\n"
    )
    done = python("-c", code, cwd=tmp_path, env=no_compiler(tmp_path))
    assert done.returncode == 0, done.stderr
    # Its source is not needed either.
    source.unlink()
    done = python("-c", code, cwd=tmp_path, env=no_compiler(tmp_path))
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) not in done.stdout


def test_a_module_built_ahead_knows_no_path_of_the_machine(source: Path) -> None:
    inlay("build", ".", cwd=source.parent)
    content = (source.parent / "look.inlay.so").read_bytes()
    assert str(source.parent).encode() not in content


def test_a_changed_source_counts_more_than_what_was_built(
    source: Path, tmp_path: Path
) -> None:
    inlay("build", "look.c", cwd=source.parent)
    source.write_text(SOURCE.replace("a + b", "a * b"))
    done = python("-c", "import inlay, look; print(look.add(3, 4))", cwd=tmp_path)
    assert done.stdout == "12\n", done.stderr


def test_build_says_what_is_wrong(tmp_path: Path) -> None:
    text = inlay("build", "nowhere", cwd=tmp_path, fails=True)
    assert "there is no file or folder nowhere" in text
    text = inlay("build", ".", cwd=tmp_path, fails=True)
    assert "no native modules" in text
    text = inlay("build", "--wheel", cwd=tmp_path, fails=True)
    assert "has no pyproject.toml" in text
    (tmp_path / "bad.c").write_text("int f(void) { return nothing; }\n")
    text = inlay("build", ".", cwd=tmp_path, fails=True)
    assert "bad.c:1" in text and "Traceback" not in text


# --- wheels --------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the template, built as `python -m build` does it."""
    folder = tmp_path_factory.mktemp("wheel")
    inlay("new", "statistics_in_c", "--template", "wheel", cwd=folder)
    project = folder / "statistics_in_c"
    done = python("-m", "build", "--no-isolation", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = (project / "dist").glob("*.whl")
    return found


def test_a_wheel_is_for_every_python(wheel: Path) -> None:
    assert wheel.name.startswith("statistics_in_c-0.1.0-py3-none-")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "statistics_in_c/__init__.py",
        "statistics_in_c/fast.py",
        "statistics_in_c/fast.pyi",
        "statistics_in_c/fast.inlay.so",
        "statistics_in_c-0.1.0.dist-info/METADATA",
    } <= names
    assert not any(name.endswith((".c", ".h")) for name in names)


def test_a_wheel_passes_the_checks(wheel: Path) -> None:
    done = python("-m", "twine", "check", "--strict", str(wheel), cwd=wheel.parent)
    assert done.returncode == 0 and "PASSED" in done.stdout, done.stdout
    done = python("-m", "auditwheel", "show", str(wheel), cwd=wheel.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "manylinux" in done.stdout


def test_the_source_archive_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    (archive,) = wheel.parent.glob("*.tar.gz")
    done = python(
        *("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"),
        *("-w", str(tmp_path), str(archive)),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / wheel.name).exists()


def test_an_installed_wheel_needs_no_compiler(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = python(
        *("-m", "pip", "install", "-q", "--no-deps", "--target", str(site)),
        str(wheel),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    code = "import statistics_in_c as s; print(s.mean([1, 2, 6]), s.mean.__doc__)"
    before = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(site), before])
    env = {**no_compiler(tmp_path), "PYTHONPATH": path}
    done = python("-c", code, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3.0 The mean of some numbers")


def make_project(folder: Path) -> None:
    """With all that a layout may have."""
    for path, text in {
        "pyproject.toml": """
            [build-system]
            requires = ["inlay"]
            build-backend = "inlay.build"
            [project]
            name = "Odd.One"
            version = "1.0"
            license = "MIT"
            license-files = ["LICENSE"]
            dependencies = ["inlay"]
            scripts.go = "pkg:main"
            entry-points."x.y".a = "pkg:main"
        """,
        "LICENSE": "",
        "src/pkg/__init__.py": """
            import inlay
            inlay.allow(__path__)
            def main():
                from pkg.deep.fast import f
                print(f(1))
        """,
        "src/pkg/data/ä, b.txt": "data",
        "src/pkg/deep/fast.c": """
            // inlay: sources part.c
            #include <inlay.h>
            int helper(int);
            int f(int x) { return helper(x); }
        """,
        "src/pkg/deep/part.c": "int helper(int x) { return x + 1; }",
        # As `inlay build` leaves them.
        "src/pkg/deep/fast.pyi": "",
        "src/pkg/deep/fast.inlay.so": "",
        "src/alone.py": "",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(textwrap.dedent(text).lstrip("\n"))


def test_the_same_wheel_from_anywhere(tmp_path: Path) -> None:
    made = []
    for place in "a b", "ü=c":
        project = tmp_path / place
        make_project(project)
        inlay("build", "--wheel", "--sdist", ".", cwd=project)
        found = sorted((project / "dist").iterdir())
        assert len(found) == 2
        made.append([(path.name, path.read_bytes()) for path in found])
    assert made[0] == made[1]
    wheel = zipfile.ZipFile(found[0])
    names = [n for n in wheel.namelist() if not n.startswith("odd_one-1.0.dist-info/")]
    ours = [f"pkg/deep/fast{end}" for end in (".inlay.so", ".py", ".pyi")]
    others = ["alone.py", "pkg/__init__.py", "pkg/data/ä, b.txt"]
    assert sorted(names) == sorted(ours + others)
    record = wheel.read("odd_one-1.0.dist-info/RECORD").decode()
    for path, digest, size in csv.reader(record.splitlines()):
        if not path.endswith("/RECORD"):
            content = wheel.read(path)
            hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
            assert digest == f"sha256={hashed.decode().rstrip('=')}", path
            assert size == str(len(content))
    metadata = wheel.read("odd_one-1.0.dist-info/METADATA").decode()
    assert "License-Expression: MIT" in metadata
    site = tmp_path / "site"
    done = python(
        *("-m", "pip", "install", "-q", "--no-deps", "--target", str(site)),
        str(found[0]),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    env = {**no_compiler(tmp_path), "PYTHONPATH": path}
    done = python(str(site / "bin/go"), cwd=tmp_path, env=env)
    assert (done.stdout, done.returncode) == ("2\n", 0), done.stderr


def test_a_wheel_without_native_modules(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname="p"\nversion="1"\n')
    (tmp_path / "p.py").write_text("")
    assert "p-1-py3-none-any.whl" in inlay("build", "--wheel", ".", cwd=tmp_path)


def test_an_editable_install_follows_the_source(tmp_path: Path) -> None:
    inlay("new", "followed", "--template", "wheel", cwd=tmp_path)
    venv = tmp_path / "venv"
    done = python(
        "-m", "venv", "--system-site-packages", "--without-pip", str(venv), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    # Its site-packages are not those of this environment.
    site = os.pathsep.join(
        [os.environ.get("PYTHONPATH", ""), sysconfig.get_path("purelib")]
    )
    done = python(
        *("-m", "pip", "--python", str(venv / "bin/python"), "install", "-q"),
        *("--no-deps", "--no-build-isolation", "-e", str(tmp_path / "followed")),
        cwd=tmp_path,
        env={"PYTHONPATH": site},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    code = "import followed; print(followed.mean([2, 4]))"
    for wanted in ("3.0\n", "6.0\n"):
        done = subprocess.run(
            [str(venv / "bin/python"), "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": site},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == wanted, done.stderr
        source = tmp_path / "followed/followed/fast.c"
        source.write_text(
            source.read_text().replace("sum / (double)of.len", "sum + 0 * of.len")
        )


# --- new -----------------------------------------------------------------------


@pytest.mark.parametrize("template", ["function", "routes", "wheel"])
def test_what_new_makes_passes_its_own_test(tmp_path: Path, template: str) -> None:
    text = inlay("new", "fresh", "--template", template, cwd=tmp_path)
    assert "cd fresh" in text
    done = python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path / "fresh"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_new_refuses(tmp_path: Path) -> None:
    for name in ("a-b", "class"):
        words = ("new", name, "--template", "wheel")
        assert "can't be the name" in inlay(*words, cwd=tmp_path, fails=True)
    inlay("new", "my-shop", cwd=tmp_path)
    inlay("new", "fresh", cwd=tmp_path)
    assert "is there already" in inlay("new", "fresh", cwd=tmp_path, fails=True)
    (tmp_path / "empty").mkdir()
    inlay("new", "empty", "--template", "function", cwd=tmp_path)
    assert (tmp_path / "empty/fast.c").exists()
