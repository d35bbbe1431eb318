"""inlay.Array: memory of C that Python took over; and buffers as slices."""

import array
import collections.abc
import copy
import ctypes
import gc
import os
import pickle
import sys
import threading
import weakref

import inlay
import pytest

SOURCE = """
    #include <stdlib.h>

    struct part { int8_t small; double real; };
    struct point { double x, y; };
    struct record {
        bool flag;
        int64_t id;
        struct part part;
        float three[3];
        uint8_t last;
    };
    struct named { int16_t id; char name[6]; };
    struct __attribute__((packed)) packed { int8_t a; int64_t b; };

    INLAY_ARRAY(reals, double);
    INLAY_ARRAY(ints, int32_t);
    INLAY_ARRAY(flags, bool);
    INLAY_ARRAY(points, struct point);
    INLAY_ARRAY(records, struct record);

    #define COUNT(name, T, value)                                       \\
        T name(int64_t n)                                               \\
        {                                                               \\
            T made = inlay_array(T, (size_t)n);                         \\
            for (size_t i = 0; i < made.len; i++)                       \\
                made.ptr[i] = value;                                    \\
            return made;                                                \\
        }
    COUNT(make, reals, (double)i)
    COUNT(make_ints, ints, (int32_t)i)
    COUNT(make_flags, flags, i % 3 == 0)
    COUNT(make_points, points, ((struct point){i, 2 * i}))
    COUNT(make_records, records, ((struct record){
        i % 2, i, {-1, 0.5 * i}, {1, 2, i}, 255}))

    reals nothing(void) { return (reals){NULL, 0}; }
    reals shorter(void) { reals a = inlay_array(reals, 9); a.len = 2; return a; }
    reals longer(void) { reals a = inlay_array(reals, 2); a.len = 3; return a; }
    reals huge(void) { reals a = inlay_array(reals, 2); a.len = -1; return a; }
    reals inner(void) { reals a = inlay_array(reals, 9); a.ptr++; a.len = 2; return a; }
    reals foreign(void) { static double x[4]; return (reals){x, 4}; }
    reals of_null(void) { return (reals){NULL, 4}; }
    reals impossible(void) { return inlay_array(reals, (size_t)1 << 60); }
    reals failed(void)
    {
        reals a = inlay_array(reals, 1000);
        inlay_fail(INLAY_CONFLICT, "no");
        return a;
    }

    INLAY_SLICE(in_ints, int64_t);
    INLAY_SLICE(in_const, const int64_t);
    INLAY_SLICE(in_small, int16_t);
    INLAY_SLICE(in_natural, uint64_t);
    INLAY_SLICE(in_reals, const double);
    INLAY_SLICE(in_floats, float);
    INLAY_SLICE(in_bools, const bool);
    INLAY_SLICE(in_bytes, const uint8_t);
    INLAY_SLICE(in_points, const struct point);
    INLAY_SLICE(in_records, const struct record);
    INLAY_SLICE(in_named, const struct named);
    INLAY_SLICE(in_mutable, struct point);
    INLAY_OPTIONAL(maybe, int64_t);
    struct loose { int64_t a; maybe b; };
    INLAY_SLICE(in_loose, struct loose);
    #define ECHO(T, name) T name(T v) { return v; }
    #define WHERE(T, name) uint64_t name(T v) { return (uintptr_t)v.ptr; }
    ECHO(in_ints, echo_ints)
    ECHO(in_small, echo_small)
    ECHO(in_natural, echo_natural)
    ECHO(in_reals, echo_reals)
    ECHO(in_floats, echo_floats)
    ECHO(in_bools, echo_bools)
    ECHO(in_points, echo_points)
    ECHO(in_records, echo_records)
    ECHO(in_loose, echo_loose)
    ECHO(in_named, echo_named)
    WHERE(in_const, where_ints)
    WHERE(in_reals, where_reals)
    WHERE(in_bytes, where_bytes)
    WHERE(in_bools, where_bools)
    WHERE(in_points, where_points)
    WHERE(in_records, where_records)
    void scale(in_mutable v) { for (size_t i = 0; i < v.len; i++) v.ptr[i].x *= 2; }
"""


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE, "arrays_fast")


