"""C programs that serve: examples/embedded, and what may go wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import httpx
import inlay
import pytest
from inlay import options

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EMBEDDED = ROOT / "examples" / "embedded"
PACKAGE = Path(inlay.__file__).parent
HEAD = "#include <inlay.h>\n#include <inlay/server.h>\n#include <stdio.h>\n"
SHARED = sysconfig.get_config_var("Py_ENABLE_SHARED")
needs_libpython = pytest.mark.skipif(not SHARED, reason="this Python has none")


@pytest.fixture(scope="module")
def flags():
    """What pkg-config says, from where the file lies."""
    places = [PACKAGE / "pkgconfig", Path(sys.prefix) / "lib" / "pkgconfig"]
    (place,) = [place for place in places if (place / "inlay.pc").exists()][:1]
    done = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "inlay"],
        env={**os.environ, "PKG_CONFIG_PATH": str(place)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


@pytest.fixture
def compile(tmp_path, flags):
    def make(source, *options, cc="cc"):
        if not isinstance(source, Path):
            text, source = source, tmp_path / "main.c"
            source.write_text(HEAD + text)
        program = tmp_path / "program"
        done = subprocess.run(
            [cc, "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *options,
             str(source), "-o", str(program), *flags],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return program

    return make


class Program:
    def __init__(self, process, log):
        self.process = process
        self.log_path = log

    @property
    def log(self):
        return self.log_path.read_text()

    @property
    def url(self):
        """Once it serves."""
        deadline = time.monotonic() + 30
        while not (found := re.search(r"Inlay running on (http://\S+)", self.log)):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)
        return found[1]

    def get(self, path, **more):
        return httpx.get(self.url + path, timeout=20, **more)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path):
    started = []

    def run(program, *arguments, cwd=EMBEDDED, **env):
        log = tmp_path / f"log{len(started)}"
        # As an activated environment; where Inlay lies is another one's matter.
        known = {"VIRTUAL_ENV": sys.prefix, "PYTHONPATH": str(PACKAGE.parent)}
        with log.open("w") as out:
            process = subprocess.Popen(
                [str(program), *arguments], stdout=out, stderr=subprocess.STDOUT,
                cwd=cwd, env={**os.environ, **known, **env},
            )  # fmt: skip
        started.append(process)
        return Program(process, log)

    yield run
    for process in started:
        process.kill()
        process.wait()


def loaded(program):
    return Path(f"/proc/{program.process.pid}/maps").read_text()


@pytest.mark.parametrize(
    "options", [[], ["-no-pie", "-fno-pie"], ["-O2", "-rdynamic"]], ids=str
)
def test_alone(compile, start, options):
    """Its own routes; no Python is in the process."""
    program = start(compile(EMBEDDED / "main.c", *options), "0")
    assert program.get("/add?a=1&b=2").json() == {"a": 1, "b": 2, "sum": 3}
    wrong = program.get("/add?a=x&b=2")
    assert wrong.status_code == 422
    assert wrong.json()["detail"][0]["loc"] == ["query", "a"]
    assert program.get("/nowhere").json() == {"detail": "Not Found"}
    assert "/add" in program.get("/openapi.json").json()["paths"]
    assert "libpython" not in loaded(program)
    assert program.end() == 0
    assert "Shutting down" in program.log


def test_clang_and_cxx(compile, start, tmp_path):
    program = start(compile(EMBEDDED / "main.c", cc="clang"), "0")
    assert program.get("/add?a=1&b=2").json()["sum"] == 3
    assert program.end(signal.SIGINT) == 0
    source = tmp_path / "main.cpp"
    source.write_text(
        "#include <inlay.h>\n#include <inlay/server.h>\n"
        'extern "C" int64_t twice(int64_t n) { return 2 * n; }\n'
        'INLAY_GET("/twice", twice);\n'
        "int main() { inlay_server *server = inlay_server_create();\n"
        '    inlay_server_listen(server, "localhost", 0);\n'
        "    return inlay_server_run(server); }\n"
    )
    program = start(compile(source, cc="c++"))
    assert program.get("/twice?n=4").json() == 8


@needs_libpython
def test_asgi(compile, start):
    """The application behind the program's routes."""
    program = start(compile(EMBEDDED / "main.c"), "0", "app:app")
    assert program.get("/add?a=1&b=2").json()["sum"] == 3
    assert program.get("/hello/you").json() == {"hello": "you"}
    assert {"/add", "/hello/{name}"} <= set(
        program.get("/openapi.json").json()["paths"]
    )
    assert "libpython" in loaded(program)
    assert program.end() == 0
    assert "Application shutdown complete" in program.log


