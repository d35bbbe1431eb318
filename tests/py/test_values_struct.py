"""Struct classes, and structs behind pointers: what C may change and what not."""

import array
import copy
import dataclasses
import pickle
import subprocess
import types
from pathlib import Path

import inlay
import pytest
from inlay import toolchain

SOURCE = Path(__file__).with_name("values.c")


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE.read_text(), "values_struct")


def refusal(error, function, *args):
    with pytest.raises(error) as caught:
        function(*args)
    assert type(caught.value) is error
    return str(caught.value)


def chain(c, *values):
    node = None
    for value in reversed(values):
        node = c.node(value, node)
    return node


def values_of(node):
    values = []
    while node:
        values.append(node.value)
        node = node.next
    return values


# --- the classes --------------------------------------------------------------


def test_mapping(c):
    point = c.point(1.0, 2.0)
    assert dict(point) == {"x": 1.0, "y": 2.0} == {**point}
    assert list(point.keys()) == ["x", "y"] and point["y"] == 2.0
    for key in ("z", 0, None, ("x",)):
        with pytest.raises(KeyError):
            point[key]
    del point.x
    assert dict(point) == {"y": 2.0}
    with pytest.raises(KeyError):
        point["x"]
    with pytest.raises(TypeError):
        iter(point)


def test_fields_that_may_be_left_out(c):
    assert c.node(1) == c.node(1, None) == c.node(value=1)
    assert c.limp() == c.limp(None, None)
    assert c.echo_limp({}) == c.limp()
    assert c.echo_limp({"b": {"a": "RED"}}) == c.limp(None, c.limp(c.color.RED))
    for value in (5, "text", None, [], object()):
        kind = type(value).__name__
        assert refusal(TypeError, c.echo_limp, value) == (
            "echo_limp(): parameter 'v': expected values_struct.limp, a dict or "
            f"an object with its fields, got {kind}"
        )
    assert c.echo_limp(types.SimpleNamespace(a="RED")).a is c.color.RED


def test_names_that_python_keeps(c):
    """`from` gives way to the field that is called from_."""
    names = ("from__", "from_", "keys", "__dictoffset___", "__weaklistoffset___")
    assert c.keywords.__match_args__ == (*names, "None_")
    made = c.echo_keywords(c.keywords(1, 2, 3, 4, 5, True))
    assert (made.from__, made.from_, made.keys) == (1, 2, 3)
    assert made.__dictoffset___ == 4 and made.None_ is True
    assert copy.deepcopy(made) == made and pickle.loads(pickle.dumps(made)) == made


def test_init_again_and_subclasses(c):
    point = c.point(1, 2)
    point.__init__(3, y=4)
    assert point == c.point(3, 4)
    with pytest.raises(TypeError, match="missing 1 required positional"):
        point.__init__(1)

    class Point(c.point):
        def __init__(self, both, **rest):
            super().__init__(both, both, **rest)

    assert (Point(5).x, Point(5).y) == (5, 5)
    assert Point(5).__inlay_record__ is c.point
    # The way to the record can't be forged.
    Point.__inlay_record__ = c.node.__dict__["__inlay_record__"]
    assert Point(5).y == 5


def test_a_class_that_somebody_changed(module):
    made = module("struct a { int x; }; struct a echo(struct a v) { return v; }\n")

    def init(self, x):
        self.x = x + 1

    made.a.__init__ = init
    assert made.a(1).x == 2 and made.a(x=1).x == 2
    del made.a.__init__
    assert made.a(1).x == 1


def test_copies(c):
    class Named(c.node):
        pass

    node = Named(1, c.node(2))
    node.label = ["a"]
    for made in (copy.copy(node), copy.deepcopy(node)):
        assert type(made) is Named and made == node and made.label == ["a"]
    assert copy.copy(node).next is node.next
    assert copy.deepcopy(node).next is not node.next
    assert copy.deepcopy(node).label is not node.label
    plain = chain(c, 1, 2, 3)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(plain, protocol)) == plain
    del plain.value
    assert not hasattr(pickle.loads(pickle.dumps(plain)), "value")


def test_copies_of_circles(c):
    first = chain(c, 1, 2)
    first.next.next = first
    for made in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert made is not first and made.next.next is made
        assert (made.value, made.next.value) == (1, 2)


def test_dataclass(c):
    node = chain(c, 1, 2)
    assert dataclasses.asdict(node) == {"value": 1, "next": {"value": 2, "next": None}}
    assert dataclasses.replace(node, value=5) == chain(c, 5, 2)
    assert [f.default for f in dataclasses.fields(c.node)] == [
        dataclasses.MISSING,
        None,
    ]


def test_match(c):
    match chain(c, 1, 2):
        case c.node(1, next=c.node(value=second, next=None)):
            assert second == 2
        case _:
            pytest.fail("no match")


