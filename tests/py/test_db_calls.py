"""C functions that have an inlay_db *, called from Python."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import time

import inlay
import pytest
from inlay import stubs

from .databases.here import KINDS, name_of

SOURCE = """
#define DB "%s"
struct item {
    int64_t id;
    inlay_str name;
};
INLAY_SLICE(items, struct item);
INLAY_OPTIONAL(maybe_item, struct item);
INLAY_SLICE(ids, int64_t);

/// One by its id.
struct item get(inlay_db *db, int64_t id)
{
    return inlay_one(db, struct item,
                     "select id, name from call_items where id = $1", id);
}
INLAY_DB(get, db, DB);

maybe_item find(int64_t id, inlay_db *db)
{
    return inlay_maybe(db, maybe_item,
                       "select id, name from call_items where id = $1", id);
}
INLAY_DB(find, db, DB);

items list(inlay_db *db)
{
    return inlay_all(db, items, "select id, name from call_items order by id");
}
INLAY_DB(list, db, DB);

int64_t put(inlay_db *db, int64_t id, inlay_str name)
{
    return inlay_exec(db, "insert into call_items (id, name) values ($1, $2)",
                      id, name);
}
INLAY_DB(put, db, DB);

int64_t put_all(inlay_db *db, items rows)
{
    return inlay_batch(db, "insert into call_items (id, name) values ($1, $2)",
                       rows);
}
INLAY_DB(put_all, db, DB);

void clear(inlay_db *db) { inlay_exec(db, "delete from call_items"); }
INLAY_DB(clear, db, DB);

int64_t count_slowly(inlay_db *db)
{
    int64_t count = 0;
    inlay_each(db, struct item, item, "select id, name from call_items")
        count += item.id > 0;
    return count;
}
INLAY_DB(count_slowly, db, DB);

/* Both, or none. */
int64_t put_two(inlay_db *db, int64_t a, int64_t b)
{
    inlay_transaction(db, 1)
    {
        inlay_exec(db, "insert into call_items values ($1, 'a')", a);
        inlay_exec(db, "insert into call_items values ($1, 'b')", b);
    }
    return 2;
}
INLAY_DB(put_two, db, DB);

/* Leaves its transaction open. */
void forget(inlay_db *db, int64_t id)
{
    inlay_begin(db);
    inlay_exec(db, "insert into call_items values ($1, 'forgotten')", id);
}
INLAY_DB(forget, db, DB);

struct item get_nogil(inlay_db *db, int64_t id) { return get(db, id); }
INLAY_DB(get_nogil, db, DB);
INLAY_NOGIL(get_nogil);

struct item get_async(inlay_db *db, int64_t id) { return get(db, id); }
INLAY_DB(get_async, db, DB);
INLAY_ASYNC(get_async);

void throw_away(inlay_db *db, int64_t id)
{
    inlay_exec(db, "insert into call_items values ($1, 'x')", id);
    inlay_fail(INLAY_CONFLICT, "thrown %%lld away", (long long)id);
}
INLAY_DB(throw_away, db, DB);

int64_t twice(inlay_db *one, inlay_db *two)
{
    return inlay_one(one, int64_t, "select count(*) from call_items") +
           inlay_one(two, int64_t, "select count(*) from call_items");
}
INLAY_DB(twice, one, DB);
INLAY_DB(twice, two, DB);

struct item nowhere(inlay_db *db) { return get(db, 1); }
INLAY_DB(nowhere, db, "nowhere");

/* A statement that takes a while. */
int64_t slow(inlay_db *db)
{
    return inlay_one(
        db, int64_t,
        "with recursive n(i) as (select 1 union all select i + 1 from n "
        "where i < 2000000) select count(*) from n");
}
INLAY_DB(slow, db, DB);

