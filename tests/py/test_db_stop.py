"""Ends: of a server, a process, a thread, while somebody asks a database."""

from __future__ import annotations

import pytest

from .databases.here import KINDS

# A server in a program of its own, so that it lives on when the server is gone.
PROGRAM = """
import asyncio, pathlib, sys, threading, time
import inlay
from inlay import Config, Server, db

folder = pathlib.Path(sys.argv[0]).parent

def wait(name):
    end = time.monotonic() + 20
    while not (folder / name).exists():
        assert time.monotonic() < end, name
        time.sleep(0.01)

async def ask(path):
    reader, writer = await asyncio.open_unix_connection(str(folder / "socket"))
    writer.write(f"GET {path} HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n".encode())
    return reader, writer

async def main():
    server = Server(Config(str(folder / "app.c"), uds=str(folder / "socket"),
                           db=["%(url)s"], access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await ask("%(path)s")
    await asyncio.to_thread(wait, "runs")
    server.should_exit = server.force_exit = True
    await serving
    (folder / "go").touch()
    await asyncio.to_thread(wait, "ended")

db.sync.exec("create table stop_rows (id bigint)")
asyncio.run(main())
print((folder / "ended").read_text())
# Nothing holds the writer's connection any more.
assert db.sync.exec("insert into stop_rows values (7)") == 1
print(db.sync.all(int, "select id from stop_rows"))
"""

APP = """
#include <inlay.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "%s/"

static void say(const char *text)
{
    FILE *file = fopen(FOLDER "said", "w");

    fputs(text, file);
    fclose(file);
    rename(FOLDER "said", FOLDER "ended");
}

static void wait_for_the_end(void)
{
    struct timespec moment = {0, 10000000};

    fclose(fopen(FOLDER "runs", "w"));
    while (access(FOLDER "go", F_OK) != 0)
        nanosleep(&moment, NULL);
}

struct begun { int64_t id; };

/* On the I/O thread: so is the connection. */
struct begun begin_there(inlay_db *db)
{
    inlay_begin(db);
    inlay_exec(db, "insert into stop_rows values (1)");
    return (struct begun){1};
}
INLAY_PROVIDE(begin_there);

static void go_on(inlay_db *db)
{
    wait_for_the_end();
    inlay_exec(db, "insert into stop_rows values (2)");
    inlay_commit(db);
    say(inlay_failed() ? "failed" : "done");
}

void of_another(inlay_db *db, struct begun *begun)
{
    (void)begun;
    go_on(db);
}
INLAY_ASYNC(of_another);
INLAY_GET("/of-another", of_another);

void rolls_back(inlay_db *db, struct begun *begun)
{
    (void)begun;
    wait_for_the_end();
    inlay_rollback(db);
    say(inlay_failed() ? "failed" : "done");
}
INLAY_ASYNC(rolls_back);
INLAY_GET("/rolls-back", rolls_back);

void forgets(inlay_db *db, struct begun *begun)
{
    (void)begun;
    (void)db;
    wait_for_the_end();
    say("forgotten");
}
INLAY_ASYNC(forgets);
INLAY_GET("/forgets", forgets);

/* Left open, of the pool's own. */
void leaves_open(inlay_db *db)
{
    inlay_begin(db);
    inlay_exec(db, "insert into stop_rows values (3)");
    wait_for_the_end();
    say(inlay_failed() ? "failed" : "done");
}
INLAY_ASYNC(leaves_open);
INLAY_GET("/leaves-open", leaves_open);

void reads_on(inlay_db *db, struct begun *begun)
{
    int64_t count = 0;

    (void)begun;
    inlay_each(db, int64_t, id,
               "with recursive n(i) as (select 1 union all select i + 1 from n "
               "where i < 5000) select i from n") {
        (void)id;
        if (count++ == 0)
            wait_for_the_end();
    }
    say(inlay_failed() ? "failed" : "done");
}
INLAY_ASYNC(reads_on);
INLAY_GET("/reads-on", reads_on);

struct heard { int64_t id; };

/* On the I/O thread, which alone can end it. */
struct heard hear(inlay_db *db)
{
    inlay_listen(db, INLAY_STR("jobs"));
    return (struct heard){1};
}
INLAY_PROVIDE(hear);

void hears(inlay_db *db, struct heard *heard)
{
    (void)db;
    (void)heard;
    wait_for_the_end();
    say("heard");
}
INLAY_ASYNC(hears);
INLAY_GET("/hears", hears);

/* Its letter comes when its thread has read the last one. */
void comes_back(inlay_db *db, struct begun *begun)
{
    struct timespec moment = {0, 10000000};

    (void)db;
    (void)begun;
    fclose(fopen(FOLDER "runs", "w"));
    while (access(FOLDER "stops", F_OK) != 0)
        nanosleep(&moment, NULL);
    say("back");
}
INLAY_ASYNC(comes_back);
INLAY_GET("/comes-back", comes_back);

void keeps_the_thread(inlay_request *request)
{
    struct timespec moment = {0, 400000000};

    fclose(fopen(FOLDER "waits", "w"));
    (void)request;
    inlay_sleep(60000);
    fclose(fopen(FOLDER "stops", "w"));
    nanosleep(&moment, NULL);
}
INLAY_GET("/keeps-the-thread", keeps_the_thread);
"""


