"""Modules in C++ and Rust, of several sources, and their `inlay:` lines."""

import os
import shutil
import time

import pytest
from inlay import toolchain

pytestmark = pytest.mark.slow
rust = pytest.mark.skipif(not shutil.which("rustc"), reason="no rustc")

COMPILERS = [
    pytest.param(
        name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"no {name}")
    )
    for name in ("gcc", "clang")
]


@pytest.fixture(params=COMPILERS)
def app(project, request):
    """A project, compiled by gcc and by clang."""
    project.env["CC"] = request.param
    return project


def ok(project, code, **env):
    status, out, err = project.run(code, **env)
    assert status == 0, err
    return out


def fails(project, code="import inlay, fast", **env):
    status, out, err = project.run(code, **env)
    assert status != 0, out
    return err


def builds(project):
    return sorted(project.cache.glob("*.so"))


# --- C++ ---------------------------------------------------------------------

CPP = """
    /* Fast C++. */

    #include <inlay.h>
    #include <numeric>
    #include <vector>

    INLAY_SLICE(numbers, const int64_t);
    INLAY_OPTIONAL(maybe_int, int64_t);
    INLAY_ARRAY(reals, double);

    struct point {
        double x, y;
    };

    extern "C" {

    /// Adds up.
    int64_t total(numbers values, int64_t start)
    {
        std::vector<int64_t> copy(values.ptr, values.ptr + values.len);
        return std::accumulate(copy.begin(), copy.end(), start);
    }
    INLAY_DEFAULT(total, start, 0);
    INLAY_POST("/total", total);
    INLAY_STATUS(total, 203);

    inlay_str all(inlay_str name, const char *mark, maybe_int some, maybe_int none,
                  double real, float small, bool truth, uint64_t large,
                  uint8_t letter, int64_t minus)
    {
        return inlay_format("%.*s %s %d %d %g %g %d %llu %u %lld", (int)name.len,
                            name.ptr, mark ? mark : "-", some.has, none.has, real,
                            (double)small, truth, (unsigned long long)large, letter,
                            (long long)minus);
    }
    INLAY_DEFAULT(all, name, "world");
    INLAY_DEFAULT(all, mark, NULL);
    INLAY_DEFAULT(all, some, 4);
    INLAY_DEFAULT(all, none, nullptr);
    INLAY_DEFAULT(all, real, -2.5);
    INLAY_DEFAULT(all, small, 1.5f);
    INLAY_DEFAULT(all, truth, true);
    INLAY_DEFAULT(all, large, 18446744073709551615u);
    INLAY_DEFAULT(all, letter, 'x');
    INLAY_DEFAULT(all, minus, -5);

    struct point half(struct point p)
    {
        if (p.x < 0)
            inlay_fail(INLAY_INVALID, "x is %g", p.x);
        return point{p.x / 2, p.y / 2};
    }
    INLAY_NOGIL(half);

    reals ramp(size_t count)
    {
        reals made = inlay_array(reals, count);

        for (size_t i = 0; i < made.len; i++)
            made.ptr[i] = static_cast<double>(i);
        return made;
    }

    inlay_str plain() { return INLAY_STR("plain"); }

    static int64_t hidden(int64_t a) { return a; }
    INLAY_GET("/hidden", hidden);

    } // extern "C"

    int overloaded(int a) { return a; }
    double overloaded(double a) { return a; }
    template <typename T> T same(T a) { return a; }
    template int same(int);
    namespace inner {
    extern "C" int inside(int a) { return same(a); }
    }
"""


