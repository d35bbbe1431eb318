"""Arrow data both ways: as slices, as struct ArrowArray *, of inlay.Array."""

import ctypes
import gc
import os
import struct
import sys
import threading
from pathlib import Path

import inlay
import pytest

pa = pytest.importorskip("pyarrow")

ARROW_H = """
    #ifndef ARROW_C_DATA_INTERFACE
    #define ARROW_C_DATA_INTERFACE
    #include <stdint.h>
    struct ArrowSchema {
        const char *format, *name, *metadata;
        int64_t flags, n_children;
        struct ArrowSchema **children, *dictionary;
        void (*release)(struct ArrowSchema *);
        void *private_data;
    };
    struct ArrowArray {
        int64_t length, null_count, offset, n_buffers, n_children;
        const void **buffers;
        struct ArrowArray **children, *dictionary;
        void (*release)(struct ArrowArray *);
        void *private_data;
    };
    #endif
    struct ArrowArrayStream {
        int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *);
        int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *);
        const char *(*get_last_error)(struct ArrowArrayStream *);
        void (*release)(struct ArrowArrayStream *);
        void *private_data;
    };
"""


@pytest.fixture(scope="module")
def c(module):
    source = Path(__file__).with_name("arrow.c").read_text()
    return module(source, "arrow_fast", header=ARROW_H)


def message(error, function, *args):
    with pytest.raises(error) as caught:
        function(*args)
    return str(caught.value)


def test_numbers(c):
    for kind in (
        pa.int8(),
        pa.int16(),
        pa.int32(),
        pa.int64(),
        pa.uint8(),
        pa.uint64(),
    ):
        values = pa.array([1, 2, 100], kind)
        assert c.echo_ints(values) == c.echo_smalls(values) == [1, 2, 100]
        assert c.echo_reals(values) == c.echo_floats(values) == [1.0, 2.0, 100.0]
        assert c.echo_ints(values[1:]) == [2, 100]
    assert c.echo_reals(pa.array([0.5, 2], pa.float32())) == [0.5, 2.0]
    assert c.echo_ints(pa.array([], pa.float64())) == []
    assert c.echo_bools(pa.array([True, False] * 9)[1:]) == [False] + [True, False] * 8
    assert c.echo_ints(pa.array([True, False])) == [1, 0]


def test_no_copy(c):
    values = pa.array(range(10))
    start = values.buffers()[1].address
    assert c.where_const(values) == start
    assert c.where_const(values[3:]) == start + 24
    assert c.where_const(pa.chunked_array([values])) == start
    # Arrow data must not be changed: a slice of plain int64_t is a copy.
    assert c.where_plain(values) != start
    # A bitmap in which nothing is null.
    part = pa.array([None, 1, 2])[1:]
    assert c.where_const(part) == part.buffers()[1].address + 8
    texts = pa.array(["some text of some length"])
    assert c.where_text(texts) == texts.buffers()[2].address


def test_chunks(c):
    assert c.echo_ints(pa.chunked_array([[1, 2], [], [3]])) == [1, 2, 3]
    assert c.echo_ints(pa.chunked_array([], pa.int64())) == []
    many = pa.chunked_array([[i] for i in range(100)])
    assert c.echo_ints(many) == list(range(100))
    text = message(OverflowError, c.echo_smalls, pa.chunked_array([[1, 2], [3, 2**15]]))
    assert "'v'[3]: 32768 does not fit int16_t" in text


def test_text(c):
    values = ["a", "größe", "", "x" * 50]
    for kind in (pa.utf8(), pa.large_utf8(), pa.string_view()):
        made = pa.array(values, kind)
        assert c.echo_texts(made) == c.echo_c_texts(made) == values
        assert c.echo_texts(made[1:3]) == values[1:3]
    views = pa.array([str(i) * 20 for i in range(1000)], pa.string_view())
    assert c.echo_texts(views) == views.to_pylist()
    coded = pa.array(["a", "b", "a", "a"]).dictionary_encode()
    assert c.echo_texts(coded) == ["a", "b", "a", "a"]
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
        assert c.echo_blobs(pa.array([b"a", b"\xff" * 20], kind)) == [
            b"a",
            b"\xff" * 20,
        ]
    assert c.echo_c_texts(pa.array(["a"])) == ["a"]
    assert "NUL" in message(ValueError, c.echo_c_texts, pa.array(["a\0b"]))
    assert c.echo_colors(pa.array(["RED", "GREEN"])) == [1, 2]
    assert c.echo_colors(pa.array([1, 2], pa.int8())) == [c.color.RED, c.color.GREEN]
    assert "'v'[1]" in message(ValueError, c.echo_colors, pa.array(["RED", "BLUE"]))


