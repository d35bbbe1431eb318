"""Where modules are found, and who wins: names, packages, archives, builds."""

import subprocess
import sys
import zipfile

import pytest
from inlay import built, compiling, recipe

ONE = "long one(void) { return 1; }\n"
CALL = "import inlay, fast\nprint(fast.one())\n"


def ok(project, code, **env):
    status, out, err = project.run(code, **env)
    assert status == 0, err
    return out, err


def fails(project, code, **env):
    status, out, err = project.run(code, **env)
    assert status != 0, out
    return err


def test_relative_import_and_namespace_package(project):
    project.write("space/fast.c", ONE)
    project.write("space/user.py", "from . import fast\nfrom .fast import one\n")
    out, _ = ok(
        project,
        """
        import inlay
        from space import user
        print(user.one(), user.fast.__name__, user.fast.__package__)
        """,
    )
    assert out == "1 space.fast space\n"


def test_file_wins_over_a_folder_of_its_name(project):
    """A folder without __init__.py is a namespace package to Python."""
    project.write("fast.c", ONE)
    project.write("fast/notes.txt", "")
    assert ok(project, CALL)[0] == "1\n"
    project.write("fast/__init__.py", "def one(): return 'package'\n")
    assert ok(project, CALL)[0] == "package\n"


def test_folder_alone_stays_a_namespace(project):
    project.write("other.c", ONE)
    project.write("space/inner.py", "x = 5\n")
    assert ok(project, "import inlay, space.inner as i; print(i.x)")[0] == "5\n"


def test_python_file_beside_is_told_once(project):
    project.write("fast.c", ONE)
    project.write("fast.py", "def one(): return 'python'\n")
    out, err = ok(
        project,
        """
        import importlib, sys
        import inlay, fast
        print(fast.one())
        del sys.modules["fast"]
        import fast
        """,
    )
    assert out == "python\n"
    assert err.count("RuntimeWarning") == 1
    assert "fast.py is imported, not fast.c beside it" in err


def test_python_file_elsewhere_is_no_clash(project):
    project.write("fast.c", ONE)
    lib = project.write("lib/fast.py", "def one(): return 'python'\n").parent
    out, err = ok(project, f"import sys; sys.path.append({str(lib)!r})\n{CALL}")
    assert (out, err) == ("python\n", "")


def test_two_sources_of_one_name(project):
    project.write("fast.c", ONE)
    project.write("fast.cpp", 'extern "C" long one(void) { return 2; }\n')
    err = fails(project, CALL)
    assert "ImportError: fast.c and fast.cpp in" in err and "rename one" in err


def test_names(project):
    """A keyword can be imported by its text, as from Python files."""
    project.write("class.c", ONE)
    project.write("my-fast.c", ONE)
    out, _ = ok(
        project,
        """
        import importlib, inlay
        print(importlib.import_module("class").one())
        for name in ("my-fast", "no-such", "a/b"):
            try:
                importlib.import_module(name)
            except ImportError as error:
                print(type(error).__name__, error.name, str(error)[-20:])
        """,
    )
    lines = out.splitlines()
    assert lines[0] == "1"
    assert lines[1].startswith("ImportError my-fast") and "rename it" in lines[1]
    assert lines[2].startswith("ModuleNotFoundError no-such")
    assert lines[3].startswith("ModuleNotFoundError a/b")


def test_inside_a_zip_file(project):
    archive = project.folder / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("fast.c", ONE)
        file.writestr("pkg/__init__.py", "")
        file.writestr("pkg/inner.c", ONE)
    for name in ("fast", "pkg.inner"):
        err = fails(
            project,
            f"import sys; sys.path.append({str(archive)!r})\nimport inlay, {name}\n",
        )
        assert "ImportError" in err and "is inside a zip file" in err
    err = fails(
        project, f"import sys; sys.path.append({str(archive)!r})\nimport inlay, none"
    )
    assert "ModuleNotFoundError: No module named 'none'" in err


def test_source_tree_that_is_read_only(project):
    project.write("fast.c", "// inlay: sources more.c\nlong one(void);\n")
    project.write("more.c", ONE)
    project.write("main.py", CALL)
    project.folder.chmod(0o555)
    process = project.start(project.folder / "main.py")
    out, err = process.communicate(timeout=60)
    project.folder.chmod(0o755)
    assert out == "1\n", err
    names = {path.name for path in project.folder.iterdir()}
    assert names <= {"fast.c", "more.c", "main.py"}


def test_without_a_cache(project):
    """INLAY_NO_CACHE: compiled each time, and nothing is left."""
    project.write("fast.c", ONE)
    temp = project.folder / "temp"
    temp.mkdir()
    code = """
        import os, sys
        import inlay, fast
        print(fast.one(), os.listdir(os.environ["TMPDIR"]) != [])
        if not (child := os.fork()):
            sys.exit(0)
        os.waitpid(child, 0)
        print(os.path.exists(fast.__inlay__.path))
    """
    for _ in range(2):
        out, _ = ok(project, code, INLAY_NO_CACHE="1", TMPDIR=str(temp), HOME="/no")
        assert out == "1 True\nTrue\n"
        assert not list(temp.iterdir()) and not project.cache.exists()
    assert ok(project, CALL, INLAY_NO_CACHE="0")[0] == "1\n"
    assert project.cache.exists()