def test_cpp(app):
    app.write("fast.cpp", CPP)
    out = ok(
        app,
        """
        import inlay, fast
        print(fast.__doc__, fast.total([1, 2, 3]), fast.total.__doc__)
        print(fast.all())
        print(fast.half(fast.point(3, 5)), fast.plain(), fast.inside(4))
        try:
            fast.half(fast.point(-3, 5))
        except inlay.Invalid as error:
            print(error)
        print([row[:4] for row in fast.__inlay__.routes])
        others = ("overloaded", "same", "hidden")
        print([name for name in others if hasattr(fast, name)])
        print(list(memoryview(fast.ramp(3))), "ramp" in fast.__inlay__.reasons)
        """,
    )
    assert out.splitlines() == [
        "Fast C++. 6 Adds up.",
        f"world - 1 0 -2.5 1.5 1 {2**64 - 1} 120 -5",
        "point(x=1.5, y=2.5) plain 4",
        "x is -3",
        "[('POST', '/total', 'total', 203), ('GET', '/hidden', 'hidden', 0)]",
        "[]",
        "[0.0, 1.0, 2.0] False",
    ]


@pytest.mark.parametrize("suffix", ["cc", "cxx"])
def test_cpp_suffixes(project, suffix):
    project.write(f"fast.{suffix}", 'extern "C" long one() { return 1; }\n')
    assert ok(project, "import inlay, fast; print(fast.one())") == "1\n"


# Every service that takes or may point to a struct, with one that has commas.
_SERVICES = """
struct ctx { int a, b; };
static void part(void *at, size_t begin, size_t end) { (void)at; (void)(end - begin); }
static void add(void *at, size_t begin, size_t end, void *sum)
{
    (void)at;
    *static_sum(sum) += CAST(long, end - begin);
}
static void merge(void *into, const void *from)
{
    *static_sum(into) += *const_sum(from);
}
static void done(void *at) { (void)at; }
bool services(inlay_socket *socket, inlay_request *request, inlay_str text);
bool services(inlay_socket *socket, inlay_request *request, inlay_str text)
{
    struct ctx ctx = {1, 2};
    inlay_message message;
    inlay_str found;
    long sum = 0;

    (void)ctx;
    inlay_status(200);
    inlay_header_set("a", "%d", 1);
    inlay_cookie_set("a", STR{text.ptr, text.len}, "Path=/");
    inlay_write(request, STR{text.ptr, text.len});
    inlay_accept(socket, STR{text.ptr, text.len});
    inlay_send(socket, MESSAGE{{text.ptr, text.len}, true});
    inlay_receive(socket, &message);
    inlay_close(socket, 1000, "%s", "");
    inlay_next(inlay_handshake(socket));
    inlay_defer(done, CTX);
    inlay_parallel_for(8, 1, part, CTX);
    inlay_parallel_reduce(8, 1, add, merge, CTX, &sum);
    found = inlay_sign(STR{text.ptr, text.len}, inlay_copy(STR{text.ptr, 1}));
    return inlay_bearer(STR{text.ptr, text.len}, &found) &&
           inlay_basic(STR{text.ptr, text.len}, &found, &found) &&
           inlay_equal(STR{text.ptr, text.len}, STR{text.ptr, text.len}) &&
           inlay_verify(STR{text.ptr, text.len}, found, 60, &found);
}
"""
_SUMS = """
static long *static_sum(void *at) { return CAST(long *, at); }
static const long *const_sum(const void *at) { return CAST(const long *, at); }
"""


def test_header_compiles_without_warnings(app, tmp_path):
    """As C11 and C++17, with more warnings than modules get."""
    flags = "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
    sums = "#define CAST(type, value) ((type)(value))\n" + _SUMS
    literals = sums + _SERVICES.replace("STR{", "(inlay_str){")
    literals = literals.replace("MESSAGE{", "(inlay_message){")
    literals = literals.replace("CTX", "&(struct ctx){1, 2}")
    sums = "#define CAST(type, value) static_cast<type>(value)\n" + _SUMS
    literal = sums + _SERVICES.replace("STR{", "inlay_str{").replace("CTX", "&ctx")
    literal = literal.replace("MESSAGE{", "inlay_message{")
    app.write(
        "fast.cpp",
        f"// inlay: cflags {flags} -Wold-style-cast\n#include <inlay.h>\n{literal}",
    )
    app.write(
        "plain.c",
        f"""
        // inlay: cflags {flags} -Wcast-qual
        #include <inlay.h>
        INLAY_ARRAY(reals, double);
        reals f(int64_t n)
        {{
            reals made = inlay_array(reals, (size_t)n);
            inlay_fail(INLAY_INVALID, "%d", 1);
            return made;
        }}
{literals}
        INLAY_DEFAULT(f, n, 4);
        INLAY_GET("/f", f);
        """,
    )
    status, _, err = app.run("import inlay, fast, plain")
    assert (status, err) == (0, "")