def test_nulls(c):
    assert c.echo_maybes(pa.array([1, None, 3])) == [1, None, 3]
    assert c.echo_maybes(pa.array([None, None])) == [None, None]
    assert c.echo_maybes(pa.chunked_array([[None], [2]], pa.int64())) == [None, 2]
    assert c.echo_maybe_texts(pa.array(["a", None])) == ["a", None]
    assert c.echo_maybe_texts(pa.array(["a", None]).dictionary_encode()) == ["a", None]
    assert message(TypeError, c.echo_ints, pa.array([1, 2, None])) == (
        "echo_ints(): parameter 'v'[2]: expected int, got None"
    )
    for function in (c.echo_texts, c.echo_bools, c.echo_reals):
        assert "'v'[0]" in message(TypeError, function, pa.nulls(2))
    assert c.echo_ints(pa.nulls(0)) == []


def test_structs(c):
    rows = [
        {"id": 1, "name": "a", "age": None, "at": {"x": 1.0, "y": 2.0}},
        {"id": 2, "name": "ä" * 20, "age": 7, "at": {"x": 3.0, "y": 4.0}},
    ]
    users = [
        c.user(1, "a", None, c.place(1.0, 2.0)),
        c.user(2, "ä" * 20, 7, c.place(3.0, 4.0)),
    ]
    table = pa.Table.from_pylist(rows)
    for made in (pa.array(rows), table.to_batches()[0], table):
        assert c.echo_users(made) == users
    assert c.echo_users(pa.array(rows)[1:]) == users[1:]
    assert c.echo_users(pa.concat_tables([table, table])) == users * 2
    assert c.echo_users(table.drop_columns(["age"]))[1].age is None
    assert c.echo_users(table.append_column("more", [[1, 2]])) == users
    assert message(TypeError, c.echo_users, table.drop_columns(["name"])) == (
        "echo_users(): parameter 'v'[0]: missing field 'name'"
    )
    rows[1]["at"]["y"] = None
    assert message(TypeError, c.echo_users, pa.array(rows)) == (
        "echo_users(): parameter 'v'[1].at.y: expected float, got None"
    )
    rows[1]["at"] = None
    assert "'v'[1].at: expected place, got None" in message(
        TypeError, c.echo_users, pa.array(rows)
    )
    wide = table.set_column(0, "id", [[1, 2**40]])
    assert "'v'[1].id: 1099511627776 does not fit" in message(
        OverflowError, c.echo_users, wide
    )


def test_refused(c):
    assert message(TypeError, c.echo_ints, pa.array([0.5])) == (
        "echo_ints(): parameter 'v'[0]: expected int, got float"
    )
    assert "expected int, got str" in message(TypeError, c.echo_ints, pa.array(["1"]))
    assert "expected bool, got int" in message(TypeError, c.echo_bools, pa.array([1]))
    assert "expected int, got bool" not in message(
        TypeError, c.echo_texts, pa.array([True])
    )
    assert "expected str, got int" in message(TypeError, c.echo_texts, pa.array([1]))
    assert "expected arrow_fast.user" in message(TypeError, c.echo_users, pa.array([1]))
    assert "does not fit double exactly" in message(
        OverflowError, c.echo_reals, pa.array([2**53 + 1])
    )
    import datetime
    import decimal

    for value, name in (
        ([[1]], "'\\+l'"),
        ([datetime.date(2020, 1, 1)], "'tdD'"),
        ([decimal.Decimal(1)], "'d:"),
        ([{"x": 1}], "'\\+s'"),
    ):
        with pytest.raises(TypeError, match=name):
            c.echo_ints(pa.array(value))
    runs = pa.RunEndEncodedArray.from_arrays([2], [5])
    with pytest.raises(TypeError, match="'\\+r'"):
        c.echo_ints(runs)


