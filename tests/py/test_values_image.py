"""Structs of a few numbers and texts, which lie in their instances as C has them."""

import copy
import ctypes
import gc
import math
import pickle
import sys
import threading
import weakref

import pytest

SOURCE = """
    #include <string.h>

    struct user {
        int64_t id;
        inlay_str name;
        double score;
        bool active;
        int level;
    };
    INLAY_SLICE(users, struct user);
    struct gap { bool a; int64_t b; bool c; int d; bool e; };
    struct reals { double a, b, c; };
    struct reals4 { double a, b, c, d; };
    struct ints5 { int a, b, c, d, e; };
    struct words6 { int64_t a, b, c; double d, e, f; };
    struct words7 { int64_t a; inlay_str b, c, d; };
    struct words8 { int64_t a, b, c, d, e, f, g, h; };
    struct texts { inlay_str a, b, c, d, e, f, g, h; };
    struct wide { _Alignas(16) int64_t a; inlay_str b; };
    struct tiny { bool a; };

    #define ECHO(T) struct T echo_##T(struct T v) { return v; }
    ECHO(user) ECHO(gap) ECHO(reals) ECHO(reals4) ECHO(ints5)
    ECHO(words6) ECHO(words7) ECHO(words8) ECHO(texts) ECHO(wide) ECHO(tiny)
    users echo_users(users v) { return v; }

    struct user older(struct user v) { v.level++; return v; }
    struct user shout(struct user v)
    {
        v.name = inlay_format("%.*s!", (int)v.name.len, v.name.ptr);
        return v;
    }
    struct user rename_user(struct user v, inlay_str name)
    {
        v.name = name;
        return v;
    }
    inlay_str name_of(struct user v) { return v.name; }
    double sum(struct reals a, struct reals4 b)
    {
        return a.a + a.b + a.c + b.a + b.b + b.c + b.d;
    }
    struct words8 backwards(struct words8 v)
    {
        return (struct words8){v.h, v.g, v.f, v.e, v.d, v.c, v.b, v.a};
    }
    struct gap dirty(int64_t b)
    {
        struct gap v;

        memset(&v, 0xaa, sizeof(v));
        v.a = v.e = true;
        v.c = false;
        v.b = b;
        v.d = 7;
        return v;
    }
    bool same_bytes(struct gap a, struct gap b)
    {
        return memcmp(&a, &b, sizeof(a)) == 0;
    }
    int64_t count_equal(struct user v, int64_t times)
    {
        int64_t equal = 0;

        for (int64_t i = 0; i < times; i++)
            equal += v.name.len == 3 && memcmp(v.name.ptr, "Ada", 3) == 0 &&
                     v.id == v.level;
        return equal;
    }
    INLAY_NOGIL(count_equal);

    /* `address` is a callback of ctypes. */
    struct user call_back(struct user v, int64_t address)
    {
        ((void (*)(void))address)();
        return v;
    }
    inlay_str call_back_name(struct user v, int64_t address)
    {
        ((void (*)(void))address)();
        return inlay_format("%.*s", (int)v.name.len, v.name.ptr);
    }
    void promote(struct user *v) { v->level = 99; }
    void seen(struct user v, void (*f)(struct user *v)) { f(&v); }
    int level_seen(struct user v, void (*f)(struct user *v))
    {
        f(&v);
        return v.level;
    }
    struct user broken(struct user v)
    {
        v.name = (inlay_str){"\\xff", 1};
        return v;
    }
    struct user failed(struct user v)
    {
        inlay_fail(INLAY_CONFLICT, "no");
        v.name = (inlay_str){(const char *)8, 1};
        return v;
    }
"""

VALUES = (12345, "Ada", 99.5, True, 678)
ECHOES = [
    "user",
    "gap",
    "reals",
    "reals4",
    "ints5",
    "words6",
    "words7",
    "words8",
    "texts",
    "wide",
    "tiny",
]


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE, "values_image")


@pytest.fixture
def unread(c):
    """An instance that C made, of which nobody has read anything."""
    return c.older(c.user(*VALUES))


