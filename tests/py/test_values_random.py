"""Random Python values for every conversion: no crash, no odd exception.

Deterministic by its seed; INLAY_FUZZ_CALLS asks for more of them.
"""

import array
import contextlib
import os
import random
import types
from pathlib import Path

import inlay
import pytest

SOURCE = Path(__file__).with_name("values.c")

# They make as much as they are told.
LEFT_OUT = {"long_chain", "long_label"}

INTS = [0, 1, -1, 5, 6, 127, 128, 255, 256, 2**15, 2**31 - 1, 2**31, 2**32]
INTS += [2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, 10**400, 1 << 20_000]
FLOATS = [0.0, -0.0, 1.5, 1e39, 1e308, -1e-320, float("inf"), float("nan")]
TEXTS = ["", "a", "é", "😀", "a\0b", "\ud800", "x" * 7, "x" * 8, "ab" * 5000]
TEXTS += ["RED", "GREEN", "value", "next", "name", "漢字" * 3]


class Mine(Exception):
    """What the code of a hostile value raises."""


# What the documents name: of values, of text, of size, of depth, of lists
# that change, of buffers that can't be had; and what values raise. A sequence
# that says it has 2**62 elements is a MemoryError, as in list().
EXPECTED = (
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
    RuntimeError,
    BufferError,
    MemoryError,
    Mine,
    inlay.Error,
)


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE.read_text(), "values_random")