def test_cpp_exception_ends_the_process(project):
    project.write("fast.cpp", 'extern "C" void f() { throw 1; }\n')
    status, _, err = project.run("import inlay, fast; fast.f()")
    assert status < 0 and "terminate called" in err


def test_cpp_errors(app):
    app.write("fast.cpp", 'extern "C" int f() { return w; }\n')
    err = fails(app)
    assert f"CompileError: {app.folder}/fast.cpp:1: " in err
    app.write("fast.cpp", 'int missing();\nextern "C" int f() { return missing(); }\n')
    err = fails(app)
    assert "fast.cpp:2: undefined reference to `missing()'" in err


def test_which_cpp_compiler(project, monkeypatch):
    found = {}
    monkeypatch.setattr(toolchain, "which", lambda name: found.get(name))
    monkeypatch.delenv("CXX", raising=False)
    found.update({"c++": "/bin/sh", "clang++-99": "/bin/ls", "mine": "/bin/cat"})
    for cc, wanted in (("", "sh"), ("ccache clang-99", "sh"), ("clang-99 -m64", "ls")):
        monkeypatch.setenv("CC", cc)
        assert os.path.basename(toolchain.find("c++").command[0]) == wanted
    monkeypatch.setenv("CXX", "mine -O1")
    assert toolchain.find("c++").command == ["/bin/cat", "-O1"]


# --- Rust --------------------------------------------------------------------

RUST = """
    //! Fast Rust.

    mod more;

    #[repr(C)]
    pub struct Point {
        pub x: f64,
        pub y: f64,
    }

    /// Twice as much.
    #[no_mangle]
    pub extern "C" fn twice(value: i64) -> i64 {
        more::FACTOR * value
    }

    #[no_mangle]
    pub extern "C" fn half(p: Point) -> Point {
        Point { x: p.x / 2.0, y: p.y / 2.0 }
    }

    #[no_mangle]
    pub extern "C" fn mixed(a: bool, b: u8, c: f32) -> f64 {
        (a as u8 + b) as f64 + c as f64
    }

    #[no_mangle]
    pub extern "C" fn nothing() {}
"""


@rust
def test_rust(project):
    project.write("fast.rs", RUST)
    more = project.write("more.rs", "pub const FACTOR: i64 = 2;\n")
    code = """
        import inlay, fast
        print(fast.twice(21))
        print(fast.half(fast.Point(3, 5)), fast.mixed(True, 2, 0.5), fast.nothing())
        print(fast.twice.__doc__, fast.__inlay__.reasons)
    """
    out = ok(project, code)
    assert out.splitlines() == [
        "42",
        "Point(x=1.5, y=2.5) 3.5 None",
        "Twice as much. {}",
    ]
    # Found again, without rustc; compiled anew when the other file changes.
    assert ok(project, code, PATH="/nonexistent") == out
    more.write_text("pub const FACTOR: i64 = 3;\n")
    assert ok(project, code).startswith("63\n")


@rust
def test_rust_lines(project):
    project.write(
        "fast.rs",
        """
        // inlay: cflags --edition=2024 --cfg large
        // inlay: libs -lz
        #[link(name = "z")]
        unsafe extern "C" { fn zlibCompileFlags() -> u64; }
        #[unsafe(no_mangle)]
        pub extern "C" fn flags() -> bool {
            cfg!(large) && unsafe { zlibCompileFlags() } != 0
        }
        """,
    )
    # Flags of C compilers are nothing to rustc.
    out = ok(project, "import inlay, fast; print(fast.flags())", INLAY_CFLAGS="-Wall")
    assert out == "True\n"