def build_ahead(project, name="fast", text=ONE, keep=True):
    """NAME.inlay.so beside NAME.c, as `inlay build` makes it."""
    source = project.write(f"{name}.c", text)
    scratch = project.folder / "scratch"
    scratch.mkdir(exist_ok=True)
    wanted = recipe.Recipe(str(source))
    output = project.folder / f"{name}{built.SUFFIX}"
    root = built.default_root(name)
    flags = compiling.map_prefixes(wanted, root)
    made = compiling.make(wanted, str(output), str(scratch), cflags=flags)
    built.stamp(str(output), wanted, made, root, "Built.")
    if not keep:
        source.unlink()
    return output


NO_COMPILER = {"PATH": "/nonexistent", "CC": ""}


def test_built_ahead_needs_no_compiler(project):
    text = "#include <inlay.h>\n" + ONE + 'INLAY_GET("/one", one);\n'
    output = build_ahead(project, text=text, keep=False)
    out, _ = ok(
        project,
        """
        import inlay, fast
        print(fast.one(), fast.__doc__, fast.__file__)
        print(fast.one.__inlay_source__, fast.__inlay__.routes)
        """,
        **NO_COMPILER,
    )
    assert out == (
        f"1 Built. {output}\n"
        "/inlay/fast/fast.c:2 [('GET', '/one', 'one', 0, '/inlay/fast/fast.c:3')]\n"
    )
    assert not project.cache.exists()
    assert str(project.folder).encode() not in output.read_bytes()


def test_built_ahead_counts_only_when_it_is_current(project):
    output = build_ahead(project)
    assert ok(project, CALL, **NO_COMPILER)[0] == "1\n"
    assert not project.cache.exists()
    project.write("fast.c", ONE.replace("1", "2"))
    assert ok(project, CALL)[0] == "2\n"
    project.write("fast.c", ONE.replace("1", "3"))
    err = fails(project, CALL, **NO_COMPILER)
    assert "no C compiler found" in err and f"({output} is not up to date)" in err


def test_built_ahead_is_reloaded(project):
    output = build_ahead(project, keep=False)
    other = build_ahead(project, "other", ONE.replace("1", "2"), keep=False)
    out, _ = ok(
        project,
        f"""
        import importlib, os
        import inlay, fast
        from fast import one
        importlib.reload(fast)
        print(one())
        os.replace({str(other)!r}, {str(output)!r})
        importlib.reload(fast)
        print(one())
        """,
    )
    assert out == "1\n2\n"


def test_shim_of_a_wheel(project):
    """In site-packages, where the hook does not look."""
    folder = project.folder
    project.folder = folder / "site-packages"
    build_ahead(project, keep=False)
    project.write("fast.py", '__import__("inlay").load_built(__name__, __file__)\n')
    project.write("lost.py", '__import__("inlay").load_built(__name__, __file__)\n')
    site, project.folder = project.folder, folder
    out, err = ok(
        project,
        f"""
        import sys
        sys.path.append({str(site)!r})
        import fast, pickle
        print(fast.one(), fast.__doc__, pickle.loads(pickle.dumps(fast.one))())
        print([name for name in vars(fast) if not name.startswith("__")])
        try:
            import lost
        except ImportError as error:
            print(error)
        """,
        **NO_COMPILER,
    )
    assert out == (
        f"1 Built. 1\n['one']\nthere is no {site}/lost.inlay.so: build it again\n"
    )
    assert err == ""


def test_built_for_another_python(project):
    output = build_ahead(project, text=f"#include <Python.h>\n{ONE}")
    project.folder.joinpath("fast.c").unlink()
    assert ok(project, CALL)[0] == "1\n"
    tag = sys.implementation.cache_tag.encode()
    output.write_bytes(
        output.read_bytes().replace(b'"' + tag, b'"cpython-3xx'[: len(tag) + 1])
    )
    assert "as it includes Python.h; this is" in fails(project, CALL)


def test_built_files_that_are_damaged(project):
    output = build_ahead(project, keep=False)
    whole = output.read_bytes()
    for text in (b"", b"text", whole[:70], whole[:-200]):
        output.write_bytes(text)
        assert "ImportError" in fails(project, CALL)
    subprocess.run(["objcopy", "--remove-section=.inlay_build", output], check=False)
    output.write_bytes(whole)
    subprocess.run(["objcopy", f"--remove-section={built.SECTION}", output], check=True)
    assert ok(project, CALL, **NO_COMPILER)[0] == "1\n"


@pytest.mark.parametrize("text", ["{", "[]", '{"files": 5}', '{"files": {"a": 1}}'])
def test_built_notes_that_are_damaged(project, text, tmp_path):
    output = build_ahead(project)
    note = tmp_path / "note"
    note.write_text(text)
    subprocess.run(
        ["objcopy", f"--update-section={built.SECTION}={note}", output], check=True
    )
    status, out, err = project.run(CALL)
    assert (status, out) == (0, "1\n") or "is damaged: build it again" in err