class Maker:
    """Values, some of which change others when they are looked at."""

    def __init__(self, c, seed):
        self.c = c
        self.random = random.Random(seed)
        self.lists = []
        self.classes = [c.point, c.item, c.node, c.outer, c.limp, c.label]
        self.classes.append(c.keywords)
        self.hostile = self.make_hostile()

    def value(self, depth=0):
        makers = [
            lambda: self.integer(),
            lambda: self.random.choice(FLOATS),
            lambda: self.random.choice(TEXTS),
            lambda: self.random.choice([None, True, False, ..., object(), int]),
            lambda: self.random.randbytes(self.random.randrange(20)),
            lambda: self.random.choice(list(self.c.color)),
            lambda: self.buffer(),
            lambda: self.hostile(),
        ]
        if depth < 4:
            makers += [lambda: self.sequence(depth), lambda: self.struct(depth)] * 3
            makers += [lambda: self.mapping(depth)]
        return self.random.choice(makers)()

    def integer(self):
        number = self.random.choice(INTS) + self.random.randrange(-2, 3)
        return self.random.choice([number, -number])

    def buffer(self):
        values = array.array(self.random.choice("bBhHiIqQfd"), [1, 2, 3])
        view = memoryview(values)
        return self.random.choice(
            [
                values,
                view,
                view[::2],
                view[::-1],
                view[:0],
                view.toreadonly(),
                bytearray(b"abc"),
                memoryview(bytes(12)).cast("B", (3, 4)),
                memoryview(bytes(24)).cast("d"),
            ]
        )

    def sequence(self, depth):
        values = [self.value(depth + 1) for _ in range(self.random.randrange(5))]
        self.lists.append(values)
        if self.random.random() < 0.05:
            values.append(values)
        return self.random.choice([list, tuple, lambda v: v, lambda v: v, iter])(values)

    def mapping(self, depth):
        fields = self.random.choice(self.classes).__match_args__
        made = {f: self.value(depth + 1) for f in fields if self.random.random() < 0.9}
        return self.random.choice([made, types.SimpleNamespace(**made)])

    def struct(self, depth):
        cls = self.random.choice(self.classes)
        if self.random.random() < 0.05:
            return cls.__new__(cls)  # without any field
        values = [self.fitting(cls, f, depth + 1) for f in cls.__match_args__]
        made = cls(*values)
        self.lists.append(made)
        if cls is self.c.node and self.random.random() < 0.1:
            made.next = made
        return made

    def fitting(self, cls, field, depth):
        """Often a value of the right type, so that the rest is reached."""
        if self.random.random() < 0.2:
            return self.value(depth)
        return self.of(cls.__annotations__[field], depth, cls, field)

    def of(self, annotation, depth=0, cls=None, field=""):
        pick = self.random.choice
        args = getattr(annotation, "__args__", ())
        if type(None) in args:
            return pick([None, self.of(args[0], depth, cls, field)])
        if args:
            bounds = cls.__inlay_bounds__[field] if cls else []
            most = bounds[0][1] if bounds else None
            count = self.random.randrange(6) if most is None else most
            made = [self.of(args[0], depth + 1) for _ in range(count)]
            self.lists.append(made)
            return made
        if annotation in self.classes:
            return self.struct(depth) if depth < 4 else None
        simple = {
            int: lambda: pick([0, 1, 5, 100]),
            float: lambda: pick(FLOATS),
            str: lambda: pick("abc"),
            bytes: lambda: pick([b"abc", self.buffer()]),
            bool: lambda: pick([True, False]),
        }
        if annotation in simple:
            return simple[annotation]()
        return pick(list(annotation)) if hasattr(annotation, "__members__") else 0

    def disturb(self):
        """Changes something that a conversion may be reading."""
        if not self.lists or self.random.random() < 0.3:
            raise Mine
        target = self.random.choice(self.lists)
        if isinstance(target, list):
            change = self.random.choice([target.clear, target.reverse, lambda: None])
            change()
            if len(target) < 50:
                target.extend([1.0, "x"])
        elif target.__match_args__:
            name = self.random.choice(target.__match_args__)
            with contextlib.suppress(AttributeError):
                delattr(target, name)
            if self.random.random() < 0.5:
                setattr(target, name, self.random.choice(INTS))

    def make_hostile(self):
        maker = self

        class Base:
            def __getattr__(self, name):
                maker.disturb()
                raise AttributeError(name)

        class Index(Base):
            def __index__(self):
                maker.disturb()
                return maker.random.choice([*INTS, "x"])

            def __float__(self):
                maker.disturb()
                return maker.random.choice([*FLOATS, 1])

        class Sequence(Base):
            def __len__(self):
                maker.disturb()
                return maker.random.choice([0, 1, 3, 2**62])

            def __getitem__(self, key):
                maker.disturb()
                if key == 5:
                    raise IndexError
                return key

        class Fields(Base):
            def __getattribute__(self, name):
                maker.disturb()
                return maker.random.choice([1, 1.5, "a", None, [1, 2, 3]])

        class Text(str):
            def __hash__(self):
                maker.disturb()
                return str.__hash__(self)

            def __eq__(self, other):
                maker.disturb()
                return maker.random.random() < 0.5

        class Int(int):
            def __hash__(self):
                maker.disturb()
                return int.__hash__(self)

            def __eq__(self, other):
                return True

        class Dict(dict):
            def __getitem__(self, key):
                maker.disturb()
                return 1

        class List(list):
            def __len__(self):
                maker.disturb()
                return 2

        class Bytes(bytes):
            def __len__(self):
                raise Mine

        def make():
            return maker.random.choice(
                [
                    Index,
                    Sequence,
                    Fields,
                    lambda: Text("RED"),
                    lambda: Int(5),
                    lambda: Dict(x=1, value=2),
                    lambda: List([1, 2]),
                    lambda: Bytes(b"abc"),
                ]
            )()

        return make

    def arguments(self, function):
        annotations = dict(function.__annotations__)
        annotations.pop("return")
        for annotation in annotations.values():
            if self.random.random() < 0.5:
                yield self.of(annotation)
            else:
                yield self.value()


def attack(c, seed, calls):
    """How many calls came through, and which exceptions did the others."""
    maker, passed, raised = Maker(c, seed), 0, set()
    functions = [
        value
        for name, value in sorted(vars(c).items())
        if isinstance(value, inlay.Function) and name not in LEFT_OUT
    ]
    assert len(functions) > 50
    for _ in range(calls):
        function = maker.random.choice(functions)
        try:
            function(*maker.arguments(function))
            passed += 1
        except EXPECTED as error:
            raised.add(type(error))
        except Exception as error:
            pytest.fail(f"{function} with seed {seed}: {error!r}")
        if len(maker.lists) > 100:
            maker.lists.clear()
    return passed, raised


@pytest.mark.parametrize("seed", range(5))
def test_random_values(c, seed):
    calls = int(os.environ.get("INLAY_FUZZ_CALLS", "4000"))
    passed, raised = attack(c, seed, calls)
    assert passed > calls // 5
    assert {TypeError, ValueError, OverflowError, Mine} <= raised
