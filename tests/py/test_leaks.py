"""No conversion leaks a reference or memory, on its error paths either.

The quick test makes ten thousand calls of each and looks at blocks and
reference counts; the slow one a million, and looks at the process.
"""

import array
import gc
import os
import resource
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("values.c")

# A leak of the smallest block in each of a million calls would be 16 MiB.
MOST_GROWTH = 6 << 20


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE.read_text(), "values_leaks")


class Raises:
    """Python code that a conversion runs, and that fails."""

    def __index__(self):
        raise KeyError("mine")

    __float__ = __index__

    def __getattr__(self, name):
        raise KeyError("mine")


class Number:
    def __index__(self):
        return 5

    def __float__(self):
        return 5.0


class Attributes:
    def __init__(self, **fields):
        self.__dict__.update(fields)


def make_shared(c):
    """What the calls are given: nothing may hold on to any of it."""
    text = "ü" * 100
    item = {
        "name": "abc",
        "color": c.color.GREEN,
        "letter": "z",
        "data": bytearray(b"xy"),
        "matrix": [[1.0, 2.0, 3.0], (4.0, 5.0, 6.0)],
        "corners": [c.point(1.0, 2.0), {"x": 3, "y": 4}],
        "numbers": array.array("h", [1, 2, 3]),
        "note": text,
        "lines": ["ab", "cde"],
        "tint": "BLUE",
    }
    chain = c.node(1, c.node(2, c.node(3)))
    outer = c.outer(
        c.point(1.0, 2.0),
        c.node(7),
        c.point(3, 4),
        array.array("d", [1.0]),
        text,
        [c.color.RED, 5],
    )
    return {
        "text": text,
        "long": 2**62 + 1,
        "huge": 10**5000,
        "number": Number(),
        "raises": Raises(),
        "surrogate": "\udc80" * 20,
        "data": b"x" * 1000,
        "bytearray": bytearray(100),
        "view": memoryview(b"abcdef")[::2],
        "doubles": array.array("d", range(50)),
        "list": [1.0] * 50,
        "wrong": [1.0] * 50 + ["x"],
        "blobs": [b"a" * 50, bytearray(50)],
        "item_dict": item,
        "item": c.item(**item),
        "item_object": Attributes(**item),
        "bad_item": c.item(**{**item, "lines": ["ab", "abcdef"]}),
        "short_item": {**item, "numbers": [1]},
        "missing_item": {k: v for k, v in item.items() if k != "note"},
        "point": c.point(1.5, 2.5),
        "half": {"x": 1},
        "label": c.label(2**40, "n" * 50, 0.5, True, 5),
        "bad_label": c.label(2**40, "n" * 50, "x", True, 5),
        "chain": chain,
        "bad_chain": c.node(1, c.node(2, 3)),
        "outer": outer,
        "color": c.color.BLUE,
        "class": c.item,
        "enum": c.color,
    }