def message(error, function, *args):
    with pytest.raises(error) as caught:
        function(*args)
    return str(caught.value)


def test_sequence(c):
    made = c.make(10)
    assert type(made) is inlay.Array and len(made) == 10
    assert isinstance(made, collections.abc.Sequence)
    assert (made[0], made[9], made[-1], made[-10]) == (0.0, 9.0, 9.0, 0.0)
    for index in (10, -11, 2**70):
        with pytest.raises(IndexError):
            made[index]
    assert "must be integers or slices, not str" in message(
        TypeError, made.__getitem__, "0"
    )
    numbers = [float(i) for i in range(10)]
    assert list(made) == made.tolist() == [*made] == numbers
    assert list(reversed(made)) == numbers[::-1]
    assert 3.0 in made and 3 in made and 11 not in made and "3" not in made
    assert made.index(4) == 4 and made.count(4.0) == 1
    with pytest.raises(ValueError):
        made.index(99)
    match c.make(2):
        case [a, b]:
            assert (a, b) == (0.0, 1.0)
    assert c.make.__annotations__["return"] == inlay.Array[float]
    with pytest.raises(TypeError):
        made[0] = 1.0


def test_slices_of_arrays(c):
    made = c.make(10)
    numbers = made.tolist()
    for cut in (
        slice(2, 5),
        slice(None, None, 3),
        slice(None, None, -1),
        slice(8, 2, -2),
        slice(5, 5),
        slice(-3, None),
        slice(20, 30),
        slice(None, None, 100),
    ):
        assert type(made[cut]) is inlay.Array
        assert made[cut].tolist() == numbers[cut]
    part = made[2:5]
    memoryview(part).cast("B").cast("d")[0] = 77.0
    assert made[2] == 77.0
    del made
    gc.collect()
    assert part.tolist() == [77.0, 3.0, 4.0]
    with pytest.raises(ValueError):
        part[::0]


def test_comparison(c):
    assert c.make(3) == c.make(3) and c.make(3) != c.make(4)
    assert c.make(3) == c.make_ints(3) == [0, 1, 2] == c.make(3) == (0.0, 1.0, 2.0)
    assert c.make_ints(3) == c.make_ints(3) and c.make_ints(3) != c.make_ints(4)[1:]
    assert c.make(3) != [0, 1] and c.make(3) != [0, 1, "2"]
    assert c.make(3) != "012" and c.make(3) is not None
    assert c.make_points(2) == [c.point(0.0, 0.0), c.point(1.0, 2.0)]
    with pytest.raises(TypeError):
        assert c.make(3) < c.make(4)
    with pytest.raises(TypeError, match="unhashable"):
        hash(c.make(1))

    class Shrink:
        def __eq__(self, other):
            values.clear()
            return True

    values = [Shrink(), 1, 2]
    assert c.make(3) != values

    class Broken:
        def __eq__(self, other):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        assert c.make(1) == [Broken()]


def test_repr(c):
    assert repr(c.make(2)) == "Array([0.0, 1.0])"
    assert repr(c.make(0)) == "Array([])"
    assert repr(c.make(10**6)) == (
        "Array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, ...], len=1000000)"
    )
    assert repr(c.make_points(1)) == "Array([point(x=0.0, y=0.0)])"


