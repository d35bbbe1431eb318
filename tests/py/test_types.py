"""Conversions both ways: every kind of type, and struct classes."""

import array
import copy
import dataclasses
import inspect
import math
import pickle
import struct
import subprocess
import sys
import types

import inlay
import pytest
from inlay import toolchain

SOURCE = """
    #define ECHO(name, T) T name(T v) { return v; }
    ECHO(echo_bool, bool)
    ECHO(echo_i8, int8_t)
    ECHO(echo_i16, int16_t)
    ECHO(echo_i32, int32_t)
    ECHO(echo_i64, int64_t)
    ECHO(echo_u8, uint8_t)
    ECHO(echo_u16, uint16_t)
    ECHO(echo_u32, uint32_t)
    ECHO(echo_u64, uint64_t)
    ECHO(echo_long, long)
    ECHO(echo_size, size_t)
    ECHO(echo_float, float)
    ECHO(echo_double, double)
    ECHO(echo_text, const char *)
    ECHO(echo_str, inlay_str)

    INLAY_OPTIONAL(maybe_int, int64_t);
    INLAY_OPTIONAL(maybe_str, inlay_str);
    ECHO(echo_maybe, maybe_int)
    ECHO(echo_maybe_str, maybe_str)

    INLAY_SLICE(ints, int64_t);
    INLAY_SLICE(const_ints, const int64_t);
    INLAY_SLICE(smalls, int16_t);
    INLAY_SLICE(bytes_, const uint8_t);
    INLAY_SLICE(doubles, const double);
    INLAY_SLICE(floats, const float);
    INLAY_SLICE(bools, bool);
    INLAY_SLICE(texts, inlay_str);
    INLAY_SLICE(maybes, maybe_int);
    ECHO(echo_ints, ints)
    ECHO(echo_const_ints, const_ints)
    ECHO(echo_smalls, smalls)
    ECHO(echo_bytes, bytes_)
    ECHO(echo_doubles, doubles)
    ECHO(echo_floats, floats)
    ECHO(echo_bools, bools)
    ECHO(echo_texts, texts)
    ECHO(echo_maybes, maybes)

    uint64_t where(const_ints v) { return (uintptr_t)v.ptr; }
    void negate(ints v) { for (size_t i = 0; i < v.len; i++) v.ptr[i] = -v.ptr[i]; }

    struct point { double x, y; };
    struct user {
        int64_t id;
        inlay_str name;
        maybe_int age;
        struct point home;
        texts tags;
        bool from;
    };
    INLAY_SLICE(users, struct user);
    INLAY_SLICE(points, struct point);
    ECHO(echo_point, struct point)
    ECHO(echo_user, struct user)
    ECHO(echo_users, users)
    ECHO(echo_points, points)

    typedef struct { int8_t a; int64_t b; } pair;
    ECHO(echo_pair, pair)
    INLAY_OPTIONAL(maybe_pair, pair);
    ECHO(echo_maybe_pair, maybe_pair)

    struct tree;
    INLAY_SLICE(trees, struct tree);
    struct tree { int64_t value; trees children; };
    ECHO(echo_tree, struct tree)
    struct tree *endless_memory(void);
    struct tree endless(void)
    {
        struct tree *t = inlay_alloc(sizeof(*t));
        t->children = (trees){t, 1};
        return *t;
    }

    inlay_str bad_utf8(void) { return (inlay_str){"ab\\xff", 3}; }
    const char *bad_utf8_c(void) { return "\\xc3("; }
    struct user bad_user(void) { return (struct user){.name = {"\\x80", 1}}; }
    texts bad_texts(void)
    {
        static inlay_str two[] = {{"a", 1}, {"\\xff", 1}};
        return (texts){two, 2};
    }
    ints bad_null(void) { return (ints){NULL, 3}; }
    ints bad_length(void) { static int64_t x; return (ints){&x, (size_t)-1}; }
    inlay_str null_str(void) { return (inlay_str){NULL, 0}; }
    double not_a_number(void) { return __builtin_nan(""); }
"""


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE, "types_fast")


def message(error, function, *args):
    with pytest.raises(error) as caught:
        function(*args)
    return str(caught.value)


