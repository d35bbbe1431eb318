"""Which request paths do two path patterns share? Exactly.

A pattern is read as Starlette and src/serve/route.c do: text, and parameters
`{name}` or `{name:kind}` anywhere in it. As both kinds of routers mean regular
expressions, both patterns are followed at once, as automata.
"""

from __future__ import annotations

import re
from functools import lru_cache

PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?\}")

_MOST = 5000  # steps; more: unsure
_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_OTHER = "\0"  # stands for all characters that neither pattern names
_TEXT, _ANY = "text", "any"  # all but a slash; all

# Characters that one step takes, does it repeat, and how many steps, from this
# one on, may be left out.
_Chars = frozenset[str] | str
_Step = tuple[_Chars, bool, int]

_NUMBER: _Step = (_DIGITS, True, 0)
_UUID: list[_Step] = []
for _number, _length in enumerate((8, 4, 4, 4, 12)):
    if _number:
        _UUID.append((frozenset("-"), False, 1))
    _UUID.extend([(_HEX, False, 0)] * _length)
_KINDS: dict[str, list[_Step]] = {
    "str": [(_TEXT, True, 0)],
    "path": [(_ANY, True, 1)],
    "int": [_NUMBER],
    "float": [_NUMBER, (frozenset("."), False, 2), _NUMBER],
    "uuid": _UUID,
}


def is_known(path: str) -> bool:
    """Can it be said what it matches? Not with a converter of somebody's."""
    return path.startswith("/") and all(
        (match[2] or "str") in _KINDS for match in PARAMETER.finditer(path)
    )


def overlap(one: str, other: str) -> bool | None:
    """Is there a path that both match? None: that can't be said."""
    if _differ(one, other):
        return False
    found = _compare(one, other) if is_known(one) and is_known(other) else None
    return None if found is None else found[0]


def covers(one: str, other: str) -> bool:
    """Does the first one certainly match all that the other one does?"""
    if _differ(one, other) or not is_known(one) or not is_known(other):
        return False
    found = _compare(one, other)
    return found is not None and found[1]


def _differ(one: str, other: str) -> bool:
    """Are the beginnings different already? That settles most questions."""
    mine, its = one.partition("{")[0], other.partition("{")[0]
    return not (mine.startswith(its) or its.startswith(mine))


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[_Step, ...]:
    found: list[_Step] = []
    at = 0
    for match in PARAMETER.finditer(path):
        found.extend((frozenset(c), False, 0) for c in path[at : match.start()])
        found.extend(_KINDS[match[2] or "str"])
        at = match.end()
    found.extend((frozenset(c), False, 0) for c in path[at:])
    return tuple(found)


def _closed(steps: tuple[_Step, ...], places: set[int]) -> frozenset[int]:
    """With the places that are reached by leaving steps out."""
    left = list(places)
    while left:
        place = left.pop()
        if place < len(steps) and steps[place][2]:
            further = place + steps[place][2]
            if further not in places:
                places.add(further)
                left.append(further)
    return frozenset(places)


def _after(
    steps: tuple[_Step, ...], places: frozenset[int], character: str
) -> frozenset[int]:
    """Where one may be after the character."""
    found = set()
    for place in places:
        if place == len(steps):
            continue
        chars, repeats, _ = steps[place]
        if (
            character in chars
            if isinstance(chars, frozenset)
            else chars == _ANY or character != "/"
        ):
            found.add(place + 1)
            if repeats:
                found.add(place)
    return _closed(steps, found)


def _characters(steps: tuple[_Step, ...]) -> set[str]:
    """All that it tells from others, one of each kind."""
    named = {c for chars, _, _ in steps if len(chars) == 1 for c in chars}
    for kind in (_DIGITS, _HEX - _DIGITS):
        named.update(sorted(kind - named)[:1])
    return named | {"/", _OTHER}


@lru_cache(maxsize=4096)
def _compare(one: str, other: str) -> tuple[bool, bool] | None:
    """Is there a path that both match, and does the first one match all of the
    other one's? None: too much to follow."""
    mine, its = _steps(one), _steps(other)
    characters = _characters((*mine, *its))
    start = (_closed(mine, {0}), _closed(its, {0}))
    seen = {start}
    left = [start]
    both, all_of_it = False, True
    while left:
        here, there = left.pop()
        if len(its) in there:
            both = both or len(mine) in here
            all_of_it = all_of_it and len(mine) in here
        for character in characters:
            step = _after(its, there, character)
            pair = (_after(mine, here, character), step)
            if step and pair not in seen:
                seen.add(pair)
                left.append(pair)
        if len(seen) > _MOST:
            return None
    return both, all_of_it