def test_memory_of_c(c):
    assert c.nothing() == [] and c.make(0) == []
    assert bytes(c.nothing()) == b"" and memoryview(c.nothing()).shape == (0,)
    assert c.shorter() == [0.0, 0.0]
    text = message(ValueError, c.foreign)
    assert text == (
        "foreign(): result: an array of 4 elements whose memory is not of "
        "inlay_array: make it with inlay_array(reals, len)"
    )
    for function in (c.inner, c.of_null):
        assert "inlay_array(reals, len)" in message(ValueError, function)
    assert "3 elements in memory for 2" in message(ValueError, c.longer)
    assert "elements at 0x" in message(ValueError, c.huge)
    with pytest.raises(inlay.NoMemory):
        c.impossible()
    with pytest.raises(inlay.Conflict, match="no"):
        c.failed()


def test_bools(c):
    assert c.make_flags(4).tolist() == [True, False, False, True]
    assert memoryview(c.make_flags(4)).tolist() == [True, False, False, True]


def test_buffer(c):
    view = memoryview(c.make(3))
    assert (view.format, view.itemsize, view.shape, view.readonly) == (
        "d",
        8,
        (3,),
        False,
    )
    assert view.contiguous and view.nbytes == 24 and view.tolist() == [0.0, 1.0, 2.0]
    view[1] = 9.5
    assert view.obj[1] == 9.5
    assert array.array("d", bytes(c.make(2))).tolist() == [0.0, 1.0]
    assert memoryview(c.make_points(1)).format == "T{d:x:d:y:}"
    assert memoryview(c.make_records(1)).format == (
        "T{?:flag:7xq:id:T{b:small:7xd:real:}:part:(3)f:three:B:last:3x}"
    )


def test_memory_lives_as_long_as_needed(c):
    for keep in (memoryview, lambda made: made[1:], iter):
        kept = keep(c.make(1000))
        gc.collect()
        c.make(1000)
        assert list(kept)[-1] == 999.0
    made = c.make(3)
    reference = weakref.ref(made)
    view = memoryview(made)
    del made
    assert reference() is not None
    view.release()
    del view
    assert reference() is None


def test_pickle_and_copy(c):
    for made in (c.make(5), c.make_ints(5), c.make_flags(5), c.make_points(5)):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            back = pickle.loads(pickle.dumps(made, protocol))
            assert type(back) is inlay.Array and back == made
            assert memoryview(back).format == memoryview(made).format
        assert copy.deepcopy(made) == copy.copy(made) == made
    assert pickle.loads(pickle.dumps(c.make_records(3))) == c.make_records(3)
    assert type(pickle.loads(pickle.dumps(c.make_points(1)))[0]) is c.point


def test_constructor_checks(c):
    data = bytes(c.make_points(2))
    assert inlay.Array(c.point, "T{d:x:d:y:}", data) == c.make_points(2)
    for bad in (
        (c.point, "T{d:x:d:z:}", data),
        (c.point, "d", data),
        (None, "T{d:x:d:y:}", data),
        (None, "P", data),
        (None, "", data),
        (int, "q", data),
        (inlay.Struct, "q", data),
        (c.loose, "T{q:a:?:b:}", data),
        (None, "d", b"1234567"),
    ):
        with pytest.raises(ValueError):
            inlay.Array(*bad)
    for bad in ((), (None, "d"), (None, 1, data), (None, "d", [1])):
        with pytest.raises(TypeError):
            inlay.Array(*bad)
    with pytest.raises(TypeError, match="keyword"):
        inlay.Array(None, "d", data, x=1)


def test_no_subclass(c):
    with pytest.raises(TypeError):
        type("Mine", (inlay.Array,), {})


def test_pydantic(c):
    pydantic = pytest.importorskip("pydantic")
    answer = pydantic.TypeAdapter(inlay.Array[float])
    assert answer.dump_json(answer.validate_python(c.make(3))) == b"[0.0,1.0,2.0]"
    assert answer.json_schema(mode="serialization") == {
        "type": "array",
        "items": {"type": "number"},
    }
    points = pydantic.TypeAdapter(inlay.Array[c.point])
    assert points.dump_json(c.make_points(1)) == b'[{"x":0.0,"y":0.0}]'
    assert pydantic.TypeAdapter(inlay.Array).dump_python(c.make(1)) == [0.0]
    with pytest.raises(pydantic.ValidationError):
        answer.validate_python([1.0])