@pytest.mark.parametrize(
    "name, bits, signed",
    [
        ("i8", 8, True),
        ("i16", 16, True),
        ("i32", 32, True),
        ("i64", 64, True),
        ("long", 64, True),
        ("u8", 8, False),
        ("u16", 16, False),
        ("u32", 32, False),
        ("u64", 64, False),
        ("size", 64, False),
    ],
)
def test_integers(c, name, bits, signed):
    echo = getattr(c, f"echo_{name}")
    least = -(2 ** (bits - 1)) if signed else 0
    most = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    for value in (least, most, 0, 1, most // 2, least // 2):
        assert echo(value) == value
    for value in (least - 1, most + 1, 10**30, -(10**30)):
        text = message(OverflowError, echo, value)
        assert f"{value} does not fit" in text and f"({least}..{most})" in text
    assert "expected int, got float" in message(TypeError, echo, 1.0)
    assert "expected int, got str" in message(TypeError, echo, "1")
    assert echo(True) == 1


def test_bool(c):
    assert c.echo_bool(True) is True and c.echo_bool(False) is False
    for value in (1, 0, None, "true"):
        assert "expected bool" in message(TypeError, c.echo_bool, value)


def test_floats(c):
    for value in (0.0, -1.5, 1e300, math.inf, -math.inf, 5e-324):
        assert c.echo_double(value) == value
    assert math.isnan(c.echo_double(math.nan)) and math.isnan(c.not_a_number())
    assert math.copysign(1, c.echo_double(-0.0)) == -1
    assert c.echo_float(0.5) == 0.5 and c.echo_float(math.inf) == math.inf
    assert c.echo_float(0.1) == struct.unpack("f", struct.pack("f", 0.1))[0]
    assert c.echo_float(3) == 3.0
    assert "does not fit float" in message(OverflowError, c.echo_float, 1e39)
    assert "expected float, got str" in message(TypeError, c.echo_double, "1")


def test_text(c):
    for value in ("", "abc", "größe", "漢字", "😀", "x" * 100_000):
        assert c.echo_str(value) == value
        assert c.echo_text(value) == value
    assert c.echo_str("a\0b") == "a\0b"
    assert c.echo_text(None) is None
    assert "NUL" in message(ValueError, c.echo_text, "a\0b")
    assert "expected str, got None" in message(TypeError, c.echo_str, None)
    assert "expected str | None, got int" in message(TypeError, c.echo_text, 1)
    assert c.null_str() == ""


def test_text_that_is_not_utf8(c):
    assert "bad_utf8(): result: not UTF-8" in message(ValueError, c.bad_utf8)
    assert "result" in message(ValueError, c.bad_utf8_c)
    assert "result.name: not UTF-8" in message(ValueError, c.bad_user)
    assert "result[1]: not UTF-8" in message(ValueError, c.bad_texts)


def test_impossible_slices(c):
    assert "result" in message(ValueError, c.bad_null)
    assert "result" in message(ValueError, c.bad_length)
    with pytest.raises(RecursionError):
        c.endless()


def test_optional(c):
    assert c.echo_maybe(None) is None
    assert c.echo_maybe() is None
    assert c.echo_maybe(0) == 0
    assert c.echo_maybe_str("x") == "x" and c.echo_maybe_str() is None
    assert c.echo_maybe_pair(c.pair(1, 2)) == c.pair(1, 2)
    assert "parameter 'v': expected int, got str" in message(
        TypeError, c.echo_maybe, "1"
    )
    assert c.echo_maybe.__annotations__ == {"v": int | None, "return": int | None}


def test_slices(c):
    for value in ([], [1], [1, 2, 3], list(range(1000)), [2**62, -(2**63), 5]):
        assert c.echo_ints(value) == value
        assert c.echo_ints(tuple(value)) == value
    assert c.echo_ints(range(5)) == [0, 1, 2, 3, 4]
    assert c.echo_ints(v=[True, 2]) == [1, 2]
    assert c.echo_doubles([1.5, 2]) == [1.5, 2.0]
    assert c.echo_bools([True, False]) == [True, False]
    assert c.echo_texts(["a", "ä" * 1000]) == ["a", "ä" * 1000]
    assert c.echo_maybes([1, None]) == [1, None]
    assert c.echo_bytes(b"ab") == [97, 98]
    assert c.echo_bytes(bytearray(b"ab")) == [97, 98]


def test_slices_refused(c):
    assert "expected list[int], got str" in message(TypeError, c.echo_ints, "12")
    for value in ({1, 2}, {1: 2}, 5, None, iter([1])):
        assert "expected list[int]" in message(TypeError, c.echo_ints, value)
    assert "parameter 'v'[2]: expected int, got str" in message(
        TypeError, c.echo_ints, [1, 2, "3"]
    )
    assert "parameter 'v'[1]: 32768 does not fit int16_t" in message(
        OverflowError, c.echo_smalls, [1, 32768]
    )
    assert "parameter 'v'[1]: expected str, got int" in message(
        TypeError, c.echo_texts, ["a", 1]
    )


def test_buffers(c):
    for code in "bhilqBHILQ":
        values = array.array(code, [1, 2, 100])
        assert c.echo_ints(values) == [1, 2, 100]
        assert c.echo_const_ints(values) == [1, 2, 100]
        assert c.echo_smalls(values) == [1, 2, 100]
    assert c.echo_doubles(array.array("d", [1.5, 2.5])) == [1.5, 2.5]
    assert c.echo_doubles(array.array("f", [1.5, 2.5])) == [1.5, 2.5]
    assert c.echo_doubles(array.array("i", [1])) == [1.0]
    assert "expected int, got float" in message(
        TypeError, c.echo_ints, array.array("d", [1.0])
    )
    assert "does not fit" in message(
        OverflowError, c.echo_smalls, array.array("q", [2**20])
    )


def test_buffers_are_not_copied(c):
    values = array.array("q", [1, 2, 3])
    address, _ = values.buffer_info()
    assert c.where(values) == address
    assert c.where(memoryview(values)[1:]) == address + 8
    c.negate(values)
    assert values.tolist() == [-1, -2, -3]
    c.negate(memoryview(values)[:1])
    assert values.tolist() == [1, -2, -3]
    values.append(4)  # nothing holds the buffer any more
    # Strided, read-only or of another size: copied.
    assert c.echo_ints(memoryview(values)[::2]) == [1, -3]
    view = memoryview(values).toreadonly()
    assert c.where(view) == values.buffer_info()[0]
    c.negate(view)
    assert values.tolist() == [1, -2, -3, 4]
    numbers = [1, 2]
    c.negate(numbers)
    assert numbers == [1, 2]


def test_numpy(c):
    numpy = pytest.importorskip("numpy")
    values = numpy.arange(6, dtype=numpy.int64)
    assert c.where(values) == values.ctypes.data
    c.negate(values)
    assert values.tolist() == [0, -1, -2, -3, -4, -5]
    assert c.echo_ints(values[::2]) == [0, -2, -4]
    assert c.echo_ints(numpy.arange(3, dtype=">i8")) == [0, 1, 2]
    assert c.echo_doubles(numpy.ones(2, dtype=numpy.float32)) == [1.0, 1.0]
    assert c.echo_floats(numpy.ones(2, dtype=numpy.float32)) == [1.0, 1.0]
    assert c.echo_i32(numpy.int64(5)) == 5
    assert c.echo_double(numpy.float64(0.5)) == 0.5
    with pytest.raises(TypeError):
        c.echo_ints(numpy.ones((2, 2), dtype=numpy.int64))
    with pytest.raises(TypeError):
        c.echo_ints(numpy.ones(2))


def make_user(c, **fields):
    values = {"id": 1, "name": "a", "tags": ["x"], "from_": True, **fields}
    return c.user(**{"home": c.point(1.0, 2.0), **values})


def test_struct_class(c):
    point = c.point(1.5, y=2)
    assert (point.x, point.y) == (1.5, 2)
    assert repr(point) == "point(x=1.5, y=2)"
    assert c.point.__module__ == "types_fast"
    assert c.point.__name__ == c.point.__qualname__ == "point"
    assert c.point.__match_args__ == ("x", "y")
    assert c.point.__annotations__ == {"x": float, "y": float}
    assert isinstance(point, inlay.Struct)
    assert str(inspect.signature(c.point)) == "(x: float, y: float)"
    assert point == c.point(1.5, 2.0) and point != c.point(1.5, 3)
    assert point != (1.5, 2)
    point.x = "anything"
    assert point.x == "anything"
    del point.x
    assert not hasattr(point, "x")
    with pytest.raises(AttributeError):
        point.z = 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(point)
    match c.point(3, 4):
        case c.point(x, y):
            assert (x, y) == (3, 4)


def test_struct_constructor_errors(c):
    assert message(TypeError, c.point) == (
        "point() missing 2 required positional arguments: 'x' and 'y'"
    )
    assert "takes 2 positional arguments but 3 were given" in message(
        TypeError, c.point, 1, 2, 3
    )
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        c.point(1, 2, z=3)
    with pytest.raises(TypeError, match="multiple values for argument 'x'"):
        c.point(1, x=3)
    with pytest.raises(TypeError, match="derive from it"):
        inlay.Struct()


def test_struct_both_ways(c):
    user = make_user(c)
    assert user.age is None
    back = c.echo_user(user)
    assert back == user and back is not user
    assert repr(back) == (
        "user(id=1, name='a', age=None, home=point(x=1.0, y=2.0), "
        "tags=['x'], from_=True)"
    )
    assert c.user.__annotations__["from_"] is bool
    assert c.user.__annotations__["age"] == int | None
    assert c.user.__annotations__["home"] is c.point
    assert c.echo_users([user, user]) == [user, user]
    assert c.echo_pair(c.pair(-1, 2**40)) == c.pair(-1, 2**40)


def test_struct_from_other_objects(c):
    fields = {
        "id": 1,
        "name": "a",
        "home": {"x": 1, "y": 2},
        "tags": ("x",),
        "from_": True,
        "unknown": 0,
    }
    expected = make_user(c)
    assert c.echo_user(fields) == expected
    assert c.echo_user({**fields, "age": 7}).age == 7
    assert c.echo_user(types.SimpleNamespace(**fields)) == expected

    @dataclasses.dataclass
    class Point:
        x: float
        y: float

    assert c.echo_point(Point(1, 2)) == c.point(1.0, 2.0)
    assert c.echo_points([Point(1, 2), c.point(3, 4), {"x": 5, "y": 6}]) == [
        c.point(1.0, 2.0),
        c.point(3.0, 4.0),
        c.point(5.0, 6.0),
    ]

    class Computed:
        x = 1

        @property
        def y(self):
            return 2.5

    assert c.echo_point(Computed()).y == 2.5

    class Broken:
        x = 1

        @property
        def y(self):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        c.echo_point(Broken())


def test_pydantic_model(c):
    pydantic = pytest.importorskip("pydantic")

    class Point(pydantic.BaseModel):
        x: float
        y: float

    assert c.echo_point(Point(x=1, y=2)) == c.point(1.0, 2.0)


def test_pydantic_schema(c):
    pydantic = pytest.importorskip("pydantic")
    user = pydantic.TypeAdapter(c.user)
    fields = {"id": "1", "name": "a", "home": {"x": 1, "y": "2"}, "tags": ["x"]}
    made = user.validate_python({**fields, "from_": True})
    assert made == make_user(c) and type(made.home) is c.point
    assert user.validate_json(user.dump_json(made)) == made
    assert c.echo_user(made) == made
    with pytest.raises(pydantic.ValidationError, match="from_"):
        user.validate_python(fields)

    assert c.tree.__annotations__ == {"value": int, "children": list[c.tree]}
    tree = pydantic.TypeAdapter(c.tree)
    made = tree.validate_json('{"value":1,"children":[{"value":2,"children":[]}]}')
    assert made == c.tree(1, [c.tree(2, [])])
    assert tree.json_schema()["$defs"].keys() == {"tree"}


def test_struct_errors_name_the_place(c):
    text = message(TypeError, c.echo_user, make_user(c, id="1"))
    assert text == "echo_user(): parameter 'v'.id: expected int, got str"
    text = message(TypeError, c.echo_users, [make_user(c, tags=["a", 2])])
    assert text == "echo_users(): parameter 'v'[0].tags[1]: expected str, got int"
    assert "parameter 'v'.home: missing field 'y'" in message(
        TypeError, c.echo_user, make_user(c, home={"x": 1})
    )
    for value in (5, None, "text", [1, 2]):
        assert "parameter 'v': expected types_fast.point" in message(
            TypeError, c.echo_point, value
        )
    point = c.point(1, 2)
    del point.y
    assert "missing field 'y'" in message(TypeError, c.echo_point, point)


def test_struct_copies(c):
    user = make_user(c)
    assert copy.copy(user) == user and copy.copy(user).tags is user.tags
    deep = copy.deepcopy(user)
    assert deep == user and deep.tags is not user.tags
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(user, protocol)) == user


