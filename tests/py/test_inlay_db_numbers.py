"""inlay.db: integers that become reals lose nothing, or are an error."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import inlay
import pydantic
import pytest
from inlay import database_rows

from .databases.here import KINDS, name_of

EXACT = 2**53
BEYOND = 2**53 + 1


@dataclasses.dataclass
class Scored:
    score: float


class Maybe(NamedTuple):
    score: float | None


class Model(pydantic.BaseModel):
    score: float | None


@pytest.fixture(scope="module", params=KINDS)
def db(request, tmp_path_factory):
    return inlay.db[name_of(request.param, request, tmp_path_factory)].sync


def select(number: int) -> str:
    return f"select cast({number} as bigint) as score"


@pytest.mark.parametrize("target", [Scored, Maybe, Model])
def test_a_field_takes_what_a_float_holds_exactly(db, target: Any) -> None:
    for number in (0, -3, EXACT, -EXACT - 2, 2**62):
        row = db.one(target, select(number))
        assert row.score == number
        assert type(row.score) is float
    words = f"^column score has the value {BEYOND}, .* fit: {target.__name__}.score is"
    for number in (BEYOND, 2**63 - 1):
        with pytest.raises(inlay.Internal, match=words.replace(str(BEYOND), "[0-9]+")):
            db.one(target, select(number))
    with pytest.raises(inlay.Internal, match=words):
        db.all(target, select(BEYOND))


def test_a_struct_of_c_too(db, module) -> None:
    native = module(
        """
        struct scored { double score; };
        double score(struct scored scored) { return scored.score; }
        """
    )
    target = native.score.__annotations__["scored"]
    assert db.one(target, select(EXACT)).score == EXACT
    with pytest.raises(inlay.Internal, match=f"{BEYOND}, .* scored.score is float"):
        db.one(target, select(BEYOND))


def test_a_scalar_too(db) -> None:
    assert db.one(float, select(EXACT)) == EXACT
    with pytest.raises(inlay.Internal, match=f"{BEYOND}, .*: float was asked for"):
        db.one(float, select(BEYOND))


def test_what_has_another_place_goes_there(db) -> None:
    assert db.one(float | int, select(BEYOND)) == BEYOND
    assert db.one(int, select(BEYOND)) == BEYOND
    assert db.one(dict, select(BEYOND)) == {"score": BEYOND}


def test_elements_and_documents_too(db) -> None:
    text = f"'[1, {BEYOND}]'"
    with pytest.raises(inlay.Internal, match=f"an element of column x .*{BEYOND}"):
        db.one(list[float], f"select {text} as x")
    with pytest.raises(inlay.Internal, match="a value of int, which does not fit"):
        database_rows.reader(float, "column x", "", False)(10**400)


def test_reals_and_numerics_are_rounded(db) -> None:
    assert db.one(float, "select cast('0.1' as double precision)") == 0.1
    # SQLite's own "numeric" is an integer here.
    assert db.one(float, f"select cast('{BEYOND}' as text)") == EXACT