def fields(instance):
    return tuple(getattr(instance, name) for name in type(instance).__match_args__)


OLDER = (*VALUES[:4], 679)


# --- reading and setting ------------------------------------------------------


def test_a_field_read_twice_is_one_object(c, unread):
    big = c.echo_words8(c.words8(*[2**62 + i for i in range(8)]))
    assert all(getattr(big, name) is getattr(big, name) for name in "abcdefgh")
    assert fields(unread) == OLDER
    assert all(a is b for a, b in zip(fields(unread), fields(unread), strict=True))
    assert type(unread.active) is bool and type(unread.level) is int


@pytest.mark.parametrize("name", ECHOES)
def test_sizes(c, name):
    """In registers, on the stack, by reference: by size and by machine."""
    made = getattr(c, name)
    annotations = made.__annotations__
    samples = {int: 2**31 - 1, float: -0.25, str: "größe", bool: True}
    values = [samples[kind] for kind in annotations.values()]
    first = made(*values)
    for _ in range(3):
        first = getattr(c, "echo_" + name)(first)
        assert fields(first) == tuple(values)


def test_sums(c):
    assert c.sum(c.reals(1, 2.0, 4), c.reals4(8.0, 16.0, 32, 64.0)) == 127.0
    assert fields(c.backwards(c.words8(*range(8)))) == (7, 6, 5, 4, 3, 2, 1, 0)


def test_setting_after_a_call(c, unread):
    unread.level = 1
    unread.name = "Grace"
    assert fields(unread) == (12345, "Grace", 99.5, True, 1)
    assert fields(c.older(unread)) == (12345, "Grace", 99.5, True, 2)
    unread.score = 3
    assert c.older(unread).score == 3.0 and type(unread.score) is int
    unread.active = 1
    with pytest.raises(TypeError, match="'v'.active: expected bool, got int"):
        c.older(unread)
    unread.active = False
    assert c.older(unread).active is False


def test_deleting(c, unread):
    del unread.score
    assert not hasattr(unread, "score") and unread.id == 12345
    assert dict(unread).keys() == {"id", "name", "active", "level"}
    with pytest.raises(AttributeError, match="no attribute 'score'"):
        del unread.score
    with pytest.raises(TypeError, match="missing field 'score'"):
        c.older(unread)
    assert repr(unread) == "user(id=12345, name='Ada', active=True, level=679)"


def test_init_again(c, unread):
    gc.collect()
    unread.__init__(1, "b", 2.0, False, 3)
    assert fields(unread) == (1, "b", 2.0, False, 3)
    assert fields(c.older(unread)) == (1, "b", 2.0, False, 4)
    assert gc.is_tracked(unread)


def test_numbers_of_every_size(c):
    for number in (0, -1, 2**30, -(2**30), 2**63 - 1, -(2**63)):
        made = c.echo_user(c.user(number, "", 0.0, False, 0))
        assert made.id == number == c.echo_user(made).id
    for real in (math.inf, -0.0, 5e-324):
        made = c.echo_user(c.user(1, "", real, False, 0))
        assert str(made.score) == str(real)
    assert c.echo_user(c.user(True, "", True, False, False)).id == 1
    with pytest.raises(OverflowError):
        c.echo_user(c.user(1, "", 10**400, False, 1))
    with pytest.raises(OverflowError):
        c.echo_user(c.user(1, "", 1.0, False, 2**31))


# --- an instance that nobody has read -----------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda v: fields(copy.copy(v)),
        lambda v: fields(copy.deepcopy(v)),
        lambda v: fields(pickle.loads(pickle.dumps(v))),
        lambda v: tuple(dict(v).values()),
        lambda v: tuple({**v}.values()),
        lambda v: tuple(v[name] for name in v),
        lambda v: eval(repr(v), {"user": lambda **given: tuple(given.values())}),
    ],
    ids=["copy", "deepcopy", "pickle", "dict", "**", "items", "repr"],
)
def test_unread(unread, use):
    type(unread).__iter__ = lambda self: iter(self.keys())
    try:
        assert use(unread) == OLDER
        assert fields(unread) == OLDER
    finally:
        del type(unread).__iter__