def test_struct_as_dataclass(c):
    point, user = c.point(1.0, 2.0), make_user(c)
    assert dataclasses.is_dataclass(c.point)
    assert [field.name for field in dataclasses.fields(c.point)] == ["x", "y"]
    assert dataclasses.asdict(point) == {"x": 1.0, "y": 2.0}
    assert dataclasses.asdict(user)["home"] == {"x": 1.0, "y": 2.0}
    assert dataclasses.replace(point, y=5.0) == c.point(1.0, 5.0)
    assert not dataclasses.is_dataclass(inlay.Struct)


def test_struct_subclass(c):
    class Point(c.point):
        def length(self):
            return math.hypot(self.x, self.y)

    point = Point(3, 4)
    assert point.length() == 5
    assert repr(point).endswith("Point(x=3, y=4)")
    assert c.echo_point(point) == c.point(3.0, 4.0)
    assert point != c.point(3, 4)
    assert dataclasses.asdict(point) == {"x": 3, "y": 4}


def test_subclass_for_pydantic(c):
    pydantic = pytest.importorskip("pydantic")

    class Point(c.point):
        pass

    made = pydantic.TypeAdapter(Point).validate_python({"x": 1, "y": 2})
    assert type(made) is Point and made == Point(1.0, 2.0)


def test_struct_without_a_name(module):
    made = module(
        """
        struct line { struct { double x; } from; };
        struct line echo(struct line v) { return v; }
        """
    )
    line = made.line(made.line_from(2.0))
    assert made.echo(line) == line
    assert made.line_from.__module__ == made.__name__
    assert pickle.loads(pickle.dumps(line)) == line