@rust
def test_rust_errors(project):
    project.write("fast.rs", 'pub extern "C" fn f() -> i64 {\n    w\n}\n')
    err = fails(project)
    assert f"CompileError: {project.folder}/fast.rs:2: cannot find value `w`" in err
    assert "error[E0425]" in err
    project.write("fast.rs", "// inlay: sources a.c\n")
    assert "fast.rs:1: a Rust file has no sources" in fails(project)


def test_no_rustc(project):
    project.write("fast.rs", RUST)
    err = fails(project, PATH="/nonexistent")
    assert "ImportError: no Rust compiler found" in err and "rustup.rs" in err
    err = fails(project, RUSTC="nope")
    assert "the Rust compiler that RUSTC names was not found: nope" in err


# --- Several sources ---------------------------------------------------------


def counting(project, program="gcc"):
    """A compiler that writes down what it compiles."""
    log = project.folder / "runs"
    compiler = project.write(
        "counting-cc",
        f"""
        #!/bin/sh
        for word; do
            case $word in *.c|*.cpp) echo "$word" >> '{log}';; esac
        done
        exec {program} "$@"
        """,
    )
    compiler.chmod(0o755)

    def compiled():
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return sorted(os.path.basename(name) for name in names)

    return str(compiler), compiled


def several(project):
    project.write(
        "fast.c",
        """
        /* inlay: sources parts/[ab].c */
        // inlay: sources last.c fast.c
        #include "parts/parts.h"
        int sum(void) { return a() + b() + last(); }
        """,
    )
    project.write("last.c", "int last(void) { return 100; }\n")
    project.write("parts/parts.h", "int a(void);\nint b(void);\nint last(void);\n")
    project.write(
        "parts/a.c", '#include "parts.h"\n/// A.\nint a(void) { return 1; }\n'
    )
    project.write("parts/b.c", '#include "parts.h"\nint b(void) { return 10; }\n')
    project.write("parts/z.c", "#error not meant\n")


def test_several_sources(app):
    several(app)
    compiler, compiled = counting(app, app.env["CC"])
    code = "import inlay, fast; print(fast.sum(), fast.a.__doc__, fast.last())"
    run = {"CC": compiler}
    assert ok(app, code, **run) == "111 A. 100\n"
    assert compiled() == ["a.c", "b.c", "fast.c", "last.c"]
    assert ok(app, code, **run) == "111 A. 100\n"
    assert compiled() == []
    app.write("last.c", "int last(void) { return 200; }\n")
    assert ok(app, code, **run) == "211 A. 200\n"
    assert compiled() == ["last.c"]
    time.sleep(0.02)
    app.write("parts/parts.h", "int a(void);\nint b(void);\nint last(void);\n//\n")
    assert ok(app, code, **run) == "211 A. 200\n"
    assert compiled() == ["a.c", "b.c", "fast.c"]
    # The objects of the last build, which nobody else may write to.
    objects = list(app.cache.glob("*.o"))
    assert len(objects) == 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in objects)
    (app.folder / "last.c").unlink()
    assert "fast.c:2: there is no file" in fails(app, **run)


def test_file_that_a_pattern_finds_later(app):
    several(app)
    app.write("fast.c", "// inlay: sources */?.c\nint a(void);\n")
    (app.folder / "parts/z.c").unlink()
    code = "import inlay, fast; print(fast.a(), hasattr(fast, 'c'))"
    assert ok(app, code) == "1 False\n"
    app.write("parts/c.c", "int c(void) { return 3; }\n")
    assert ok(app, code) == "1 True\n"