def test_fastapi(c):
    fastapi = pytest.importorskip("fastapi")
    testclient = pytest.importorskip("fastapi.testclient")
    app = fastapi.FastAPI()
    app.get("/reals")(c.make)
    app.get("/points")(c.make_points)
    with testclient.TestClient(app) as client:
        assert client.get("/reals?n=2").json() == [0.0, 1.0]
        assert client.get("/points?n=1").json() == [{"x": 0.0, "y": 0.0}]
        assert client.get("/openapi.json").status_code == 200


def test_numpy_sees_arrays(c):
    numpy = pytest.importorskip("numpy")
    made = c.make(3)
    seen = numpy.asarray(made)
    assert seen.dtype == numpy.float64 and seen.flags.writeable
    seen[0] = 5
    assert made[0] == 5.0
    points = numpy.asarray(c.make_points(3))
    assert points.dtype == numpy.dtype([("x", "f8"), ("y", "f8")])
    assert points["y"].tolist() == [0.0, 2.0, 4.0]
    made = c.make_records(3)
    seen = numpy.asarray(made)
    assert seen.dtype.itemsize == made.itemsize
    assert seen["id"].tolist() == [0, 1, 2]
    assert seen["part"]["real"].tolist() == [0.0, 0.5, 1.0]
    assert seen["three"].tolist() == [[1, 2, i] for i in range(3)]
    assert seen["last"].tolist() == [255] * 3
    assert c.where_records(seen) == seen.ctypes.data
    assert c.echo_records(seen) == made.tolist()
    assert numpy.asarray(c.make_flags(4)).tolist() == [True, False, False, True]
    assert c.where_points(points) == points.ctypes.data


# --- Buffers in


def address(view):
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def test_same_memory(c):
    values = array.array("q", range(9))
    start = values.buffer_info()[0]
    assert c.where_ints(values) == start
    assert c.where_ints(memoryview(values)[2:]) == start + 16
    assert c.where_ints(memoryview(values).toreadonly()) == start
    assert c.where_ints(memoryview(values)[::2]) not in range(start, start + 72)
    made = c.make(5)
    assert c.where_reals(made) == address(made)
    assert c.where_reals(made[2:]) == address(made) + 16
    points = c.make_points(3)
    assert c.where_points(points) == address(points)
    c.scale(points)
    assert points[1].x == 2.0
    data = bytearray(b"abc")
    assert c.where_bytes(data) == address(data)
    assert c.where_bytes(b"abc") != 0
    # Not aligned: copied.
    odd = memoryview(bytearray(33))[1:].cast("q")
    assert c.where_ints(odd) != address(odd)
    assert c.echo_ints(odd) == [0] * 4


def test_other_numbers(c):
    for code in "bhilqBHILQ":
        values = array.array(code, [1, 2, 100])
        assert c.echo_ints(values) == c.echo_small(values) == [1, 2, 100]
        assert c.echo_natural(values) == c.echo_reals(values) == [1, 2, 100]
        assert c.echo_floats(values) == [1, 2, 100]
    assert c.echo_reals(array.array("f", [0.1]))[0] == array.array("f", [0.1])[0]
    assert c.echo_floats(array.array("d", [0.5, float("inf")])) == [0.5, float("inf")]
    assert c.echo_floats(array.array("d", [float("nan")]))[0] != 0
    flags = memoryview(b"\0\1").cast("?")
    assert c.echo_bools(flags) == [False, True]
    assert c.echo_ints(flags) == [0, 1] and c.echo_reals(flags) == [0.0, 1.0]
    # Of no element, any number will do.
    assert c.echo_ints(array.array("d")) == []