def test_one_name_for_two_structs(module, tmp_path):
    """Two files of one shared object have types of their own."""
    text = """
        #include <inlay.h>
        struct part { %s; };
        struct whole { struct part part; };
        double take_%s(struct whole v) { return v.part.%s; }
    """
    parts = [("float a, b", "a", "a"), ("double c", "c", "c")]
    for name, part in zip("xy", parts, strict=True):
        (tmp_path / f"{name}.c").write_text(text % part)
    command = ["cc", "-g", "-fPIC", "-shared", f"-I{toolchain.include_dir()}"]
    output = tmp_path / "both.so"
    sources = [str(tmp_path / "x.c"), str(tmp_path / "y.c")]
    subprocess.run([*command, *sources, "-o", str(output)], check=True)
    both = inlay._core.load("both", str(output), str(tmp_path)).namespace
    assert both["take_a"]({"part": {"a": 1, "b": 2}}) == 1
    assert both["take_c"]({"part": {"c": 3}}) == 3


def test_struct_in_a_circle(c):
    user = make_user(c)
    user.name = user
    assert "..." in repr(user)
    tree = c.tree(1, [c.tree(2, []), c.tree(3, [c.tree(4, [])])])
    assert c.echo_tree(tree) == tree
    tree.children.append(tree)
    with pytest.raises(RecursionError):
        c.echo_tree(tree)
    with pytest.raises(RecursionError):
        assert tree == copy.deepcopy(tree)