def test_text_that_is_not_utf8(c):
    bad = pa.Array.from_buffers(
        pa.utf8(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
    )
    assert "'v'[0]: broken Arrow data: text that is not UTF-8" in message(
        ValueError, c.echo_texts, bad
    )


class Schema(ctypes.Structure):
    pass


class Array(ctypes.Structure):
    pass


Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
    ("dictionary", ctypes.POINTER(Schema)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_char_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))),
    ("dictionary", ctypes.POINTER(Array)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def release_nothing(_):
    pass


def capsule(address, name):
    make = ctypes.pythonapi.PyCapsule_New
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return make(address, name, None)


class Hostile:
    """Arrow data that say whatever they want to."""

    def __init__(self, text=b"l", buffers=(None, bytes(64)), children=(), **fields):
        release = ctypes.cast(release_nothing, ctypes.c_void_p)
        self.children = children
        self.schema = Schema(format=text, name=fields.pop("name", b""), release=release)
        self.buffers = (ctypes.c_char_p * (len(buffers) + 1))(*buffers)
        self.array = Array(length=2, n_buffers=len(buffers), release=release)
        self.array.buffers = self.buffers
        if children:
            self.schemas = (ctypes.POINTER(Schema) * len(children))()
            self.arrays = (ctypes.POINTER(Array) * len(children))()
            for i, child in enumerate(children):
                self.schemas[i] = ctypes.pointer(child.schema)
                self.arrays[i] = ctypes.pointer(child.array)
            self.schema.children, self.array.children = self.schemas, self.arrays
            self.schema.n_children = self.array.n_children = len(children)
        if dictionary := fields.pop("dictionary", None):
            self.kept = dictionary
            self.schema.dictionary = ctypes.pointer(dictionary.schema)
            self.array.dictionary = ctypes.pointer(dictionary.array)
        for name, value in fields.items():
            setattr(self.array, name, value)

    def __arrow_c_array__(self, requested_schema=None):
        return (
            capsule(ctypes.addressof(self.schema), b"arrow_schema"),
            capsule(ctypes.addressof(self.array), b"arrow_array"),
        )


WORDS = struct.Struct("4i")
LONG_VIEW = WORDS.pack(20, 0, 0, 0)


@pytest.mark.parametrize(
    ("function", "data", "text"),
    [
        ("echo_ints", {"length": -1}, "out of range"),
        ("echo_ints", {"length": 2**62}, "out of range"),
        ("echo_ints", {"offset": -1}, "out of range"),
        (
            "where_const",
            {"offset": 2**63 - 1, "null_count": -1, "buffers": (b"\xff", bytes(64))},
            "out of range",
        ),
        ("echo_ints", {"n_buffers": -1}, "out of range"),
        ("echo_ints", {"n_buffers": 0}, "no values"),
        ("echo_ints", {"n_buffers": 1}, "no values"),
        ("echo_ints", {"buffers": (None, None)}, "no values"),
        ("echo_ints", {"text": b"b", "buffers": (None, None)}, "no values"),
        ("echo_texts", {"text": b"u", "buffers": (None, None, b"")}, "no offsets"),
        ("echo_texts", {"text": b"u", "n_buffers": 0}, "no offsets"),
        (
            "echo_texts",
            {"text": b"u", "buffers": (None, struct.pack("3i", 0, -1, 0), b"abc")},
            "offsets that go back",
        ),
        (
            "echo_texts",
            {"text": b"u", "buffers": (None, struct.pack("3i", -2, 1, 1), b"abc")},
            "offsets that go back",
        ),
        (
            "echo_texts",
            {"text": b"U", "buffers": (None, struct.pack("3q", 5, 1, 1), b"abc")},
            "offsets that go back",
        ),
        (
            "echo_texts",
            {"text": b"u", "buffers": (None, struct.pack("3i", 0, 1, 1), None)},
            "no text",
        ),
        ("echo_texts", {"text": b"vu", "buffers": (None, None, None)}, "no views"),
        ("echo_texts", {"text": b"vu", "n_buffers": 0}, "no views"),
        (
            "echo_texts",
            {"text": b"vu", "buffers": (None, WORDS.pack(-1, 0, 0, 0) * 2, None)},
            "negative length",
        ),
        (
            "echo_texts",
            {"text": b"vu", "buffers": (None, LONG_VIEW * 2, None)},
            "beyond its buffer",
        ),
        (
            "echo_texts",
            {
                "text": b"vu",
                "buffers": (None, LONG_VIEW * 2, b"x" * 20, struct.pack("q", 19)),
            },
            "beyond its buffer",
        ),
        (
            "echo_texts",
            {
                "text": b"vu",
                "buffers": (
                    None,
                    WORDS.pack(20, 0, -1, 0) * 2,
                    b"x" * 20,
                    struct.pack("q", 20),
                ),
            },
            "beyond its buffer",
        ),
        *(
            (
                "echo_texts",
                {
                    "text": b"vu",
                    "buffers": (
                        None,
                        WORDS.pack(20, 0, index, 0) * 2,
                        b"x" * 20,
                        struct.pack("q", 20),
                    ),
                },
                "beyond its buffer",
            )
            for index in (-(2**31), -100, -3, 1, 2**31 - 1)
        ),
        ("echo_ints", {"dictionary": Hostile(), "n_buffers": 1}, "no indices"),
        ("echo_ints", {"dictionary": Hostile(), "text": b"g"}, "no indices"),
        (
            "echo_ints",
            {"dictionary": Hostile(), "buffers": (None, struct.pack("2q", 2, 0))},
            "shorter than its parent",
        ),
        (
            "echo_ints",
            {"dictionary": Hostile(), "buffers": (None, struct.pack("2q", -1, 0))},
            "shorter than its parent",
        ),
        (
            "echo_ints",
            {
                "dictionary": Hostile(),
                "text": b"L",
                "buffers": (None, struct.pack("2Q", 2**64 - 1, 0)),
            },
            "index out of range",
        ),
        ("echo_users", {"text": b"+s", "n_children": 1}, "children that don't match"),
        (
            "echo_users",
            {"text": b"+s", "children": (Hostile(name=b"id", length=1),)},
            "shorter than its parent",
        ),
    ],
)
def test_broken_arrays(c, function, data, text):
    hostile = Hostile(**data)
    got = message(ValueError, getattr(c, function), hostile)
    assert "broken Arrow data: " in got and text in got


def test_endless_dictionary(c):
    hostile = Hostile()
    hostile.schema.dictionary = ctypes.pointer(hostile.schema)
    hostile.array.dictionary = ctypes.pointer(hostile.array)
    assert "nested too deep" in message(ValueError, c.echo_ints, hostile)


def test_hostile_but_right(c):
    assert c.echo_ints(Hostile()) == [0, 0]
    assert c.echo_ints(Hostile(length=0, n_buffers=0)) == []
    assert c.echo_maybes(Hostile(buffers=(b"\x01", bytes(64)), null_count=-1)) == [
        0,
        None,
    ]
    with pytest.raises(MemoryError):
        c.echo_ints(Hostile(length=2**56))
    views = (None, LONG_VIEW * 2, b"x" * 20, struct.pack("q", 20))
    assert c.echo_texts(Hostile(b"vu", views)) == ["x" * 20] * 2


def test_polars(c):
    pl = pytest.importorskip("polars")
    assert c.echo_ints(pl.Series([1, 2, 3])) == [1, 2, 3]
    assert c.echo_smalls(pl.Series([1, 2, 3], dtype=pl.UInt32)) == [1, 2, 3]
    assert c.echo_bools(pl.Series([True, False])) == [True, False]
    assert c.echo_texts(pl.Series(["a", "b" * 40])) == ["a", "b" * 40]
    assert c.echo_texts(pl.Series(["a", "b", "a"], dtype=pl.Categorical)) == [*"aba"]
    assert c.echo_maybes(pl.Series([None, 2])) == [None, 2]
    assert c.echo_ints(pl.concat([pl.Series([1]), pl.Series([2])])) == [1, 2]
    assert c.echo_ints(pl.Series([], dtype=pl.Int64)) == []
    frame = pl.DataFrame(
        {"id": [1], "name": ["a"], "age": [None], "at": [{"x": 1.0, "y": 2.0}]}
    )
    assert c.echo_users(frame) == [c.user(1, "a", None, c.place(1.0, 2.0))]
    assert "'v'[1]: expected int, got None" in message(
        TypeError, c.echo_ints, pl.Series([1, None])
    )
    assert c.length(pl.Series([1, 2])) == 2
    assert pl.from_arrow(pa.array(c.make(3))).to_list() == [0.0, 1.0, 2.0]


# --- struct ArrowArray *, struct ArrowSchema *


def test_parameters(c):
    assert c.length(pa.array([1, 2, 3])) == 3
    assert c.length(array=pa.chunked_array([[1, 2]])) == 2
    assert c.length(pa.array([0.5])) == -1
    assert c.format(pa.array(["a"])) == "u 1"
    assert c.format(pa.Table.from_pydict({"a": [1]})) == "+s 1"
    assert c.format(c.make(4)) == "g 4"
    assert c.total(pa.array(range(10))[3:]) == sum(range(3, 10))
    assert str(c.length.__signature__).startswith("(array")
    assert len(c.length.__signature__.parameters) == 1


def test_parameters_refused(c):
    text = message(TypeError, c.length, pa.chunked_array([[1], [2]]))
    assert text == (
        "length(): parameter 'array': expected one chunk of Arrow data, got "
        "several: combine them first (combine_chunks() of pyarrow, rechunk() "
        "of polars)"
    )
    assert "got none" in message(TypeError, c.length, pa.chunked_array([], pa.int64()))
    for value in (None, 5, [1, 2], "text"):
        assert "expected an object with __arrow_c_array__" in message(
            TypeError, c.length, value
        )

    class Liar:
        def __init__(self, answer):
            self.answer = answer

        def __arrow_c_array__(self, requested_schema=None):
            return self.answer

    good = pa.array([1]).__arrow_c_array__()
    for answer in (None, (), (1, 2), good[::-1], (good[0], None), good[:1], [*good]):
        assert "Arrow's PyCapsule interface" in message(
            TypeError, c.length, Liar(answer)
        )
        with pytest.raises(TypeError):
            c.echo_ints(Liar(answer))
    assert c.length(Liar(good)) == 1

    class Broken:
        def __arrow_c_array__(self, requested_schema=None):
            raise KeyError("mine")

        @property
        def __arrow_c_stream__(self):
            raise AssertionError("not asked for")

    for function in (c.length, c.echo_ints):
        with pytest.raises(KeyError, match="mine"):
            function(Broken())

    class Stream:
        def __arrow_c_stream__(self, requested_schema=None):
            return good[0]

    assert "__arrow_c_stream__() did not" in message(TypeError, c.length, Stream())


def test_streams_that_fail(c):
    def batches():
        yield pa.record_batch({"x": [1]})
        raise ValueError("half way")

    schema = pa.schema([("x", pa.int64())])
    for function in (c.length, c.echo_users):
        reader = pa.RecordBatchReader.from_batches(schema, batches())
        assert "half way" in message(RuntimeError, function, reader)


class Stream:
    """A struct ArrowArrayStream of C."""

    def __init__(self, address):
        self.address = address

    def __arrow_c_stream__(self, requested_schema=None):
        return capsule(self.address, b"arrow_array_stream")


def test_streams_without_functions(c):
    for function in (c.length, c.echo_ints):
        assert "__arrow_c_stream__() did not" in message(
            TypeError, function, Stream(c.useless_stream())
        )


def test_a_stream_may_wait_for_python(c):
    """What it waits for wants the GIL: the stream is read without."""
    threading.Timer(0.05, c.open_stream).start()
    for function in (c.echo_ints, c.length):
        assert "a stream without a schema" in message(
            ValueError, function, Stream(c.waiting_stream())
        )


def test_moving_out(c):
    values = pa.array(range(1000))
    before = pa.total_allocated_bytes()
    assert c.move(values) == 1000
    del values
    gc.collect()
    assert c.moved_total() == sum(range(1000))
    c.let_go()
    assert pa.total_allocated_bytes() < before


def test_capsules_are_used_once(c):
    """A capsule whose data was moved out has none."""

    class Once:
        def __init__(self, capsules):
            self.capsules = capsules

        def __arrow_c_array__(self, requested_schema=None):
            return self.capsules

    once = Once(pa.array([1, 2]).__arrow_c_array__())
    assert c.length(once) == 2 == c.move(once)
    c.let_go()
    with pytest.raises(TypeError, match="PyCapsule"):
        c.length(once)


# --- inlay.Array out


def test_arrays_out(c):
    made = c.make(5)
    seen = pa.array(made)
    assert seen.type == pa.float64() and seen.to_pylist() == made.tolist()
    memoryview(made)[0] = 9.0
    assert seen[0].as_py() == 9.0  # no copy
    del made
    gc.collect()
    assert seen.to_pylist() == [9.0, 1.0, 2.0, 3.0, 4.0]
    assert pa.array(c.make(5)[2:4]).to_pylist() == [2.0, 3.0]
    assert pa.array(c.make(0)).to_pylist() == []
    seen.validate(full=True)


def test_kinds_out(c):
    flags = pa.array(c.make_flags(20))
    assert flags.type == pa.bool_() and flags.to_pylist() == c.make_flags(20).tolist()
    for name, kind in (
        ("i1", pa.int8()),
        ("i2", pa.int16()),
        ("i4", pa.int32()),
        ("i8", pa.int64()),
        ("u1", pa.uint8()),
        ("u2", pa.uint16()),
        ("u4", pa.uint32()),
        ("u8", pa.uint64()),
        ("f4", pa.float32()),
    ):
        seen = pa.array(getattr(c, name)())
        assert seen.type == kind and seen.to_pylist() == [0, 0]


def test_structs_out(c):
    made = c.make_parts(5)
    for cut in (slice(None), slice(1, 3), slice(0, 0), slice(None, None, 2)):
        seen = pa.array(made[cut])
        seen.validate(full=True)
        assert seen.to_pylist() == [
            {
                "a": i,
                "b": bool(i % 2),
                "three": [i, 1.0, 2.0],
                "at": {"x": 0.5 * i, "y": -1.0},
            }
            for i in range(5)[cut]
        ]
    assert str(pa.array(made).type).startswith("struct<a: int8 not null, b: bool")


def test_schema(c):
    assert pa.field(c.make_parts(1)).type == pa.array(c.make_parts(1)).type
    assert pa.field(c.make(1)).type == pa.float64()
    capsule = c.make(1).__arrow_c_schema__()
    assert type(capsule).__name__ == "PyCapsule"
    assert len(c.make(1).__arrow_c_array__(requested_schema=capsule)) == 2
    with pytest.raises(TypeError):
        c.make(1).__arrow_c_array__(1, 2)


def test_release_on_any_thread(c):
    held = [pa.array(c.make(1000)) for _ in range(50)]
    seen = [pa.array(c.make_parts(100)) for _ in range(50)]

    def let_go():
        while held:
            held.pop()
            seen.pop()

    threads = [threading.Thread(target=let_go) for _ in range(1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resident():
    """Bytes in memory; nothing under ASan, which keeps what was freed."""
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        return 0
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_no_leaks(c):
    values = pa.array(range(1000))
    rows = pa.array([{"id": 1, "name": "a", "at": {"x": 1.0, "y": 2.0}}] * 50)
    chunks = pa.chunked_array([[1, None], [2]])
    many = pa.chunked_array([range(100), range(100)])

    def work():
        c.echo_users(rows)
        c.total(values)
        c.echo_ints(many)
        c.where_const(values)
        c.echo_maybes(chunks)
        with pytest.raises(TypeError):
            c.echo_ints(chunks)
        with pytest.raises(TypeError):
            c.length(chunks)
        with pytest.raises(TypeError):
            c.echo_users(values)
        pa.array(c.make_parts(200))
        pa.array(c.make(2000))
        c.make(10).__arrow_c_array__()

    for _ in range(200):
        work()
    objects = (values, rows, chunks, many, inlay.Array)
    counts = [sys.getrefcount(o) for o in objects]
    before, allocated = resident(), pa.total_allocated_bytes()
    for _ in range(2000):
        work()
    assert [sys.getrefcount(o) for o in objects] == counts
    assert pa.total_allocated_bytes() == allocated
    assert resident() - before < 20 * 2**20
