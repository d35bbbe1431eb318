"""What asyncio, anyio and contextvars promise to code inside a request.

Each check is a path; it answers 200, or 599 with the traceback. What a check
can only know after its answer it leaves in AFTER, which /after/NAME shows.
"""

import asyncio
import contextvars
import gc
import inspect
import io
import json
import sys
import traceback
import weakref

import anyio

CHECKS = {}
AFTER = {}
VAR = contextvars.ContextVar("VAR", default="none")
KEPT = []
NEW = sys.version_info >= (3, 11)


def check(function):
    CHECKS[function.__name__] = function
    return function


def me():
    return asyncio.current_task()


@check
async def task_is_real():
    task = me()
    assert isinstance(task, asyncio.Task) and asyncio.isfuture(task)
    assert not task.done() and not task.cancelled()
    assert task.get_loop() is asyncio.get_running_loop()
    assert task.get_name().startswith("Task-")
    task.set_name("mine")
    task.mark = 1
    assert repr(task) and hash(task) and weakref.ref(task)() is task
    if NEW:
        assert task.cancelling() == 0 and task.uncancel() == 0
    try:
        task.result()
    except asyncio.InvalidStateError:
        pass
    else:
        raise AssertionError("a running task has a result")
    await asyncio.sleep(0)
    assert me() is task and task.mark == 1 and task.get_name() == "mine"
    await asyncio.sleep(0.001)
    assert me() is task


@check
async def coroutine_can_be_inspected():
    task = me()
    assert task.get_coro().cr_running
    assert inspect.getcoroutinestate(task.get_coro()) == "CORO_RUNNING"
    assert task.get_stack()
    task.print_stack(file=io.StringIO())
    await asyncio.sleep(0)
    task.print_stack(file=io.StringIO())


@check
async def all_tasks():
    assert me() in asyncio.all_tasks()
    await asyncio.sleep(0)
    assert me() in asyncio.all_tasks()


@check
async def cancel_in_first_step():
    task = me()
    task.cancel("why")
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError as error:
        assert error.args in (("why",), ())
    else:
        raise AssertionError("not cancelled")
    if NEW:
        assert task.cancelling() == 1 and task.uncancel() == 0
    await asyncio.sleep(0.001)


@check
async def uncancel_in_first_step():
    if not NEW:
        return
    me().cancel()
    me().uncancel()
    try:
        await asyncio.sleep(0.001)
    except asyncio.CancelledError:
        assert sys.version_info < (3, 13)
    await asyncio.sleep(0.001)


@check
async def cancel_from_outside():
    task = me()
    asyncio.get_running_loop().call_later(0.005, task.cancel)
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        if NEW:
            task.uncancel()
    else:
        raise AssertionError("not cancelled")


@check
async def timeouts():
    try:
        await asyncio.wait_for(asyncio.sleep(5), 0.01)
    except asyncio.TimeoutError:
        pass
    assert await asyncio.wait_for(asyncio.sleep(0, 7), 1) == 7
    if not NEW:
        return
    for when in (0.01, -1):
        try:
            async with asyncio.timeout(when):
                await asyncio.sleep(5)
        except TimeoutError:
            pass
        else:
            raise AssertionError("no timeout")
    assert me().cancelling() == 0


@check
async def task_group():
    if not NEW:
        return
    done = []

    async def child(number):
        await asyncio.sleep(0.001)
        done.append(number)

    async with asyncio.TaskGroup() as group:
        group.create_task(child(1))
        group.create_task(child(2))
    assert done == [1, 2]

    async def failing():
        await asyncio.sleep(0.001)
        raise ValueError

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(failing())
            await asyncio.sleep(5)
    except BaseException as error:
        assert isinstance(error.exceptions[0], ValueError)
    assert me().cancelling() == 0