def test_damaged_objects_index(app):
    several(app)
    code = "import inlay, fast; print(fast.sum())"
    assert ok(app, code) == "111\n"
    index = next(app.cache.glob("*.json"))
    for units in ("5", "[5]", '[["a"]]', '[["/x", 5, 5]]', "{}"):
        start, _, _ = index.read_text().partition('"units"')
        index.write_text(f'{start}"units": {units}}}')
        app.write("last.c", f"int last(void) {{ return 100; }} // {units}\n")
        assert ok(app, code) == "111\n"


def test_sources_in_other_folders(app):
    app.write("pkg/__init__.py", "")
    app.write(
        "pkg/fast.c",
        """
        // inlay: sources ../shared/more.c
        // inlay: include ../shared
        #include "more.h"
        int twice(int v) { return 2 * more(v); }
        """,
    )
    app.write("shared/more.h", "int more(int v);\n")
    app.write("shared/more.c", "int more(int v) { return v + 1; }\n")
    code = "import inlay, pkg.fast as f; print(f.twice(1), f.more(1))"
    assert ok(app, code) == "4 2\n"


def test_c_and_cpp_in_one_module(app):
    app.write(
        "fast.c",
        """
        // inlay: sources more.cpp
        #include <inlay.h>
        int64_t more(int64_t v);
        int64_t twice(int64_t v) { return 2 * more(v); }
        INLAY_GET("/twice", twice);
        """,
    )
    app.write(
        "more.cpp",
        """
        #include <inlay.h>
        #include <string>
        extern "C" int64_t more(int64_t v) { return std::stoll(std::to_string(v)); }
        extern "C" inlay_str text() { return inlay_format("%d", 5); }
        INLAY_GET("/more", more);
        """,
    )
    code = """
        import inlay, fast
        print(fast.twice(21), fast.text(), len(fast.__inlay__.routes))
    """
    assert ok(app, code) == "42 5 2\n"


def test_error_in_another_source(app):
    several(app)
    app.write("parts/b.c", "int b(void) { return w; }\n")
    err = fails(app)
    assert f"CompileError: {app.folder}/parts/b.c:1: " in err
    app.write("parts/b.c", "int nope(void);\n\nint b(void) { return nope(); }\n")
    err = fails(app)
    assert f"CompileError: {app.folder}/parts/b.c:3: undefined reference" in err
    app.write("parts/b.c", "int a(void) { return 1; }\nint b(void) { return 2; }\n")
    assert "multiple definition of `a'" in fails(app)


# --- Lines -------------------------------------------------------------------


def test_cflags_and_libs(app):
    app.write(
        "fast.c",
        """
        // inlay: cflags -DFACTOR=3 '-DTEXT="a b"' -Ivendor
        // inlay: libs -lz
        #include <zlib.h>
        #include "vendored.h"
        unsigned long check(void) { return VENDORED + crc32(0, 0, 0); }
        int factor(void) { return FACTOR; }
        const char *text(void) { return TEXT; }
        """,
    )
    header = app.write("vendor/vendored.h", "#define VENDORED 1ul\n")
    code = "import inlay, fast; print(fast.check(), fast.factor(), fast.text())"
    assert ok(app, code) == "1 3 a b\n"
    time.sleep(0.02)
    header.write_text("#define VENDORED 2ul\n")
    assert ok(app, code) == "2 3 a b\n"


def test_ldflags_stand_behind_the_source(app):
    app.write(
        "fast.c",
        "#include <zlib.h>\nunsigned long check(void) { return crc32(0, 0, 0); }\n",
    )
    code = "import inlay, fast; print(fast.check())"
    assert "undefined reference to `crc32'" in fails(app, code)
    assert ok(app, code, INLAY_LDFLAGS="-lz") == "0\n"
    err = fails(app, code, INLAY_LDFLAGS="'")
    assert "the environment variable INLAY_LDFLAGS can't be read" in err