def test_errors_of_numbers_come_through(c):
    class Broken:
        def __float__(self):
            raise TypeError("mine")

    for function in (c.echo_double, c.echo_float):
        with pytest.raises(TypeError, match="^mine$"):
            function(Broken())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python has no __buffer__")
def test_errors_of_buffers(c):
    class Refuses:
        def __buffer__(self, flags):
            raise BufferError("not this way")

        def __len__(self):
            return 1

        def __getitem__(self, i):
            return [5][i]

    class Fails(Refuses):
        def __buffer__(self, flags):
            raise KeyError("mine")

    assert c.echo_ints(Refuses()) == [5]
    with pytest.raises(KeyError, match="mine"):
        c.echo_ints(Fails())


def test_lists_that_change_meanwhile(c):
    class Shrink:
        def __index__(self):
            values.clear()
            return 1

    values = [Shrink(), 2, 3]
    with pytest.raises(RuntimeError, match="changed"):
        c.echo_ints(values)


def test_values_that_are_gone_meanwhile(c):
    """Text of attributes made on the fly lives until the call is over."""

    class Fresh:
        id = 1
        home = {"x": 1, "y": 2}
        age = None

        @property
        def name(self):
            return "ä" * 500

        @property
        def tags(self):
            return ["é" * 300 for _ in range(20)]

        @property
        def from_(self):
            junk = ["z" * 999 + str(i) for i in range(500)]
            return bool(junk)

    back = c.echo_user(Fresh())
    assert back.name == "ä" * 500 and back.tags == ["é" * 300] * 20


def test_no_leaks(c):
    user, numbers = make_user(c), array.array("q", range(100))
    text = user.name = "ü" * 100
    counts = [sys.getrefcount(o) for o in (user, text, numbers, user.home)]
    for _ in range(1000):
        c.echo_user(user)
        c.echo_users([user] * 3)
        c.echo_ints(numbers)
        with pytest.raises(TypeError):
            c.echo_users([user, 1])
        with pytest.raises(ValueError):
            c.bad_texts()
    assert [sys.getrefcount(o) for o in (user, text, numbers, user.home)] == counts