/* C's object idiom. */
struct shelf {
    int64_t first;
};
struct shelf *shelf_new(int64_t first)
{
    struct shelf *shelf = calloc(1, sizeof(*shelf));
    shelf->first = first;
    return shelf;
}
void shelf_free(struct shelf *shelf) { free(shelf); }
struct item shelf_item(struct shelf *shelf, inlay_db *db)
{
    return get(db, shelf->first);
}
INLAY_DB(shelf_item, db, DB);
"""

HEAD = "#include <stdlib.h>\n"


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def native(kind, request, tmp_path_factory, module):
    name = name_of(kind, request, tmp_path_factory)
    db = inlay.db[name].sync
    db.exec("drop table if exists call_items")
    db.exec("create table call_items (id bigint primary key, name text not null)")
    return module(HEAD + SOURCE % name, name=f"calls_{kind}")


@pytest.fixture(autouse=True)
def items(request):
    if "native" not in request.fixturenames:
        return
    native = request.getfixturevalue("native")
    native.clear()
    native.put(1, "one")
    native.put(2, "two")


def test_the_database_is_hidden_from_python(native):
    assert list(inspect.signature(native.get).parameters) == ["id"]
    assert list(native.find.__annotations__) == ["id", "return"]
    assert native.get.__text_signature__ == "(id)"
    with pytest.raises(TypeError, match="takes 1 positional"):
        native.get(1, 2)
    with pytest.raises(TypeError, match="db"):
        native.get(1, db=None)
    assert not native.get.__inlay_for_requests__


def test_stubs_have_no_database(native):
    from inlay import _core

    found = next(each for each in _core.modules() if each.name == native.__name__)
    text = stubs.text(found, "calls.c", "")
    assert "def get(id: int) -> _item_type:" in text
    assert "inlay_db" not in text


def test_rows_come_as_structs(native):
    assert native.get(1).name == "one"
    assert native.get(id=2).name == "two"
    assert native.find(2).id == 2
    assert native.find(3) is None
    assert [item.name for item in native.list()] == ["one", "two"]
    assert native.count_slowly() == 2


def test_many_rows_go_in_at_once(native):
    rows = [native.item(id=i, name=f"n{i}") for i in range(10, 1010)]
    assert native.put_all(rows) == 1000
    assert native.count_slowly() == 1002
    assert native.twice() == 2 * 1002


def test_errors_have_their_sqlstate(native, kind):
    def failed(call, *args):
        with pytest.raises(inlay.Error) as caught:
            call(*args)
        return caught.value

    conflict = failed(native.put, 1, "again")
    assert conflict.sqlstate == ("23505" if kind == "postgresql" else "")
    assert conflict.may_retry is False
    # Not that of the call before.
    assert failed(native.throw_away, 5).sqlstate == ""
    assert failed(native.get, 3).sqlstate == ""


def test_errors_are_inlays_exceptions(native):
    with pytest.raises(inlay.NotFound):
        native.get(3)
    with pytest.raises(inlay.Conflict):
        native.put(1, "again")
    with pytest.raises(inlay.Conflict, match="thrown 5 away"):
        native.throw_away(5)
    # A call that failed has left nothing that the next one sees.
    assert native.get(1).name == "one"


def test_a_transaction_is_all_or_none(native):
    assert native.put_two(3, 4) == 2
    with pytest.raises(inlay.Conflict):
        native.put_two(5, 1)
    assert native.find(5) is None


def test_a_transaction_left_open_is_rolled_back(native):
    native.forget(7)
    assert native.find(7) is None
    assert native.put(7, "seven") == 1  # nobody has the lock of it


def test_nogil_functions_wait_too(native):
    assert native.get_nogil(2).name == "two"
    with pytest.raises(inlay.NotFound):
        native.get_nogil(3)


def test_async_functions_are_awaited(native):
    async def main():
        assert inspect.iscoroutinefunction(native.get_async)
        assert (await native.get_async(1)).name == "one"
        with pytest.raises(inlay.NotFound):
            await native.get_async(3)
        found = await asyncio.gather(*(native.get_async(2) for _ in range(50)))
        assert {item.name for item in found} == {"two"}
        assert (await inlay.run_in_pool(native.get, 1)).name == "one"

    asyncio.run(main())


def test_a_method_may_have_a_database(native):
    with native.shelf(2) as shelf:
        assert shelf.item().name == "two"


def test_a_database_that_is_not_configured_says_so(native):
    with pytest.raises(RuntimeError, match="nowhere") as caught:
        native.nowhere()
    assert isinstance(caught.value, inlay.Internal)
    assert native.get(1).name == "one"


def test_waiting_gives_the_gil_back(native):
    ticks = 0
    over = threading.Event()

    def count():
        nonlocal ticks
        while not over.is_set():
            ticks += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    begin = time.monotonic()
    assert native.slow() == 2000000
    seconds = time.monotonic() - begin
    over.set()
    thread.join()
    # With the GIL held there would be none or two.
    assert ticks > seconds * 100, (ticks, seconds)


def test_threads_ask_at_the_same_time(native):
    failures = []

    def work():
        try:
            for i in range(100):
                assert native.get(1 + i % 2).id == 1 + i % 2
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_calls_leave_no_references(native):
    def objects():
        gc.collect()
        return len(gc.get_objects())

    for _ in range(10):
        native.list()
    before = objects()
    for _ in range(500):
        native.list()
        native.find(3)
    assert objects() - before < 50


def test_a_hot_swap_takes_the_database_along(project, tmp_path):
    source = """
        #include <inlay.h>
        int64_t number(inlay_db *db) { return inlay_one(db, int64_t, "select %s"); }
        """
    project.write("fast.c", source % "1")
    code = f"""
        import importlib, sys, time
        from inlay import _core
        _core.configure_database("", "sqlite:///{tmp_path}/swap.db")
        sys.path.insert(0, {str(project.folder)!r})
        import fast
        number = fast.number
        assert number() == 1
        path = {str(project.folder / "fast.c")!r}
        with open(path) as file:
            text = file.read()
        text = text.replace("inlay_db *db", "int64_t by, inlay_db *db")
        text = text.replace('"select 1"', '"select 10 * $1", by')
        with open(path, "w") as file:
            file.write(text)
        importlib.reload(fast)
        assert number(3) == 30, number
        print("swapped")
        """
    status, out, err = project.run(code)
    assert (status, out) == (0, "swapped\n"), err


def test_a_program_of_its_own_has_database_url(project, tmp_path):
    project.write(
        "fast.c",
        """
        #include <inlay.h>
        int64_t count(inlay_db *db)
        {
            return inlay_one(db, int64_t, "select count(*) from t");
        }
        int64_t reports(inlay_db *db)
        {
            return inlay_one(db, int64_t, "select 7");
        }
        INLAY_DB(reports, db, "reports");
        """,
    )
    code = f"""
        import sys
        sys.path.insert(0, {str(project.folder)!r})
        import inlay
        import fast
        assert fast.reports() == 7
        inlay.db.sync.exec("create table t (id bigint)")
        assert inlay.db.sync.batch("insert into t values ($1)", [(1,), (2,)]) == 2
        assert inlay.db["reports"].sync.one(int, "select 8") == 8
        print(fast.count())
        """
    status, out, err = project.run(
        code,
        DATABASE_URL=f"sqlite:///{tmp_path}/default.db",
        DATABASE_URL_REPORTS=f"sqlite:///{tmp_path}/reports.db",
    )
    assert (status, out) == (0, "2\n"), err


def test_a_program_without_a_database_hears_how_to_give_one(project):
    project.write(
        "fast.c",
        """
        #include <inlay.h>
        int64_t f(inlay_db *db) { return inlay_one(db, int64_t, "select 1"); }
        """,
    )
    code = f"""
        import sys
        sys.path.insert(0, {str(project.folder)!r})
        import inlay
        import fast
        for call in (fast.f, lambda: inlay.db.sync.one(int, "select 1")):
            try:
                call()
            except (RuntimeError, ValueError) as error:
                assert "DATABASE_URL" in str(error), error
            else:
                raise AssertionError
        print("told")
        """
    status, out, err = project.run(code)
    assert (status, out) == (0, "told\n"), err