def test_library_that_is_missing(app):
    app.write("fast.c", "//\n// inlay: libs -lnowhere\nint f(void) { return 1; }\n")
    err = fails(app)
    assert f"{app.folder}/fast.c:2: the linker can't find the library -lnowhere" in err


def test_static_library_that_changes(app):
    app.write(
        "fast.c",
        "// inlay: libs -L. -lmine\nint f(void);\nint g(void) { return f(); }\n",
    )
    part = app.write("part/part.c", "int f(void) { return 1; }\n")

    def archive():
        command = "gcc -fPIC -c part/part.c -o part.o && ar rc libmine.a part.o"
        assert os.system(f"cd {app.folder} && {command}") == 0

    archive()
    code = "import inlay, fast; print(fast.g())"
    assert ok(app, code) == "1\n"
    part.write_text("int f(void) { return 22; }\n")
    archive()
    assert ok(app, code) == "22\n"


@pytest.mark.skipif(not shutil.which("pkg-config"), reason="no pkg-config")
def test_pkg_config(app):
    app.write(
        "fast.c",
        """
        // inlay: pkg-config mine >= 1.0 zlib
        #include <zlib.h>
        unsigned long check(void) { return MINE + crc32(0, 0, 0); }
        """,
    )
    text = (
        "Name: mine\nDescription: x\nVersion: 1.5\nRequires: base\nCflags: -DMINE=4\n"
    )
    base = "Name: base\nDescription: x\nVersion: 1\nCflags: -DBASE={}\n"
    app.write("pc/mine.pc", text)
    other = app.write("pc/base.pc", base.format(1))
    program = app.write("mine", '#!/bin/sh\nexec pkg-config "$@"\n')
    program.chmod(0o755)
    app.env["PKG_CONFIG_PATH"] = str(app.folder / "pc")
    app.env["PKG_CONFIG"] = str(program)
    code = "import inlay, fast; print(fast.check())"
    assert ok(app, code) == "4\n"
    # What pkg-config read counts; it is not asked again for a cached module.
    program.chmod(0o644)
    assert ok(app, code) == "4\n" and len(builds(app)) == 1
    program.chmod(0o755)
    app.write("pc/mine.pc", text.replace("4", "5"))
    assert ok(app, code) == "5\n"
    other.write_text(base.format(2))
    assert ok(app, code) == "5\n" and len(builds(app)) == 3
    err = fails(app, code, PKG_CONFIG_PATH="")
    assert f"CompileError: {app.folder}/fast.c:1: pkg-config failed:" in err
    assert "mine" in err
    app.write("pc/mine.pc", text.replace("1.5", "0.5"))
    assert "fast.c:1: pkg-config failed:" in fails(app, code)
    assert "fast.c:1: nope was not found" in fails(app, code, PKG_CONFIG="nope")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cflag -O3", '"inlay: cflag" is unknown; there are cflags, libs,'),
        ("", '"inlay: " is unknown'),
        ("libs", 'nothing follows "inlay: libs"'),
        ("sources nope.c", "there is no file"),
        ("sources *.nope", "there is no file"),
        ("sources fast.h", "is neither C nor C++"),
        ("include nope", "there is no folder"),
        ("cflags 'a", "No closing quotation"),
    ],
)
def test_wrong_lines(project, line, message):
    project.write("fast.h", "")
    project.write("fast.c", f"int x;\n   // inlay: {line}\n")
    err = fails(project)
    assert f"CompileError: {project.folder}/fast.c:2: " in err and message in err


def test_lines_are_looked_for_at_the_top(project):
    line = "// inlay: cflags -DFACTOR=2\n"
    code = "int f(void) { return FACTOR; }\n"
    project.write("fast.c", "//\n" * 199 + line + code)
    assert ok(project, "import inlay, fast; print(fast.f())") == "2\n"
    project.write("fast.c", "//\n" * 200 + line + code)
    assert "fast.c:202: " in fails(project)
    # Only at the start of a line.
    project.write("fast.c", "int f(void); // inlay: nope\nint f(void) { return 1; }\n")
    assert ok(project, "import inlay, fast; print(fast.f())") == "1\n"