def test_unread_instances_are_equal(c):
    made = c.user(*OLDER)
    one, two = (c.older(c.user(*VALUES)) for _ in range(2))
    assert one == two and one == made and made == c.older(c.user(*VALUES))
    assert c.older(c.user(*VALUES)) != c.user(*VALUES)
    match c.older(made):
        case c.user(id=12345, level=680):
            pass
        case _:
            pytest.fail("no match")


def test_unread_by_other_ways(c, unread):
    c.promote(unread)
    assert fields(unread) == (*VALUES[:4], 99)
    unread = c.older(unread)
    assert fields(c.older(v=unread)) == (*VALUES[:4], 101)
    both = c.echo_users([unread, dict(unread)])
    assert [fields(user) for user in both] == [fields(unread)] * 2
    assert fields(c.echo_users(both)[1]) == fields(unread)


def test_callbacks_get_and_change_one(c, unread):
    seen = []

    def change(user):
        seen.append(user)
        user.level = 5

    assert c.level_seen(unread, change) == 5
    assert c.level_seen(unread, seen.append) == 679
    assert [fields(user)[4] for user in seen] == [5, 679] and unread.level == 679


# --- text ---------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "Ada", "größe", "\0", "😀" * 1000])
def test_text_of_an_argument_is_the_same(c, text):
    text = "".join(text)
    user = c.user(1, text, 0.0, False, 0)
    once = c.echo_user(user)
    assert once.name is text and c.echo_user(once).name is text
    assert c.name_of(once) is text
    other = f"other {text}"
    made = c.rename_user(once, other)
    assert made.name == other and c.echo_user(made).name is made.name


def test_text_of_the_arena_is_a_copy(c, unread):
    for i in range(1, 50):
        unread = c.shout(unread)
        assert c.name_of(unread) is unread.name
        assert unread.name == "Ada" + "!" * i
    assert fields(unread) == ((12345, "Ada" + "!" * 49, *OLDER[2:]))


class Text(str):
    pass


def test_text_that_is_not_just_a_str(c):
    user = c.user(1, Text("abc"), 0.0, False, 0)
    for made in (c.echo_user(user), c.shout(user)):
        assert type(made.name) is str and made.name.startswith("abc")
    user.name = "\udc80"
    for _ in range(2):
        with pytest.raises(ValueError, match="a lone surrogate"):
            c.echo_user(user)


def test_results_that_python_cannot_have(c, unread):
    with pytest.raises(ValueError, match=r"result\.name: not UTF-8"):
        c.broken(unread)
    with pytest.raises(RuntimeError, match="no"):
        c.failed(unread)
    assert fields(c.older(unread))[4] == 680


# --- padding ------------------------------------------------------------------


def test_padding_is_zero(c):
    dirty = c.dirty(5)
    clean = c.gap(True, 5, False, 7, True)
    assert c.same_bytes(dirty, clean) and c.same_bytes(clean, dirty)
    assert c.same_bytes(c.echo_gap(dirty), dict(clean))
    dirty.b = 6
    assert c.same_bytes(dirty, c.dirty(6)) and not c.same_bytes(dirty, clean)


# --- subclasses, the garbage collector ----------------------------------------


def test_subclasses(c):
    class Named(c.user):
        pass

    class Slots(c.user):
        __slots__ = ("label", "__weakref__")

    for made in (Named(*VALUES), Slots(*VALUES)):
        made.label = ["mine"]
        assert weakref.ref(made)() is made
        for _ in range(2):
            assert fields(c.older(made)) == OLDER
        assert type(c.older(made)) is c.user
        made.level = 10
        assert c.older(made).level == 11 and made.label == ["mine"]
        c.promote(made)
        assert made.level == 99 and made.label == ["mine"]
    again = copy.deepcopy(Named(*VALUES))
    assert type(again) is Named and fields(c.older(again)) == OLDER


class Witness:
    """Weak references can't be made to instances of struct classes."""


