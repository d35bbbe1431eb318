"""Every row of the type table, both ways, and what each one refuses."""

import array
import collections.abc
import enum
import pickle
from pathlib import Path

import inlay
import pytest

SOURCE = Path(__file__).with_name("values.c")


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE.read_text(), "values")


def refusal(error, function, *args):
    """The message of the exception, without the function's name."""
    with pytest.raises(error) as caught:
        function(*args)
    assert type(caught.value) is error
    name = f"{function.__name__}(): "
    assert str(caught.value).startswith(name)
    return str(caught.value)[len(name) :]


# --- char ---------------------------------------------------------------------


def test_char(c):
    for value in ("a", "\0", "\x7f", " "):
        assert c.echo_char(value) == value
    assert c.echo_char.__annotations__ == {"v": str, "return": str}
    assert c.echo_maybe_char("x") == "x" and c.echo_maybe_char() is None


@pytest.mark.parametrize("value", ["", "ab", "é", "\x80", "😀"])
def test_char_refuses_text(c, value):
    assert refusal(ValueError, c.echo_char, value) == (
        f"parameter 'v': expected one ASCII character, got {value!r}"
    )


@pytest.mark.parametrize("value", [65, b"a", None, 1.5])
def test_char_refuses_types(c, value):
    kind = "None" if value is None else type(value).__name__
    text = refusal(TypeError, c.echo_char, value)
    assert text == f"parameter 'v': expected str, got {kind}"


def test_char_out(c):
    assert refusal(ValueError, c.not_ascii) == (
        "result: a char of value 0xe9 is not ASCII"
    )


# --- enum ---------------------------------------------------------------------


def test_enum_class(c):
    assert issubclass(c.color, enum.IntEnum)
    assert c.color.__module__ == "values"
    assert c.color.__name__ == c.color.__qualname__ == "color"
    assert [(m.name, m.value) for m in c.color] == [
        ("RED", 0),
        ("GREEN", 5),
        ("BLUE", 6),
    ]
    assert c.color.AZURE is c.color.BLUE
    assert c.echo_color.__annotations__ == {"v": c.color, "return": c.color}
    assert c.item.__annotations__["color"] is c.color
    assert pickle.loads(pickle.dumps(c.color.GREEN)) is c.color.GREEN
    assert list(c.side) == [c.side.LEFT, c.side.RIGHT]


def test_enum_in_and_out(c):
    for value in (c.color.GREEN, 5, "GREEN"):
        assert c.echo_color(value) is c.color.GREEN
    assert c.echo_color("AZURE") is c.color.BLUE
    assert c.echo_level("LOW") is c.level.LOW and c.echo_level(-1) == -1
    assert c.echo_wide(2**64 - 1) is c.wide.LARGE
    assert c.echo_wide(c.wide.LARGE) == 2**64 - 1
    assert c.echo_tight(200) is c.tight.T0
    assert c.echo_side(1) is c.side.RIGHT
    assert c.echo_maybe_color(None) is None
    assert c.echo_maybe_color("RED") is c.color.RED
    assert c.echo_colors(["RED", 5, c.color.BLUE]) == [0, 5, 6]
    unknown = c.no_color()
    assert unknown == 77 and type(unknown) is int


@pytest.mark.parametrize("value", [1, -1, 77, 0 | 1, 2**70, "RED ", "red", ""])
def test_enum_refuses_what_has_no_name(c, value):
    assert refusal(ValueError, c.echo_color, value) == (
        f"parameter 'v': {value!r} is not a value of color (RED, GREEN, BLUE, AZURE)"
    )


def test_enum_refuses_long_values_shortly(c):
    assert len(refusal(ValueError, c.echo_color, "x" * 10_000)) < 300
    assert refusal(ValueError, c.echo_color, 10**5000) == (
        "parameter 'v': an int of 16610 bits is not a value of color "
        "(RED, GREEN, BLUE, AZURE)"
    )


@pytest.mark.parametrize("value", [1.0, None, b"RED", [0]])
def test_enum_refuses_types(c, value):
    kind = "None" if value is None else type(value).__name__
    text = refusal(TypeError, c.echo_color, value)
    assert text == f"parameter 'v': expected color, got {kind}"


def test_enum_names_that_python_keeps(c):
    names = {"mro_": 0, "from__": 1, "from_": 2, "_sunder__": 3, "__dunder___": 4}
    names |= {"None_": 5, "name": 6, "value": 7}
    assert {k: int(v) for k, v in c.names.__members__.items()} == names
    assert c.echo_names("mro_") == 0 and c.echo_names(7).value == 7