@pytest.mark.parametrize(
    ("function", "code", "value", "text"),
    [
        ("echo_small", "q", 2**15, "32768 does not fit int16_t (-32768..32767)"),
        ("echo_small", "q", -(2**15) - 1, "-32769 does not fit int16_t"),
        ("echo_ints", "Q", 2**63, "9223372036854775808 does not fit int64_t"),
        ("echo_natural", "q", -1, "-1 does not fit uint64_t"),
        ("echo_reals", "q", 2**53 + 1, "9007199254740993 does not fit double exactly"),
        ("echo_reals", "q", 2**63 - 1, "does not fit double exactly"),
        ("echo_reals", "Q", 2**64 - 1, "does not fit double exactly"),
        ("echo_floats", "q", 2**24 + 1, "16777217 does not fit float exactly"),
        ("echo_floats", "d", 0.1, "0.1 does not fit float exactly"),
        ("echo_floats", "d", 1e39, "1e+39 does not fit float exactly"),
    ],
)
def test_values_that_would_be_lost(c, function, code, value, text):
    got = message(OverflowError, getattr(c, function), array.array(code, [1, value]))
    assert got.startswith(f"{function}(): parameter 'v'[1]: ") and text in got


def test_kinds_that_do_not_fit(c):
    real = array.array("d", [1.0])
    assert message(TypeError, c.echo_ints, real) == (
        "echo_ints(): parameter 'v'[0]: expected int, got float"
    )
    assert "expected bool, got int" in message(
        TypeError, c.echo_bools, array.array("b", [1])
    )
    assert "expected bool, got float" in message(TypeError, c.echo_bools, real)
    assert "expected arrays_fast.point" in message(TypeError, c.echo_points, real)
    with pytest.raises(TypeError):
        c.echo_ints(memoryview(b"12").cast("c"))
    grid = memoryview(bytearray(32)).cast("q", (2, 2))
    assert "expected an array of one dimension, got 2" in message(
        TypeError, c.echo_ints, grid
    )


def test_bools_that_are_none(c):
    wild = memoryview(bytearray(b"\0\2\xff")).cast("?")
    assert c.echo_bools(wild) == [False, True, True]
    assert c.where_bools(wild) != address(wild)
    tame = memoryview(bytearray(b"\0\1\1")).cast("?")
    assert c.where_bools(tame) == address(tame)


class Part(ctypes.Structure):
    _fields_ = [("small", ctypes.c_byte), ("real", ctypes.c_double)]


class Record(ctypes.Structure):
    _fields_ = [
        ("flag", ctypes.c_bool),
        ("id", ctypes.c_longlong),
        ("part", Part),
        ("three", ctypes.c_float * 3),
        ("last", ctypes.c_ubyte),
    ]


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_double)]


def test_ctypes(c):
    points = (Point * 2)(Point(1, 2), Point(3, 4))
    assert c.where_points(points) == ctypes.addressof(points)
    assert c.echo_points(points) == [c.point(1.0, 2.0), c.point(3.0, 4.0)]
    assert c.echo_ints((ctypes.c_longlong * 2)(1, 2)) == [1, 2]
    assert c.echo_ints((ctypes.c_short.__ctype_be__ * 2)(1, -2)) == [1, -2]


def test_numpy_in(c):
    numpy = pytest.importorskip("numpy")
    values = numpy.arange(10)
    assert c.where_ints(values) == values.ctypes.data
    assert c.where_ints(values[3:]) == values.ctypes.data + 24
    assert c.echo_ints(values[::-2]) == [9, 7, 5, 3, 1]
    assert c.echo_ints(numpy.broadcast_to(numpy.int64(4), 3)) == [4, 4, 4]
    assert c.echo_ints(numpy.array([1, -2], dtype=">i2")) == [1, -2]
    assert c.echo_reals(numpy.array([0.5, -2], dtype=">f8")) == [0.5, -2]
    assert c.echo_reals(numpy.array([0.5, 2], dtype="f2")) == [0.5, 2]
    assert c.echo_ints(numpy.array([])) == []
    assert c.echo_ints(numpy.array([1, 2], dtype=object)) == [1, 2]
    assert c.echo_ints(numpy.array([True])) == [1]
    for wrong in (
        numpy.ones(2),
        numpy.ones((2, 2), dtype=int),
        numpy.int64(3),
        numpy.array(["a"]),
        numpy.array(["2020-01-01"], dtype="M8[D]"),
        numpy.array([1j]),
    ):
        with pytest.raises(TypeError):
            c.echo_ints(wrong)