@pytest.fixture(params=KINDS)
def url(request, project):
    if request.param == "sqlite":
        return f"sqlite:///{project.folder}/stop.db"
    postgres = request.getfixturevalue("postgres")
    made = postgres.create_database(f"stop_{abs(hash(request.node.name))}")
    return f"{made}&pool_timeout=3" if "?" in made else f"{made}?pool_timeout=3"


@pytest.mark.parametrize(
    ("path", "ends"),
    [
        ("/of-another", "failed"),
        ("/rolls-back", "failed"),
        ("/forgets", "forgotten"),
        ("/leaves-open", "done"),
        ("/reads-on", "failed"),
        ("/hears", "heard"),
    ],
)
def test_a_forced_stop_while_a_pools_function_has_a_transaction(
    project, url, path, ends
):
    if path == "/hears" and url.startswith("sqlite"):
        pytest.skip("SQLite has no notifications")
    project.write("app.c", APP % project.folder)
    status, out, err = project.run(
        PROGRAM % {"url": url, "path": path}, DATABASE_URL=url
    )
    assert status == 0, err
    assert out.splitlines() == [ends, "[7]"], err


def test_a_forced_stop_while_a_pools_function_comes_back(project, url):
    """Of a client that has ended its side: there is an alarm, too."""
    project.write("app.c", APP % project.folder)
    runs = 'await asyncio.to_thread(wait, "runs")\n'
    more = """
    writer.write_eof()
    other = await ask("/keeps-the-thread")
    await asyncio.to_thread(wait, "waits")
"""
    assert runs in PROGRAM
    status, out, err = project.run(
        PROGRAM.replace(runs, runs + more) % {"url": url, "path": "/comes-back"},
        DATABASE_URL=url,
    )
    assert status == 0, err
    assert out.splitlines() == ["back", "[7]"], err


# --- The end of a process -----------------------------------------------------

BEGIN = """
import asyncio, os, sys, threading, time
import inlay
from inlay import db

IS_POSTGRES = os.environ["DATABASE_URL"].startswith("postgresql")
SLOW = (
    "select 1 from pg_sleep(20)"
    if IS_POSTGRES
    else "with recursive n(i) as (select 1 union all select i + 1 from n "
    "where i < 100000000) select count(*) from n"
)
sync = db.sync
sync.exec("drop table if exists stop_rows")
sync.exec("create table stop_rows (id bigint)")
"""