def test_enum_of_many_names(module):
    made = module(
        "enum many { "
        + ", ".join(f"N{i}" for i in range(50))
        + " };\nenum many echo(enum many v) { return v; }\n"
    )
    assert made.echo("N49") is made.many.N49
    text = refusal(ValueError, made.echo, 50)
    assert text.endswith(", N18, N19, 30 more)")


def test_enum_of_two_files_is_one_class(c):
    assert type(c.echo_item(make_item(c)).color) is type(c.echo_color(0))


# --- bytes --------------------------------------------------------------------


def test_bytes(c):
    for value in (b"", b"ab", b"\0\xff" * 1000):
        assert c.echo_bytes(value) == value
        assert c.echo_bytes(bytearray(value)) == value
        assert c.echo_bytes(memoryview(value)) == value
    assert type(c.echo_bytes(bytearray(b"x"))) is bytes
    assert c.no_bytes() == b""
    assert c.echo_bytes.__annotations__ == {"v": bytes, "return": bytes}
    assert c.echo_maybe_bytes() is None and c.echo_maybe_bytes(b"x") == b"x"
    assert c.echo_blobs([b"a", bytearray(b"b")]) == [b"a", b"b"]
    assert c.echo_bytes(array.array("h", [1, 2])) == b"\1\0\2\0"


def test_bytes_are_not_copied(c):
    values = array.array("b", b"abc")
    assert c.where(values) == values.buffer_info()[0]
    values.append(1)  # nothing holds it any more
    data = bytearray(b"abc")
    c.echo_bytes(data)
    data.append(1)


def test_bytes_that_are_scattered(c):
    view = memoryview(b"abcdef")
    assert c.echo_bytes(view[::2]) == b"ace"
    assert c.echo_bytes(view[::-1]) == b"fedcba"
    numpy = pytest.importorskip("numpy")
    rows = numpy.arange(6, dtype="u1").reshape(2, 3)
    assert c.echo_bytes(rows) == bytes(range(6))
    assert c.echo_bytes(rows.T) == bytes([0, 3, 1, 4, 2, 5])


@pytest.mark.parametrize("value", ["ab", 5, None, [1, 2], {1: 2}])
def test_bytes_refuse(c, value):
    kind = "None" if value is None else type(value).__name__
    text = refusal(TypeError, c.echo_bytes, value)
    assert text == f"parameter 'v': expected bytes, got {kind}"


def test_bytes_out(c):
    assert refusal(ValueError, c.bad_bytes).startswith("result: 3 bytes at ")


def test_released_view(c):
    view = memoryview(b"x")
    view.release()
    with pytest.raises(ValueError, match="released"):
        c.echo_bytes(view)


# --- text ---------------------------------------------------------------------


def test_text_with_a_media_type_is_text(c):
    assert c.echo_media("ä") == "ä" and c.echo_html("<p>") == "<p>"
    assert c.echo_html.__annotations__ == {"v": str, "return": str}
    assert refusal(TypeError, c.echo_media, None) == (
        "parameter 'v': expected str, got None"
    )


@pytest.mark.parametrize("name", ["echo_str", "echo_text", "echo_media"])
def test_surrogates(c, name):
    assert refusal(ValueError, getattr(c, name), "\ud800") == (
        "parameter 'v': a lone surrogate has no UTF-8 form"
    )


# --- char[N], T[N] ------------------------------------------------------------


def make_item(c, **fields):
    values = {
        "name": "abc",
        "color": c.color.RED,
        "letter": "z",
        "data": b"xy",
        "matrix": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        "corners": [c.point(1.0, 2.0), c.point(3.0, 4.0)],
        "numbers": [1, 2, 3],
        "note": None,
        "lines": ["ab", "cde"],
    }
    return c.item(**{**values, **fields})


def test_item(c):
    item = make_item(c)
    assert c.echo_item(item) == item
    assert c.echo_items([item, dict(item)]) == [item, item]
    full = make_item(c, name="1234567", note="nöte", tint="BLUE")
    assert c.echo_item(full).tint is c.color.BLUE
    assert c.echo_item(full).name == "1234567"
    assert c.echo_item(full).note == "nöte"


def test_chars(c):
    for name in ("", "a", "1234567", "äöü", "漢x"):
        assert c.echo_item(make_item(c, name=name)).name == name
    assert c.full_name().name == "12345678"  # no NUL going out


@pytest.mark.parametrize(
    "name, reason",
    [
        ("12345678", "8 bytes of UTF-8 do not fit char[8] with its NUL"),
        ("äöüß", "8 bytes of UTF-8 do not fit char[8] with its NUL"),
        ("a\0b", "a NUL character inside a char[8]"),
        ("\udc80", "a lone surrogate has no UTF-8 form"),
    ],
)
def test_chars_refuse(c, name, reason):
    text = refusal(ValueError, c.echo_item, make_item(c, name=name))
    assert text == f"parameter 'v'.name: {reason}"