def test_numpy_structs(c):
    numpy = pytest.importorskip("numpy")
    same = numpy.array([(1, 2), (3, 4)], dtype=[("x", "f8"), ("y", "f8")])
    assert c.where_points(same) == same.ctypes.data
    c.scale(same)
    assert same["x"].tolist() == [2.0, 6.0]
    expected = [c.point(2.0, 2.0), c.point(6.0, 4.0)]
    assert c.echo_points(same) == expected
    assert c.echo_points(same[::-1]) == expected[::-1]
    for dtype in (
        [("y", "f8"), ("x", "f8")],
        [("x", "f4"), ("y", ">i4")],
        [("z", "U3"), ("x", "i1"), ("w", "f8", (2, 2)), ("y", "u8")],
        {"names": ["y", "x"], "formats": ["i2", "f8"], "offsets": [1, 9]},
    ):
        other = numpy.zeros(2, dtype=dtype)
        other["x"], other["y"] = same["x"], same["y"]
        assert c.echo_points(other) == expected
    assert message(TypeError, c.echo_points, same[["x"]]) == (
        "echo_points(): parameter 'v'[0]: missing field 'y'"
    )
    wrong = numpy.zeros(1, dtype=[("x", "f8"), ("y", "?", 3)])
    with pytest.raises(TypeError):
        c.echo_points(wrong)
    loose = numpy.array([(1,), (2,)], dtype=[("a", "i4")])
    assert c.echo_loose(loose) == [c.loose(1, None), c.loose(2, None)]
    full = numpy.array([(1, 5)], dtype=[("a", "i8"), ("b", "i8")])
    assert c.echo_loose(full) == [c.loose(1, 5)]
    real = numpy.array([(1, 0.5)], dtype=[("a", "i8"), ("b", "f8")])
    assert "'v'[0].b: expected int, got float" in message(TypeError, c.echo_loose, real)
    wide = numpy.array([(1, 2**63)], dtype=[("a", "i8"), ("b", "u8")])
    assert "'v'[0].b: 9223372036854775808 does not fit" in message(
        OverflowError, c.echo_loose, wide
    )


def test_numpy_records(c):
    numpy = pytest.importorskip("numpy")
    part = numpy.dtype([("small", "i1"), ("real", "f8")], align=True)
    fields = [
        ("flag", "?"),
        ("id", "i8"),
        ("part", part),
        ("three", "f4", 3),
        ("last", "u1"),
    ]
    for align in (True, False):
        values = numpy.zeros(2, dtype=numpy.dtype(fields, align=align))
        values[1] = (True, -5, (7, 0.5), (1, 2, 3), 9)
        empty, full = c.echo_records(values)
        assert empty == c.record(False, 0, c.part(0, 0.0), [0.0] * 3, 0)
        assert full == c.record(True, -5, c.part(7, 0.5), [1.0, 2.0, 3.0], 9)


def test_numpy_text(c):
    numpy = pytest.importorskip("numpy")
    values = numpy.array([(1, b"abcde")], dtype=[("id", "i2"), ("name", "S6")])
    assert c.echo_named(values) == [c.named(1, "abcde")]
    values["name"] = b"abcdef"
    assert "'v'[0].name" in message(ValueError, c.echo_named, values)
    values["name"] = b"\xff"
    assert "'v'[0].name" in message(ValueError, c.echo_named, values)


class PyBuffer(ctypes.Structure):
    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    ]


_kept = []