OPENMP = """
    int threads(void)
    {
        int count = 0;

    #pragma omp parallel for reduction(+ : count)
        for (int i = 0; i < 100; i++)
            count++;
    #ifdef _OPENMP
        return count;
    #else
        return -1;
    #endif
    }
"""


def test_openmp(app):
    app.write("fast.c", OPENMP)
    code = "import inlay, fast; print(fast.threads())"
    status, out, err = app.run(code)
    if app.env["CC"] == "gcc" or status == 0:
        assert out == "100\n"
    else:
        assert "it has #pragma omp, and" in err and "libomp-dev" in err


def test_python_objects(app):
    app.write(
        "fast.c",
        """
        #include <Python.h>
        int version(void) { return PY_VERSION_HEX >> 16; }
        int ready(void) { return Py_IsInitialized(); }
        """,
    )
    code = "import sys, inlay, fast; print(fast.version() == sys.hexversion >> 16)"
    assert ok(app, f"{code}; print(fast.ready())") == "True\n1\n"


# --- What a build depends on -------------------------------------------------


def test_search_paths_of_the_environment(app):
    app.write("fast.c", "#include <where.h>\nint f(void) { return WHERE; }\n")
    for name in ("CPATH", "C_INCLUDE_PATH"):
        for value in (1, 2):
            folder = app.write(f"{value}/where.h", f"#define WHERE {value}\n").parent
            code = "import inlay, fast; print(fast.f())"
            assert ok(app, code, **{name: str(folder)}) == f"{value}\n"


def test_headers_of_the_system_count(app, monkeypatch):
    """By date and size, once there is a compiler."""
    app.write("fast.c", "#include <stdint.h>\nint32_t f(void) { return 1; }\n")
    code = "import inlay, fast; print(fast.f())"
    assert ok(app, code) == "1\n"
    index = next(app.cache.glob("*.json"))
    text = index.read_text()
    assert "/usr/include/stdint.h" in text
    stamp = os.stat("/usr/include/stdint.h").st_mtime_ns
    index.write_text(text.replace(str(stamp), str(stamp - 1)))
    first = builds(app)[0]
    first.rename(first.with_name(first.name.replace("fast", "gone")))
    assert ok(app, code) == "1\n"
    assert str(stamp) in index.read_text()


def test_what_to_watch(app, monkeypatch):
    from inlay import cache

    several(app)
    monkeypatch.setenv("INLAY_CACHE_DIR", str(app.cache))
    source = app.folder / "fast.c"
    names = ["fast.c", "parts/a.c", "parts/b.c", "last.c"]
    paths = {str(app.folder / name) for name in names}
    assert set(cache.Entry(str(source)).sources()) == paths
    made = cache.Entry(str(source)).build()
    assert made.fresh and made.warnings == "" and made.root == str(app.folder)
    assert made.files[0] == str(source)
    found = set(cache.Entry(str(source)).sources())
    assert found == paths | {str(app.folder / "parts/parts.h")} == set(made.files)
    again = cache.Entry(str(source)).build()
    assert again.path == made.path and not again.fresh
    source.write_text("#error no\n")
    assert set(cache.Entry(str(source)).sources()) == found
    source.unlink()
    assert str(source) in cache.Entry(str(source)).sources()


def test_error_says_what_was_read(app, monkeypatch):
    """A watcher can wait for a change of the header that is wrong."""
    from inlay import CompileError, cache

    monkeypatch.setenv("INLAY_CACHE_DIR", str(app.cache))
    header = app.write("new.h", "int f(void) { return w; }\n")
    source = app.write("fast.c", '#include "new.h"\n')
    with pytest.raises(CompileError, match="new.h:1: ") as caught:
        cache.Entry(str(source)).build()
    assert str(header) in caught.value.files