def test_equal_types_of_two_files_have_one_class(tmp_path):
    text = """
        #include <inlay.h>
        enum color { RED, GREEN = %d };
        struct node { struct node *next; enum color color; };
        struct node %s(struct node v) { return v; }
    """
    sources = {"a": 5, "b": 5, "other": 6}
    for name, green in sources.items():
        (tmp_path / f"{name}.c").write_text(text % (green, name))
    command = ["cc", "-g", "-fPIC", "-shared", f"-I{toolchain.include_dir()}"]
    output = tmp_path / "both.so"
    files = [str(tmp_path / f"{name}.c") for name in sources]
    subprocess.run([*command, *files, "-o", str(output)], check=True)
    made = inlay._core.load("both", str(output), str(tmp_path)).namespace
    a, b, other = (made[name]({"color": "GREEN"}) for name in sources)
    assert type(a) is type(b) and type(a.color) is type(b.color)
    assert type(other) is not type(a) and type(other.color) is not type(a.color)
    assert (a.color, b.color, other.color) == (5, 5, 6)


# --- structs of numbers and text ----------------------------------------------


def test_labels(c):
    """flat.c reads what is common; the rest goes the long way."""

    class Label(c.label):
        pass

    class Float(float):
        pass

    for values in (
        (1, "abc", 0.5, True, 2),
        (-(2**63), "", -0.0, False, -(2**31)),
        (2**62, "größe", 1e300, True, 2**31 - 1),
    ):
        label = c.label(*values)
        assert c.echo_label(label) == label
        assert c.echo_label(Label(*values)) == label
        assert c.echo_label(v=label) == label
        assert c.echo_label(dict(label)) == label
    assert c.echo_label(c.label(True, "a", Float(1), True, 1)).score == 1.0
    assert c.long_label(c.label(1, "ab", 0, False, 0), 3).name == "ababab"


@pytest.mark.parametrize(
    "field, value, error, text",
    [
        ("id", 2**63, OverflowError, f"{2**63} does not fit int64_t"),
        ("id", "1", TypeError, "expected int, got str"),
        ("small", 2**31, OverflowError, f"{2**31} does not fit int"),
        ("small", -(2**31) - 1, OverflowError, "does not fit int"),
        ("name", None, TypeError, "expected str, got None"),
        ("name", "\udc80", ValueError, "a lone surrogate has no UTF-8 form"),
        ("score", "1", TypeError, "expected float, got str"),
        ("on", 1, TypeError, "expected bool, got int"),
    ],
)
def test_labels_refuse(c, field, value, error, text):
    values = {"id": 1, "name": "a", "score": 1.0, "on": True, "small": 1}
    label = c.label(**{**values, field: value})
    message = refusal(error, c.echo_label, label)
    assert message.startswith(f"echo_label(): parameter 'v'.{field}: ")
    assert text in message
    delattr(label, field)
    assert refusal(TypeError, c.echo_label, label) == (
        f"echo_label(): parameter 'v': missing field {field!r}"
    )


def test_labels_out(c):
    assert refusal(ValueError, c.bad_label).startswith(
        "bad_label(): result.name: not UTF-8: "
    )
    label = c.label(1, "abc", 0.5, True, 2)
    with pytest.raises(inlay.Conflict, match="no abc"):
        c.no_label(label)
    assert c.echo_label(label) == label


# --- pointers in --------------------------------------------------------------


def test_pointer_to_const(c):
    assert c.length(c.point(3, 4)) == 25
    assert c.length({"x": 3, "y": 4}) == 25
    assert c.length(types.SimpleNamespace(x=3, y=4)) == 25
    assert refusal(TypeError, c.length, None) == (
        "length(): parameter 'p': expected point, got None"
    )
    assert refusal(TypeError, c.length, {"x": 1}) == (
        "length(): parameter 'p': missing field 'y'"
    )
    assert refusal(TypeError, c.length, 5) == (
        "length(): parameter 'p': expected values_struct.point, a dict or an "
        "object with its fields, got int without 'x'"
    )


def test_pointer_with_a_default(c):
    assert c.is_null() == 1 and c.is_null(None) == 1
    assert c.is_null(c.point(1, 2)) == 0
    assert str(c.is_null.__signature__) == (
        "(p: values_struct.point | None = None) -> int"
    )
    assert c.maybe_move() is False and c.maybe_move(None) is False
    point = c.point(1, 2)
    assert c.maybe_move(point) is True and point.x == 42


def test_pointers_in_fields(c):
    assert c.total(chain(c, 1, 2, 3)) == 6
    assert c.total({"value": 1, "next": {"value": 2}}) == 3
    assert c.echo_node(chain(c, 1, 2, 3)) == chain(c, 1, 2, 3)
    assert refusal(TypeError, c.total, c.node(1, c.node(2, 3))) == (
        "total(): parameter 'n'.next.next: expected values_struct.node, a dict or "
        "an object with its fields, got int without 'value'"
    )
    assert c.no_point() is None