MOUNT = """
static int64_t mine(void)
{
    return 1;
}
INLAY_GET("/mine", mine);

int main(void)
{
    struct inlay_server *server = inlay_server_create();

    inlay_server_listen(server, "127.0.0.1", 0);
    inlay_server_set(server, "lifespan", "LIFESPAN");
    inlay_server_set(server, "access-log", "no");
    inlay_server_set(server, "header", "x-a: 1");
    inlay_server_set(server, "header", "x-b: 2");
    inlay_mount_asgi(server, "/below/", "app:app");
    int status = inlay_server_run(server);
    inlay_server_destroy(server);
    printf("it ended with %d\\n", status);
    return status;
}
"""
APP = """
import fast

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    text = f"{scope['root_path']} {scope['path']} {fast.twice(4)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text})
"""
FAST = """
#include <inlay.h>

int64_t twice(int64_t n)
{
    return 2 * n;
}
INLAY_GET("/twice", twice);
"""


@needs_libpython
def test_below(compile, start, tmp_path):
    """A path of its own, options, and the application's native routes beside
    the program's."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "fast.c").write_text(FAST)
    program = compile(MOUNT.replace("LIFESPAN", "off"))
    running = start(program, cwd=tmp_path)
    answer = running.get("/below/x")
    assert answer.text == "/below /below/x 8"
    assert (answer.headers["x-a"], answer.headers["x-b"]) == ("1", "2")
    assert running.get("/elsewhere").status_code == 404
    assert running.get("/belowish").status_code == 404
    assert running.get("/mine").json() == 1
    assert running.get("/twice?n=3").json() == 6
    assert running.end() == 0
    assert "it ended with 0" in running.log
    assert "GET /below" not in running.log
    # Its start-up fails: as `inlay run` says it.
    running = start(compile(MOUNT.replace("LIFESPAN", "on")), cwd=tmp_path)
    assert running.process.wait(30) == 3
    assert "no lifespan" in running.log


def test_no_debug_information(compile, start):
    program = start(compile(EMBEDDED / "main.c", "-g0"), "0")
    assert program.process.wait(30) == 1
    assert "has no debug information (compile with -g" in program.log


FAILING = """
static int64_t one(void)
{
    return 1;
}
ROUTE