ENDS = {
    "an_open_transaction": """
tx = sync.transaction().__enter__()
tx.exec("insert into stop_rows values (1)")
""",
    "an_open_cursor": """
rows = sync.each(int, "select 1 union all select 2")
assert next(rows) == 1
""",
    "threads_that_ask": """
def ask():
    while True:
        with sync.transaction() as tx:
            tx.exec("insert into stop_rows values (1)")
            tx.exec("delete from stop_rows")
        list(sync.each(int, "select id from stop_rows"))

for _ in range(4):
    threading.Thread(target=ask, daemon=True).start()
time.sleep(0.2)
""",
    "a_statement_that_runs": """
thread = threading.Thread(target=sync.one, args=(int, SLOW), daemon=True)
thread.start()
time.sleep(0.2)
""",
    "a_loop_that_was_closed_under_way": """
async def slow():
    async with db.transaction() as tx:
        await tx.one(int, SLOW)

loop = asyncio.new_event_loop()
task = loop.create_task(slow())
loop.run_until_complete(asyncio.sleep(0.2))
loop.close()
""",
    "a_loop_that_was_closed_when_all_is_done": """
async def ask():
    async with db.transaction() as tx:
        await tx.one(int, "select 1")

loop = asyncio.new_event_loop()
task = loop.create_task(ask())
for _ in range(3):
    loop.run_until_complete(asyncio.sleep(0))
    time.sleep(0.1)
loop.close()
del task, loop
""",
    "tasks_that_run_cancels": """
async def ask(i):
    while True:
        async with db.transaction() as tx:
            await tx.exec("insert into stop_rows values (1)")
            async for row in tx.each(int, "select id from stop_rows"):
                await asyncio.sleep(0)

async def main():
    for i in range(20):
        task = asyncio.create_task(ask(i))
        ask.tasks = getattr(ask, "tasks", []) + [task]
    await asyncio.sleep(0.2)

asyncio.run(main())
# All of their connections are there again.
with sync.transaction() as tx:
    tx.exec("delete from stop_rows")
""",
    "a_thread_of_its_own_at_exit": """
import atexit
atexit.register(lambda: print(sync.one(int, "select 41") + 1, flush=True))
""",
    "a_generator_that_nobody_closed": """
async def rows():
    async with db.transaction() as tx:
        async for row in tx.each(int, "select 1 union all select 2"):
            yield row

async def main():
    async for row in rows():
        break

asyncio.run(main())
with sync.transaction() as tx:
    tx.exec("delete from stop_rows")
""",
}


@pytest.mark.parametrize("name", ENDS)
def test_a_process_ends_well_with(project, url, name):
    code = BEGIN + ENDS[name] + "\nprint('end', flush=True)\n"
    status, out, err = project.run(code, DATABASE_URL=url)
    assert status == 0, err
    assert out.splitlines()[0] == "end"
    assert "Traceback" not in err or "loop" in name, err


FORKS = """
with sync.transaction() as outer:
    outer.exec("insert into stop_rows values (1)")
    child = os.fork()
    if not child:
        try:
            for what in (
                lambda: outer.exec("insert into stop_rows values (2)"),
                lambda: next(outer.each(int, "select id from stop_rows")),
            ):
                try:
                    what()
                except RuntimeError as error:
                    assert "forked" in str(error), error
                else:
                    raise AssertionError
            del outer
            # A connection of its own sees what was committed; SQLite, which
            # was open before, has none in a fork.
            try:
                seen = sync.one(int, "select count(*) from stop_rows")
            except inlay.Unavailable:
                seen = 0 if not IS_POSTGRES else None
            print(seen, flush=True)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    outer.exec("insert into stop_rows values (3)")
print(sync.all(int, "select id from stop_rows order by id"))
"""


FORKED_LISTENER = """
with sync.listen("jobs") as notes:
    child = os.fork()
    if not child:
        try:
            next(notes)
        except RuntimeError as error:
            notes.close()
            os._exit(7 if "forked" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    sync.one(str, "select pg_notify('jobs', 'x')::text")
    print(next(notes).payload)
"""


def test_a_fork_leaves_the_listener_to_its_parent(project, postgres):
    url = postgres.create_database("stop_listener")
    status, out, err = project.run(BEGIN + FORKED_LISTENER, DATABASE_URL=url)
    assert status == 0, err
    assert out.splitlines() == ["x"], err