def make_cases(c, s):
    """(what is called, its arguments, the exception or None)."""
    item = (s["item"],)
    return {
        "int": (c.echo_i64, (s["long"],), None),
        "index": (c.echo_i32, (s["number"],), None),
        "int fails": (c.echo_i32, (s["huge"],), OverflowError),
        "uint fails": (c.echo_u8, (s["long"],), OverflowError),
        "int raises": (c.echo_i64, (s["raises"],), KeyError),
        "int type": (c.echo_i64, (s["text"],), TypeError),
        "bool": (c.echo_bool, (True,), None),
        "bool type": (c.echo_bool, (s["text"],), TypeError),
        "float": (c.echo_double, (s["number"],), None),
        "float fails": (c.echo_float, (s["huge"],), OverflowError),
        "float raises": (c.echo_double, (s["raises"],), KeyError),
        "str": (c.echo_str, (s["text"],), None),
        "str fails": (c.echo_str, (s["surrogate"],), ValueError),
        "text": (c.echo_text, (s["text"],), None),
        "char": (c.echo_char, ("x",), None),
        "char fails": (c.echo_char, (s["text"],), ValueError),
        "char out": (c.not_ascii, (), ValueError),
        "enum": (c.echo_color, (s["color"],), None),
        "enum name": (c.echo_color, ("GREEN",), None),
        "enum int": (c.echo_color, (5,), None),
        "enum fails": (c.echo_color, (s["text"],), ValueError),
        "enum raises": (c.echo_color, (s["raises"],), KeyError),
        "enum type": (c.echo_color, (s["list"],), TypeError),
        "enum unknown": (c.no_color, (), None),
        "bytes": (c.echo_bytes, (s["data"],), None),
        "bytearray": (c.echo_bytes, (s["bytearray"],), None),
        "scattered": (c.echo_bytes, (s["view"],), None),
        "bytes type": (c.echo_bytes, (s["text"],), TypeError),
        "bytes out": (c.bad_bytes, (), ValueError),
        "blobs": (c.echo_blobs, (s["blobs"],), None),
        "optional": (c.echo_maybe_bytes, (s["data"],), None),
        "optional none": (c.echo_maybe_bytes, (None,), None),
        "buffer": (c.echo_doubles, (s["doubles"],), None),
        "list": (c.echo_doubles, (s["list"],), None),
        "list fails": (c.echo_doubles, (s["wrong"],), TypeError),
        "struct": (c.echo_item, item, None),
        "struct of dict": (c.echo_item, (s["item_dict"],), None),
        "struct of object": (c.echo_item, (s["item_object"],), None),
        "struct raises": (c.echo_item, (s["raises"],), KeyError),
        "chars fail": (c.echo_item, (s["bad_item"],), ValueError),
        "array fails": (c.echo_item, (s["short_item"],), ValueError),
        "field missing": (c.echo_item, (s["missing_item"],), TypeError),
        "struct out": (c.bad_name, (), ValueError),
        "structs": (c.echo_items, ([s["item"], s["item_dict"]],), None),
        "flat": (c.echo_label, (s["label"],), None),
        "flat fails": (c.echo_label, (s["bad_label"],), TypeError),
        "flat out": (c.bad_label, (), ValueError),
        "flat failed": (c.no_label, (s["label"],), RuntimeError),
        "flat allocates": (c.long_label, (s["label"], 3), None),
        "pointer": (c.length, (s["point"],), None),
        "pointer of dict": (c.length, ({"x": 1, "y": 2},), None),
        "pointer fails": (c.length, (s["half"],), TypeError),
        "pointer none": (c.is_null, (None,), None),
        "null out": (c.no_point, (), None),
        "chain": (c.echo_node, (s["chain"],), None),
        "chain fails": (c.echo_node, (s["bad_chain"],), TypeError),
        "moved": (c.move_by, (s["point"], 1.0), None),
        "moved fails": (c.move_by, (s["point"], s["text"]), TypeError),
        "moved dict": (c.move_by, (s["half"], 1.0), TypeError),
        "changed": (c.change, (s["outer"],), None),
        "touched": (c.touch, (s["outer"],), None),
        "spoiled": (c.spoil, (s["outer"],), ValueError),
        "reversed": (lambda n: c.reverse(c.reverse(n)), (s["chain"],), None),
        "failed": (c.change_and_fail, (s["point"],), RuntimeError),
        "made": (c.point, (1.0, 2.0), None),
        "made by name": (lambda: c.point(y=1.0, x=2.0), (), None),
        "made wrongly": (lambda: c.point(1.0, z=2.0), (), TypeError),
        "copied": (s["item"].__reduce__, (), None),
        "as dict": (dict, item, None),
        "compared": (s["item"].__eq__, item, None),
        "printed": (repr, (s["point"],), None),
        "default": (c.echo_maybe_bytes, (), None),
        "too many": (c.echo_i64, (1, 2), TypeError),
        "keyword": (lambda: c.echo_i64(w=s["long"]), (), TypeError),
    }


def repeat(case, rounds):
    function, args, error = case
    if error is None:
        for _ in range(rounds):
            function(*args)
        return
    for _ in range(rounds):
        try:
            function(*args)
        except error:
            pass
        else:
            pytest.fail(f"{function} did not fail")


def counts(shared):
    # `outer` and the chain get new values, not more of them.
    return {key: sys.getrefcount(value) for key, value in shared.items()}


def nones():
    """Everybody uses None; a call that leaked it would do so every time."""
    return sys.getrefcount(None)


@pytest.mark.slow
def test_references_and_blocks(c):
    shared = make_shared(c)
    for name, case in make_cases(c, shared).items():
        repeat(case, 20)
        gc.collect()
        before, blocks, none = counts(shared), sys.getallocatedblocks(), nones()
        repeat(case, 1000)
        gc.collect()
        grown = sys.getallocatedblocks() - blocks
        assert counts(shared) == before, name
        assert abs(nones() - none) < 500, name
        assert grown < 200, f"{name}: {grown} blocks more"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_calls_of_each(c):
    shared = make_shared(c)
    rounds = 50_000 if "ASAN_OPTIONS" in os.environ else 1_000_000
    for name, case in make_cases(c, shared).items():
        repeat(case, 1000)
        gc.collect()
        before, size = counts(shared), rss()
        repeat(case, rounds)
        gc.collect()
        assert counts(shared) == before, name
        assert rss() - size < MOST_GROWTH, name


def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