int main(void)
{
    struct inlay_server *server = inlay_server_create();

    inlay_server_listen(server, "127.0.0.1", 0);
    CALL;
    if (inlay_server_error(server))
        printf("known: %s\\n", inlay_server_error(server));
    int status = inlay_server_run(server);
    inlay_server_destroy(server);
    return one() - 1 + status;
}
"""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('inlay_server_set(server, "workrs", "2")', "there is no option workrs"),
        ('inlay_server_set(server, "limit-body-bytes", "x")', "is not a size"),
        ('inlay_server_set(server, "date-header", "x")', "neither yes nor no"),
        ('inlay_server_set(server, "timeout-body", "-1")', "number of seconds"),
        ('inlay_server_set(server, "io-threads", "0")', "io_threads must be 1"),
        ('inlay_server_set(server, "log-level", "loud")', "is no level"),
        ('inlay_server_set(server, "health-path", "x")', "must begin with /"),
        ('inlay_server_set(server, "db", "mysql://u:pw@h/d")', 'not with "mysql"'),
        ('inlay_server_set(server, "db", "a.b=sqlite://")', "begins with postgresql"),
        ('inlay_server_set(server, "db", "sqlite://?max_size=0")', "at least 1"),
        ("inlay_server_set(server, 0, 0)", "known: inlay_server_set"),
        ('inlay_server_listen(server, "127.0.0.1", 70000)', "known: inlay_server_l"),
        ('inlay_server_listen(server, "192.0.2.1", 0)', "cannot listen on 192.0.2.1"),
        ('inlay_server_listen(server, "unix:", 0)', "the path has 1 to"),
        ('inlay_mount_asgi(server, "x", "app:app")', "known: inlay_mount_asgi"),
        ('inlay_mount_asgi(server, "/", "app")', "known: inlay_mount_asgi"),
        ('inlay_mount_asgi(server, "/", "a:b"), inlay_mount_asgi(server, "/", "a:b")',
         "there is an application already"),
    ],
)  # fmt: skip
def test_errors(compile, start, call, message):
    text = FAILING.replace("ROUTE", 'INLAY_GET("/", one);').replace("CALL", call)
    program = start(compile(text))
    assert program.process.wait(30) == 1
    assert message in program.log


# Of a server with processes of its own, or with Python.
NOT_IN_C = frozenset({
    "host", "port", "uds", "uds-permissions", "fd", "bind", "reuse-port", "backlog",
    "app-dir", "factory", "interface", "loop", "lifespan", "env-file", "lift",
    "lift-past", "workers", "spare", "preload", "limit-max-requests",
    "limit-max-requests-jitter", "limit-memory", "timeout-worker-healthcheck",
    "native-off", "quarantine-crashes", "quarantine-window", "control", "reload",
    "reload-dir", "reload-include", "reload-exclude", "reload-delay", "log-config",
    "use-colors", "metrics-port", "metrics-host", "limit-concurrency", "limit-queue",
    "timeout-queue",
})  # fmt: skip


def test_options(compile):
    """C knows each option that C reads."""
    program = compile(
        """
        static int64_t one(void) { return 1; }
        INLAY_GET("/", one);
        int main(int argc, char **argv)
        {
            struct inlay_server *server = inlay_server_create();
            inlay_server_listen(server, "127.0.0.1", 0);
            if (argc > 2)
                inlay_server_set(server, argv[1], argv[2]);
            inlay_server_set(server, "io-threads", "0");
            return inlay_server_run(server);
        }
        """
    )
    unknown = set()
    for name in options.NAMES:
        done = subprocess.run([program, name, "1"], capture_output=True, text=True)
        if "there is no option" in done.stderr:
            unknown.add(name)
        elif name not in ("ws", "log-level", "db"):
            assert "io_threads must be 1" in done.stderr, (name, done.stderr)
    assert unknown == NOT_IN_C


DATABASES = """
#include <inlay.h>
#include <inlay/server.h>

inlay_str main_one(inlay_db *db)
{
    return inlay_one(db, inlay_str, "select file from pragma_database_list");
}
INLAY_GET("/main", main_one);

inlay_str other(inlay_db *db)
{
    return inlay_one(db, inlay_str, "select file from pragma_database_list");
}
INLAY_GET("/other", other);
INLAY_DB(other, db, "other");