def test_cycles_are_collected(c):
    class Named(c.user):
        pass

    witnesses = []
    for make in (c.user, Named):
        made = c.older(make(*VALUES)) if make is c.user else make(*VALUES)
        witness = Witness()
        c.older(made)
        if make is Named:
            made.me = made
            made.witness = witness
        else:
            assert not gc.is_tracked(made)
            made.name = [made, witness]
            assert gc.is_tracked(made)
        witnesses.append(weakref.ref(witness))
        del made, witness
    gc.collect()
    assert [ref() for ref in witnesses] == [None, None]


def test_changes_by_c_keep_it_collectable(c, unread):
    c.promote(unread)
    witness = Witness()
    gone = weakref.ref(witness)
    unread.name = [unread, witness]
    holder = [unread]
    del witness
    gc.collect()
    assert gone() is not None and holder[0].level == 99
    # (the fixture holds on to it)
    unread.name = None
    assert gone() is None


# --- a field that is set meanwhile --------------------------------------------


def test_a_callback_sets_the_field(c):
    @ctypes.PYFUNCTYPE(None)
    def change():
        user.name = "".join(["another", " name"])
        user.level = 0
        c.echo_user(user)
        gc.collect()
        junk.extend("x" * 60 + str(i) for i in range(1000))

    junk = []
    address = ctypes.cast(change, ctypes.c_void_p).value
    for make in (c.user, lambda *values: c.echo_user(c.user(*values))):
        name = "".join(["n" * 60, "!"])
        user = make(1, name, 0.5, True, 5)
        del name
        result = c.call_back(user, address)
        assert fields(result) == (1, "n" * 60 + "!", 0.5, True, 5)
        assert (user.name, user.level) == ("another name", 0)
        user = make(1, "n" * 60 + "?", 0.5, True, 5)
        assert c.call_back_name(user, address) == "n" * 60 + "?"
    assert len(junk) == 4000


def test_two_threads_pass_one_instance(c):
    user = c.echo_user(c.user(3, "Ada", 0.5, True, 3))
    totals = []

    def run():
        total = 0
        for _ in range(300):
            total += c.count_equal(user, 20_000)
        totals.append(total)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(2000):
        user.name = "".join(["A", "d", "a"])
        user.score = 1.5
        assert c.echo_user(user).name == "Ada"
    for thread in threads:
        thread.join()
    assert totals == [300 * 20_000] * 2


def test_code_that_runs_when_a_value_goes(c):
    """It makes the instance whole again and passes it, in mid-assignment."""

    class Evil:
        def __del__(self):
            user.__init__(1, "abc", 2.0, True, 3)
            results.append(c.echo_user(user))

    results = []
    for name in ("id", "name", "score", "level"):
        user = c.user(*VALUES)
        setattr(user, name, Evil())
        user.__init__(5, "def", 6.0, False, 7)
        assert fields(c.echo_user(user)) == (5, "def", 6.0, False, 7)
        setattr(user, name, Evil())
        setattr(user, name, None)
        assert fields(c.echo_user(user)) == (1, "abc", 2.0, True, 3)
    assert len(results) == 8
    assert {fields(made) for made in results} == {(1, "abc", 2.0, True, 3)}


def test_no_leak(c):
    def some():
        user = c.shout(c.user(2**40, "n" * 50, 0.5, True, 5))
        c.older(user).level, c.rename_user(user, "größe" * 5).score
        user.score = 2.5
        del user.level
        copy.copy(c.echo_user(c.user(*VALUES)))
        c.promote(c.older(c.user(*VALUES)))
        c.echo_users([c.older(c.user(*VALUES))])
        for function in (c.broken, c.failed):
            with pytest.raises((ValueError, RuntimeError)):
                function(c.user(*VALUES))
        c.echo_user(c.user(*VALUES)).__init__(*VALUES)

    def blocks():
        gc.collect()
        return sys.getallocatedblocks()

    for _ in range(500):
        some()
    before, references = blocks(), sys.getrefcount(c.user)
    for _ in range(5000):
        some()
    assert blocks() - before < 500
    assert abs(sys.getrefcount(c.user) - references) < 50