def exporter(text, itemsize, count=1):
    """A buffer that says of itself whatever it wants to."""
    data = ctypes.create_string_buffer(itemsize * count)
    numbers = ctypes.c_ssize_t * 1
    shape, strides = numbers(count), numbers(itemsize)
    buffer = PyBuffer(
        buf=ctypes.addressof(data),
        len=itemsize * count,
        itemsize=itemsize,
        ndim=1,
        format=text.encode(),
        shape=shape,
        strides=strides,
    )
    _kept.append((data, shape, strides, buffer))
    make = ctypes.pythonapi.PyMemoryView_FromBuffer
    make.restype, make.argtypes = ctypes.py_object, [ctypes.POINTER(PyBuffer)]
    return make(ctypes.byref(buffer))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "T{",
        "T{q:x",
        "T{q:x:",
        "T{q:x:}}",
        "T}",
        "(",
        "(2",
        "(2,)q",
        "9" * 30 + "q",
        "(99999999,99999999)q",
        "T{99999999T{99999999q:a:}:b:}",
        "T{" * 40 + "q" + "}" * 40,
        "T{q:x:q:x:q:x:}",
        "@",
        "<>=",
        "qq",
        "Zd",
        "&q",
        "T{0q:x:d:y:}",
        "T{d:x:0s:y:}",
        "T{d:x:::d:y:}",
        "T{d:x:d:x:}",
        "T{d:x:d:y:x:z:d:y:}",
        "2T{d:x:d:y:}",
        "T{<d:x:}",
        "T{d:x:1000000000s:y:}",
    ],
)
def test_formats_of_others(c, text):
    """What can't be understood is refused; nothing is read beyond."""
    with pytest.raises((TypeError, NotImplementedError)):
        c.echo_points(exporter(text, 16))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("T{d:x:d:y:}", 16),
        ("T{d:y:d:x:}", 16),
        ("T{q:x:?:y:}", 16),
        ("@T{f:x:d:y:}", 16),  # aligned: y is at 8
        ("T{=f:x:d:y:}", 12),
        ("T{<f:x:>d:y:}", 12),
        ("T{(1)d:x:1d:y:}", 16),
        ("T{5x?:x:b:y:3x}", 10),
        ("T{T{q:x:}:z:q:x:q:y:}", 24),
        ("=T{l:x:L:y:}", 8),
        ("^T{b:x:l:y:}", 9),
        ("T{b:x:b:y:}", 8),  # as numpy says it, without the end's padding
    ],
)
def test_formats_that_are_understood(c, text, size):
    view = exporter(text, size, 3)
    assert c.echo_points(view) == [c.point(0.0, 0.0)] * 3
    _kept.clear()


# --- References and threads


def resident():
    """Bytes in memory; nothing under ASan, which keeps what was freed."""
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        return 0
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_no_leaks(c):
    values, real = array.array("q", range(100)), array.array("d", [0.5])
    made = c.make_points(10)
    counts = [sys.getrefcount(o) for o in (values, real, made, inlay.Array)]
    for _ in range(2000):
        c.echo_ints(values)
        c.echo_reals(values)
        c.echo_points(made)
        with pytest.raises(TypeError):
            c.echo_ints(real)
        with pytest.raises(TypeError):
            c.echo_ints(made)
        with pytest.raises(ValueError):
            c.foreign()
        with pytest.raises(ValueError):
            c.longer()
        pickle.loads(pickle.dumps(made[::2]))
        memoryview(c.make(3)).release()
    assert [sys.getrefcount(o) for o in (values, real, made, inlay.Array)] == counts


def test_memory_is_given_back(c):
    for _ in range(20):
        c.make(10**5)
    before = resident()
    for _ in range(500):
        c.make(10**5)
        with pytest.raises(ValueError):
            c.longer()
    assert resident() - before < 40 * 2**20


def test_threads(c):
    def work():
        for _ in range(200):
            assert sum(c.make(50)[10:20]) == 145.0

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
