"""importlib.reload: new code in the functions that are there."""

OLD = """
    static long calls;
    struct pair { long a, b; };
    long counted(void) { return ++calls; }
    long value(void) { return 1; }
    long gone(struct pair p) { return p.a; }
"""

START = """
    import importlib, logging, os, pathlib, sys
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    import inlay, fast
    from fast import value, counted
    source = pathlib.Path(fast.__file__)

    def edit(old, new):
        text = source.read_text()
        assert old in text
        source.write_text(text.replace(old, new))
"""


def run(project, code):
    project.write("fast.c", OLD)
    status, out, err = project.run(START + code)
    assert status == 0, err
    return out.splitlines()


def test_reload(project):
    out = run(
        project,
        """
    fast.mine = "kept"
    print(counted(), counted())
    edit("return 1;", "return 2;")
    edit("long gone(struct pair p) { return p.a; }", "long came(void) { return 3; }")
    assert importlib.reload(fast) is fast
    print(value(), fast.value is value, fast.came(), fast.mine)
    print(counted())
    print(hasattr(fast, "gone"), hasattr(fast, "pair"))
    print([m.path == fast.__inlay__.path for m in inlay._core.modules()])
    """,
    )
    assert out == [
        "1 2",
        "static state of fast.c was reset",
        "2 True 3 kept",
        "1",
        "False False",
        "[True]",
    ]


def test_reload_of_the_same_changes_nothing(project):
    out = run(
        project,
        """
    before = fast.__inlay__
    counted()
    importlib.reload(fast)
    print(fast.__inlay__ is before, counted())
    """,
    )
    assert out == ["True 2"]


def test_content_that_comes_back_has_new_statics(project):
    out = run(
        project,
        """
    for old, new in (("return 1;", "return 2;"), ("return 2;", "return 1;")):
        counted()
        edit(old, new)
        importlib.reload(fast)
        print(value(), counted())
    importlib.reload(fast)
    print(counted())
    """,
    )
    assert out == [
        "static state of fast.c was reset",
        "2 1",
        "static state of fast.c was reset",
        "1 1",
        "2",
    ]


def test_failing_reload_changes_nothing(project):
    out = run(
        project,
        """
    names = dict(vars(fast))
    edit("return 1;", "return w;")
    try:
        importlib.reload(fast)
    except inlay.CompileError as error:
        print(str(error).splitlines()[0].rpartition("/")[2])
    print(value(), sys.modules["fast"] is fast)
    after = dict(vars(fast))
    for name in ("__spec__", "__loader__"):
        names.pop(name), after.pop(name)
    print(names == after)
    edit("return w;", "return 5;")
    importlib.reload(fast)
    print(value())
    """,
    )
    assert out[0].startswith("fast.c:4: ") and "undeclared" in out[0]
    assert out[1:] == [
        "1 True",
        "True",
        "static state of fast.c was reset",
        "5",
    ]
