"""Crash reports of native code: what is said, and what the process dies of."""

import os
import re
import signal
from pathlib import Path

import pytest

INPUT = Path(__file__).parents[1] / "unit" / "load" / "crash_input.c"
LINES = {
    found[1]: number
    for number, line in enumerate(INPUT.read_text().splitlines(), 1)
    if (found := re.search(r"/\* line: (\w+) \*/", line))
}
# Under a sanitizer: its own handlers would end the process their way.
NO_OTHER_HANDLERS = (
    "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:"
    "handle_sigfpe=0:use_sigaltstack=0"
)
HEAD = """
import os, resource, sys, threading
import inlay
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
inlay.install()
sys.path.insert(0, __file__.rpartition("/")[0])
"""


@pytest.fixture
def die(project):
    """die(code) -> signal and stderr of a program that imports fast.c."""
    project.write("fast.c", INPUT.read_text())

    def run(code: str) -> tuple[int, str]:
        options = f"{os.environ.get('ASAN_OPTIONS', '')}:{NO_OTHER_HANDLERS}"
        status, out, err = project.run(HEAD + code, ASAN_OPTIONS=options)
        assert out == "", out
        return -status, err

    return run


def place(function: str, mark: str = "", within: str = "") -> str:
    mid = f", inlined into {within}()," if within else ""
    return rf"{function}\(\){re.escape(mid)} at /\S*/fast\.c:{LINES[mark or function]}"


WAYS = {
    "null_write(1)": (
        signal.SIGSEGV,
        rf"inlay: SIGSEGV in {place('helper')} \(address 0x0, thread .+\)\n"
        rf"  called by {place('null_write')}\n",
    ),
    "null_read(1)": (
        signal.SIGSEGV,
        rf"inlay: SIGSEGV in {place('inlined', within='null_read')} \(.*\)\n",
    ),
    "divide(1)": (
        signal.SIGFPE,
        rf"inlay: SIGFPE \(integer division by zero\) in {place('divide')} \(.*\)\n",
    ),
    "overflow()": (
        signal.SIGSEGV,
        r"inlay: SIGSEGV \(stack overflow\) in recurse\(\) at /\S*/fast\.c:\d+ "
        r"\(.*\)\n"
        rf"  called by {place('recurse')}, \d+ times\n"
        rf"  called by {place('overflow')}\n",
    ),
    "give_up()": (
        signal.SIGABRT,
        rf"inlay: SIGABRT in code called by {place('give_up')} \(thread .+\)\n",
    ),
    "trap()": (signal.SIGILL, rf"inlay: SIGILL in {place('trap')} \(.*\)\n"),
    "jump()": (
        signal.SIGSEGV,
        rf"inlay: SIGSEGV: call of 0x1234, which is no code, by {place('jump')} "
        r"\(address 0x1234, .*\)\n",
    ),
    "sort()": (
        signal.SIGSEGV,
        rf"inlay: SIGSEGV in {place('compare')} \(.*\)\n"
        rf"  called by {place('sort')}\n",
    ),
    "length()": (
        signal.SIGSEGV,
        rf"inlay: SIGSEGV in code called by {place('length')} \(.*\)\n",
    ),
    "own_thread(1)": (
        signal.SIGSEGV,
        rf"inlay: SIGSEGV in {place('helper')} \(.*\)\n"
        rf"  called by {place('in_thread')}\n",
    ),
    "in_loop()": (
        signal.SIGSEGV,
        rf"inlay: SIGSEGV in {place('helper')} \(.*\)\n  called by {place('part')}\n",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_main_thread(die, way):
    number, said = die(f"import fast; fast.well(1)\nfast.{way}")
    assert number == WAYS[way][0]
    assert re.fullmatch(WAYS[way][1], said), said


@pytest.mark.parametrize("way", WAYS)
def test_other_thread(die, way):
    code = f"""
import fast
thread = threading.Thread(target=lambda: fast.{way})
thread.start()
thread.join()
"""
    number, said = die(code)
    assert number == WAYS[way][0]
    assert re.fullmatch(WAYS[way][1], said), said


@pytest.mark.parametrize("way", ["null_write(1)", "overflow()", "give_up()"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_with_faulthandler(die, way, when):
    enable = "import faulthandler; faulthandler.enable()\n"
    code = f"import fast\nfast.well(1)\n{enable}def python():\n    fast.{way}\npython()"
    if when == "before":
        code = enable + code
    number, said = die(code)
    assert number == WAYS[way][0]
    assert len(re.findall(WAYS[way][1], said)) == 1, said
    assert said.count("Fatal Python error") == 1
    assert "in python\n" in said


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("import ctypes; ctypes.string_at(0)", signal.SIGSEGV),
        ("os.kill(os.getpid(), 11)", signal.SIGSEGV),
        ("import signal; signal.raise_signal(signal.SIGFPE)", signal.SIGFPE),
        ("os.abort()", signal.SIGABRT),
    ],
)
def test_elsewhere_nothing_is_said(die, code, number):
    warm = "import fast\nfor _ in range(100): fast.well(1)\nfast.sort_well()\n"
    assert die(warm + code) == (number, "")


def test_ignored_signals_stay_ignored(die):
    code = """
import signal
signal.signal(signal.SIGFPE, signal.SIG_IGN)
import fast
fast.well(1)
os.kill(os.getpid(), signal.SIGFPE)
"""
    assert die(code) == (0, "")


def test_handlers_of_python_are_called(die):
    code = """
import signal
seen = []
signal.signal(signal.SIGABRT, lambda *args: seen.append(args))
import fast
fast.well(1)
os.kill(os.getpid(), signal.SIGABRT)
assert len(seen) == 1
"""
    assert die(code) == (0, "")


def test_pool_thread(die):
    code = """
import asyncio, fast
asyncio.run(inlay.run_in_pool(fast.null_write, 1))
"""
    number, said = die(code)
    assert number == signal.SIGSEGV
    report = WAYS["null_write(1)"][1].replace("thread .+", r"thread inlay-\S+")
    assert re.fullmatch(report, said), said