int main(int argc, char **argv)
{
    struct inlay_server *server = inlay_server_create();

    inlay_server_listen(server, "127.0.0.1", 0);
    for (int i = 1; i < argc; i++)
        inlay_server_set(server, "db", argv[i]);
    inlay_server_set(server, "db-max-size", "2");
    int status = inlay_server_run(server);
    inlay_server_destroy(server);
    return status;
}
"""


def test_databases(compile, start, tmp_path):
    """The option as often as there are some; DATABASE_URL for the default."""
    program = compile(DATABASES)
    given = ["sqlite:///a.db", "other=sqlite:///b.db"]
    both = start(program, *given, cwd=tmp_path, DATABASE_URL="sqlite:///env.db")
    assert Path(both.get("/main").json()).name == "a.db"
    assert Path(both.get("/other").json()).name == "b.db"
    assert both.end() == 0
    one = start(program, given[1], cwd=tmp_path, DATABASE_URL="sqlite:///env.db")
    assert Path(one.get("/main").json()).name == "env.db"
    none = start(program, given[1], cwd=tmp_path, DATABASE_URL="mysql://u:pw@h/d")
    assert none.process.wait(30) == 1
    assert "no database is configured" in none.log


def test_no_routes(compile, start):
    program = start(compile(FAILING.replace("ROUTE", "").replace("CALL", "(void)0")))
    assert program.process.wait(30) == 1
    assert "it has no routes" in program.log


@pytest.mark.parametrize(
    ("target", "env", "message"),
    [
        ("app:nothing", {}, "has no attribute"),
        ("nowhere:app", {}, 'there is no module "nowhere"'),
        ("app:app", {"VIRTUAL_ENV": "/nowhere"}, "there is no bin/python in it"),
        ("app:app", {"PYTHONPATH": "BROKEN"}, "is another one, in"),
    ],
)
@needs_libpython
def test_asgi_errors(compile, start, tmp_path, target, env, message):
    if env.get("PYTHONPATH"):
        # Another Inlay: another libinlay.so.
        (tmp_path / "inlay").mkdir()
        (tmp_path / "inlay" / "__init__.py").write_text("")
        (tmp_path / "inlay" / "libinlay.so").write_text("")
        env = {"PYTHONPATH": str(tmp_path)}
    program = start(compile(EMBEDDED / "main.c"), "0", target, **env)
    assert program.process.wait(30) == 1
    assert message in program.log


DRAINING = """
#include <unistd.h>

static int64_t slow(void)
{
    inlay_sleep(1000);
    return 1;
}

static struct inlay_server *server;

static int64_t wait_a_little(inlay_request *request)
{
    (void)request;
    return slow();
}
INLAY_GET("/slow", wait_a_little);

static int64_t stop(void)
{
    inlay_server_stop(server);
    return 2;
}
INLAY_GET("/stop", stop);

static int64_t crash(int64_t n)
{
    return 1 / n + *(volatile int *)n;
}
INLAY_GET("/crash", crash);

int main(int argc, char **argv)
{
    server = inlay_server_create();
    inlay_server_listen(server, "127.0.0.1", 0);
    if (argc > 1)
        inlay_server_listen(server, argv[1], 0);
    if (inlay_server_port(server) <= 0)
        return 7;
    int status = inlay_server_run(server);
    inlay_server_destroy(server);
    puts("the end");
    return status;
}
"""


def test_drain(compile, start, tmp_path):
    """Running requests end, new clients are refused; the socket's file goes."""
    path = tmp_path / "sock"
    program = start(compile(DRAINING), f"unix:{path}")
    url = program.url
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        with httpx.Client() as other:
            request = other.build_request("GET", url + "/slow")
            import threading

            answers = []
            thread = threading.Thread(
                target=lambda: answers.append(other.send(request).json())
            )
            thread.start()
            time.sleep(0.3)  # it runs by now
            assert client.get("http://x/stop").json() == 2
            thread.join()
            assert answers == [1]
    assert program.process.wait(30) == 0
    assert program.log.rstrip().endswith("the end")
    assert not path.exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_crash(compile, start):
    """One process: it says where, and ends."""
    program = start(compile(DRAINING))
    with pytest.raises(httpx.HTTPError):
        program.get("/crash?n=8")
    assert program.process.wait(30) == -signal.SIGSEGV
    assert re.search(r"inlay: SIGSEGV in crash\(\) at \S*/main\.c:\d+", program.log)


def test_needs_no_python():
    """libinlay.so, by what it is linked with."""
    found = subprocess.run(
        ["ldd", str(PACKAGE / "libinlay.so")], capture_output=True, text=True
    ).stdout
    assert "libc.so" in found
    assert "python" not in found
    assert "not found" not in found