def test_chars_refuse_types(c):
    text = refusal(TypeError, c.echo_item, make_item(c, name=b"a"))
    assert text == "parameter 'v'.name: expected str, got bytes"


def test_chars_out(c):
    text = refusal(ValueError, c.bad_name)
    assert text.startswith("result.name: not UTF-8: ")


def test_arrays(c):
    numpy = pytest.importorskip("numpy")
    for matrix in (
        ((1, 2, 3), (4, 5, 6)),
        [array.array("d", [1, 2, 3]), range(4, 7)],
        numpy.arange(1.0, 7.0).reshape(2, 3),
    ):
        back = c.echo_item(make_item(c, matrix=matrix))
        assert back.matrix == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert c.echo_item(make_item(c, numbers=array.array("h", [7, 8, 9]))).numbers == [
        7,
        8,
        9,
    ]
    assert c.item.__annotations__["matrix"] == list[list[float]]
    assert c.item.__annotations__["lines"] == list[str]


@pytest.mark.parametrize(
    "field, value, error, text",
    [
        ("numbers", [1, 2], ValueError, ": expected 3 elements, got 2"),
        ("numbers", [1] * 4, ValueError, ": expected 3 elements, got 4"),
        ("numbers", [], ValueError, ": expected 3 elements, got 0"),
        ("numbers", b"ab", ValueError, ": expected 3 elements, got 2"),
        ("numbers", None, TypeError, ": expected list[int], got None"),
        ("numbers", "abc", TypeError, ": expected list[int], got str"),
        ("numbers", {1, 2, 3}, TypeError, ": expected list[int], got set"),
        ("numbers", [1, 2, "3"], TypeError, "[2]: expected int, got str"),
        (
            "numbers",
            [1, 2, 32768],
            OverflowError,
            "[2]: 32768 does not fit int16_t (-32768..32767)",
        ),
        (
            "matrix",
            [[1, 2, 3], [4, 5]],
            ValueError,
            "[1]: expected 3 elements, got 2",
        ),
        ("matrix", [1, 2], TypeError, "[0]: expected list[float], got int"),
        (
            "lines",
            ["ab", "abcd"],
            ValueError,
            "[1]: 4 bytes of UTF-8 do not fit char[4] with its NUL",
        ),
        (
            "corners",
            [None, None],
            TypeError,
            "[0]: expected values.point, a dict or an object with its fields, "
            "got NoneType without 'x'",
        ),
    ],
)
def test_arrays_refuse(c, field, value, error, text):
    item = make_item(c, **{field: value})
    assert refusal(error, c.echo_item, item) == f"parameter 'v'.{field}{text}"


# --- every annotation ---------------------------------------------------------


def test_annotations(c):
    def of(function):
        return function.__annotations__["v"]

    assert of(c.echo_colors) == list[c.color]
    assert of(c.echo_blobs) == list[bytes]
    assert c.reverse.__annotations__ == {"n": c.node, "return": c.node | None}
    assert c.node.__annotations__["next"] == c.node | None
    assert c.is_null.__annotations__["p"] == c.point | None
    assert c.length.__annotations__["p"] is c.point
    assert c.no_point.__annotations__ == {"return": c.point | None}


def test_objects(module):
    made = module(
        """
        #include <Python.h>
        PyObject *same(PyObject *v) { return Py_NewRef(v); }
        PyObject *nothing(void) { return NULL; }
        PyObject *fails(void) { PyErr_SetString(PyExc_KeyError, "k"); return NULL; }
        PyObject *both(void)
        {
            PyErr_SetString(PyExc_KeyError, "k");
            return PyList_New(0);
        }
        long count(PyObject *v) { return (long)Py_REFCNT(v); }
        int raises(PyObject *v) { PyErr_SetObject(PyExc_OSError, v); return 1; }
        PyObject *failed(void)
        {
            inlay_fail(INLAY_CONFLICT, "no");
            return PyList_New(0);
        }
        """
    )
    value = object()
    assert made.same(value) is value and made.same(None) is None
    assert made.same.__annotations__ == {"v": object, "return": object}
    assert refusal(SystemError, made.nothing) == "result: NULL without an exception"
    with pytest.raises(KeyError, match="k"):
        made.fails()
    with pytest.raises(KeyError, match="k"):
        made.both()
    with pytest.raises(OSError):
        made.raises(value)
    with pytest.raises(inlay.Conflict, match="no"):
        made.failed()


# --- callables ----------------------------------------------------------------


def test_callback_annotation(module):
    made = module("int apply(int (*f)(int, double), int v) { return f(v, 0.5); }\n")
    assert (
        made.apply.__annotations__["f"] == collections.abc.Callable[[int, float], int]
    )