def test_a_fork_leaves_the_transaction_to_its_parent(project, url):
    status, out, err = project.run(BEGIN + FORKS, DATABASE_URL=url)
    assert status == 0, err
    assert out.splitlines() == ["0", "[1, 3]"], err


# --- Interrupts and swaps -----------------------------------------------------

INTERRUPTED = """
import signal

signal.setitimer(signal.ITIMER_REAL, 0.3)
signal.signal(signal.SIGALRM, signal.default_int_handler)
try:
    %s
except KeyboardInterrupt:
    print("interrupted")
# The connection is back, and nothing of it was stored.
print(sync.exec("insert into stop_rows values (7)"))
print(sync.all(int, "select id from stop_rows"))
"""

KINDS_OF_USE = {
    "a_transaction": """
    with sync.transaction() as tx:
        tx.exec("insert into stop_rows values (1)")
        tx.one(int, SLOW)
""",
    "an_outer_block": """
    with sync.transaction() as tx:
        tx.exec("insert into stop_rows values (1)")
        with tx.transaction() as inner:
            inner.exec("insert into stop_rows values (2)")
            inner.one(int, SLOW)
""",
    "a_cursor": """
    for row in sync.each(int, SLOW):
        pass
""",
    "a_wait_for_the_writer": """
    # Of another thread, which has it for longer.
    def hold():
        with sync.transaction() as tx:
            time.sleep(0.6)

    threading.Thread(target=hold).start()
    time.sleep(0.1)
    with sync.transaction() as tx:
        tx.exec("insert into stop_rows values (1)")
        tx.one(int, SLOW)
""",
}


@pytest.mark.parametrize("name", KINDS_OF_USE)
def test_an_interrupt_ends(project, url, name):
    code = BEGIN + INTERRUPTED % KINDS_OF_USE[name].strip()
    status, out, err = project.run(code, DATABASE_URL=url)
    assert status == 0, err
    assert out.splitlines() == ["interrupted", "1", "[7]"], err


SWAPPED = """
import importlib

sys.path.insert(0, FOLDER)
import fast

found = {}

def ask():
    found["slow"] = fast.slow()
    found["each"] = fast.each()

async def swap():
    waits = asyncio.ensure_future(fast.pooled())
    thread = threading.Thread(target=ask)
    thread.start()
    await asyncio.sleep(0.1)
    with open(FOLDER + "/fast.c") as file:
        text = file.read()
    with open(FOLDER + "/fast.c", "w") as file:
        file.write(text.replace("int64_t number;", "inlay_str word; int64_t number;")
                       .replace("as number", "as number, 'new' as word"))
    importlib.reload(fast)
    found["pooled"] = await waits
    await asyncio.to_thread(thread.join)

asyncio.run(swap())
assert found["slow"].number == found["pooled"].number == 400000, found
assert not hasattr(found["slow"], "word")
new = fast.slow()
print(new.number, new.word, found["each"])
"""

FAST = """
#include <inlay.h>
struct answer { int64_t number; };

#define SLOW "with recursive n(i) as (select 1 union all select i + 1 from n " \\
             "where i < 400000) select count(*) as number from n"

struct answer slow(inlay_db *db) { return inlay_one(db, struct answer, SLOW); }

struct answer pooled(inlay_db *db)
{
    struct answer answer = {0};
    inlay_transaction(db, 1)
        answer = inlay_one(db, struct answer, SLOW);
    return answer;
}
INLAY_ASYNC(pooled);

int64_t each(inlay_db *db)
{
    int64_t count = 0;
    inlay_each(db, struct answer, answer, SLOW)
        count += answer.number;
    return count;
}
"""


def test_a_module_is_swapped_while_its_functions_wait(project, url):
    project.write("fast.c", FAST)
    code = BEGIN + SWAPPED.replace("FOLDER", repr(str(project.folder)))
    status, out, err = project.run(code, DATABASE_URL=url)
    assert status == 0, err
    assert out.splitlines() == ["400000 new 400000"], err