@check
async def gather_shield_queue_lock():
    async def value(x):
        await asyncio.sleep(0.001)
        return x

    assert await asyncio.gather(value(1), value(2)) == [1, 2]
    assert await asyncio.shield(value(3)) == 3
    queue = asyncio.Queue()
    asyncio.get_running_loop().call_soon(queue.put_nowait, 1)
    assert await queue.get() == 1
    async with asyncio.Lock():
        await asyncio.sleep(0)


@check
async def anyio_scopes():
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.sleep(0.01)
        raise AssertionError("not cancelled in the first step")
    assert scope.cancelled_caught
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep(5)
    assert scope.cancelled_caught
    assert await anyio.to_thread.run_sync(lambda: 3) == 3
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0.001)
        group.start_soon(anyio.sleep, 5)
        await anyio.sleep(0.005)
        group.cancel_scope.cancel()
    try:
        with anyio.fail_after(0.01):
            await anyio.sleep(5)
    except TimeoutError:
        pass
    assert anyio.get_current_task().name
    await anyio.lowlevel.checkpoint()
    if NEW:
        assert me().cancelling() == 0


@check
async def context_is_the_request_s():
    assert VAR.get() == "none"
    token = VAR.set("a")
    me().get_name()
    VAR.set("b")
    await asyncio.sleep(0)
    assert VAR.get() == "b"
    await asyncio.sleep(0.001)
    assert VAR.get() == "b"
    assert await anyio.to_thread.run_sync(VAR.get) == "b"
    VAR.reset(token)
    assert VAR.get() == "none"
    VAR.set("leak")


@check
async def context_without_suspension():
    assert VAR.get() == "none"
    VAR.set("leak")


@check
async def self_await():
    try:
        await me()
    except RuntimeError as error:
        assert "await on itself" in str(error)
    else:
        raise AssertionError


@check
async def bad_yield():
    class Bad:
        def __await__(self):
            yield 42

    try:
        await Bad()
    except RuntimeError as error:
        assert "bad yield" in str(error)
    else:
        raise AssertionError


@check
async def eager_children():
    if sys.version_info < (3, 12):
        return
    loop, task = asyncio.get_running_loop(), me()

    async def child():
        assert me() is not task and task in asyncio.all_tasks()
        return 5

    eager = asyncio.Task(child(), loop=loop, eager_start=True)
    assert me() is task and eager.done() and await eager == 5
    assert me() is task


@check
async def collection_in_the_first_step():
    me().circle = me()
    gc.collect()
    await asyncio.sleep(0)
    gc.collect()


@check
async def done_callback():
    task = me()
    task.add_done_callback(
        lambda t: AFTER.__setitem__("done_callback", [t is task, t.done()])
    )


@check
async def done_callback_later():
    task = me()
    await asyncio.sleep(0)
    task.add_done_callback(
        lambda t: AFTER.__setitem__("done_callback_later", [t is task, t.done()])
    )


@check
async def another_awaits_me():
    task = me()

    async def waiter():
        await task
        AFTER["another_awaits_me"] = [True, task.done()]

    KEPT.append(asyncio.create_task(waiter()))
    await asyncio.sleep(0.002)


class NoCoroutine:
    """An awaitable that is none."""

    def __init__(self, coroutine):
        self.coroutine = coroutine

    def __await__(self):
        return self.coroutine.__await__()


async def answer(send, status, data):
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [],
        }
    )
    await send({"type": "http.response.body", "body": data})


async def serve(scope, receive, send):
    name = scope["path"].strip("/")
    if name.startswith("after/"):
        for _ in range(100):
            if name[6:] in AFTER:
                break
            await asyncio.sleep(0.02)
        shown = json.dumps(AFTER.pop(name[6:], None)).encode()
        return await answer(send, 200, shown)
    try:
        await CHECKS[name]()
    except BaseException:
        return await answer(send, 599, traceback.format_exc().encode())
    await answer(send, 200, b"ok")


def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("http only")
    call = serve(scope, receive, send)
    return NoCoroutine(call) if scope["query_string"] else call