def test_circles_in(c):
    first = chain(c, 1, 2)
    first.next.next = first
    for function in (c.total, c.echo_node):
        with pytest.raises(RecursionError):
            function(first)


def test_circles_out(c):
    with pytest.raises(RecursionError):
        c.ring()
    assert values_of(c.long_chain(100)) == list(range(1, 101))
    with pytest.raises(RecursionError):
        c.long_chain(1_000_000)


# --- what C changes -----------------------------------------------------------


def test_changes_come_back(c):
    point = c.point(1, 2)
    assert c.move_by(point, 3) is None
    assert point == c.point(4.0, 2)

    class Point(c.point):
        pass

    point = Point(1, 2)
    c.move_by(p=point, x=1)
    assert point.x == 2.0


@pytest.mark.parametrize(
    "value", [{"x": 1, "y": 2}, types.SimpleNamespace(x=1, y=2), 5]
)
def test_changes_want_an_instance(c, value):
    kind = type(value).__name__.rpartition(".")[2]
    text = refusal(TypeError, c.move_by, value, 1.0)
    assert text.startswith("move_by(): parameter 'p': C changes it: pass a ")
    assert text.endswith(kind) and "values_struct.point, not" in text
    assert refusal(TypeError, c.move_by, None, 1.0) == (
        "move_by(): parameter 'p': expected point, got None"
    )


def test_changes_of_a_call_that_fails_are_lost(c):
    point = c.point(1, 2)
    with pytest.raises(inlay.Conflict):
        c.change_and_fail(point)
    assert point == c.point(1, 2)
    with pytest.raises(TypeError):
        c.move_by(point, "x")
    assert point == c.point(1, 2)


def test_one_instance_is_one_struct(c):
    point = c.point(1, 2)
    assert c.same(point, point) is True
    assert c.same(point, c.point(1, 2)) is False
    assert c.same(point, {"x": 1, "y": 2}) is False


def test_graphs_keep_their_instances(c):
    one, two, three = nodes = [c.node(i) for i in (1, 2, 3)]
    one.next, two.next = two, three
    assert c.reverse(one) is three
    assert three.next is two and two.next is one and one.next is None
    assert values_of(three) == [3, 2, 1]
    c.push(three, 9)
    assert values_of(three) == [3, 9, 2, 1]
    assert three.next.next is two and type(three.next) is c.node
    c.cut(three)
    assert three.next is None and two.next is one
    assert all(node in nodes for node in (one, two, three))


def test_circles_that_c_may_change(c):
    one, two = c.node(1), c.node(2)
    one.next, two.next = two, one
    c.push(one, 5)
    assert one.next.value == 5 and one.next.next is two and two.next is one


def test_everything_in_a_struct_comes_back(c):
    at, node, fixed = c.point(1.0, 2.0), c.node(7), c.point(5, 6)
    samples = array.array("d", [1, 2])
    outer = c.outer(at, node, fixed, samples, "name", [c.color.RED, "BLUE"])
    c.change(outer)
    assert outer.at is at and at == c.point(-1.0, 2.0)
    assert outer.chain is node and node.value == 8
    assert outer.fixed is fixed
    assert outer.samples is samples and samples.tolist() == [2, 4]
    assert outer.name == "changed"
    assert outer.colors == [c.color.GREEN, c.color.BLUE]


def test_a_list_comes_back_as_another(c):
    numbers = [1.0, 2.0]
    outer = c.outer({"x": 1, "y": 2}, None, None, numbers, "name", [0, 0])
    c.change(outer)
    assert numbers == [1.0, 2.0] and outer.samples == [2.0, 4.0]
    assert outer.at == c.point(-1.0, 2.0) and outer.chain is None


def test_what_c_leaves_alone_stays(c):
    at, colors, name = c.point(1, 2), ["RED", 5], "".join(["na", "me"])
    outer = c.outer(at, c.node(1), None, array.array("d", [1]), name, colors)
    before = dict(outer)
    c.touch(outer)
    assert all(value is before[key] for key, value in dict(outer).items())


def test_a_change_that_python_cannot_have(c):
    outer = c.outer(c.point(1, 2), None, None, [], "name", [0, 0])
    assert refusal(ValueError, c.spoil, outer).startswith(
        "spoil(): parameter 'o'.name: not UTF-8: "
    )


def test_a_field_that_is_gone_comes_back(c):
    """The conversion ran code that deleted it again."""

    class Deletes:
        def __float__(self):
            del point.y
            return 1.0

    point = c.point(1.0, 2.0)
    point.x = Deletes()
    assert refusal(TypeError, c.move_by, point, 1.0).endswith("missing field 'y'")
