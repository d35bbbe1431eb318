"""The statements of a .sql file, one by one, with their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<quoted>[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)
  | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<other>\d[\w.]*|\$\d+|.)
    """,
    re.DOTALL | re.VERBOSE,
)
# Only the body of these has statements of its own.
_WITH_BODY = {"TRIGGER", "FUNCTION", "PROCEDURE"}


class SqlError(ValueError):
    """The text can't be cut into statements; `line` is where."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


class Statement(NamedTuple):
    line: int  #: of its first word, from 1
    text: str  #: without its semicolon
    words: tuple[str, ...]  #: the first ones, in capitals


def _comment_end(text: str, at: int, nested: bool) -> int:
    """Behind the comment that begins at `at`; -1: it does not end."""
    depth = 0
    for found in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if found[0] == "/*" and (nested or not depth) else 0
        depth -= found[0] == "*/"
        if not depth:
            return found.end()
    return -1


def statements(text: str, postgresql: bool) -> Iterator[Statement]:
    """Raises SqlError."""
    at, begin, parens, blocks = 0, -1, 0, 0
    words: list[str] = []

    def line(place: int) -> int:
        return text.count("\n", 0, place) + 1

    def over(end: int) -> Statement:
        return Statement(line(begin), text[begin:end].rstrip(), tuple(words[:8]))

    while at < len(text):
        token = _TOKEN.match(text, at)
        assert token is not None
        kind, start, at = token.lastgroup, at, token.end()
        if kind == "space":
            continue
        if kind == "comment":
            at = _comment_end(text, start, postgresql)
            if at < 0:
                raise SqlError(line(start), "this comment does not end")
            continue
        if token[0] == ";" and not parens and not blocks:
            if begin >= 0:
                yield over(start)
            begin, words = -1, []
            continue
        if begin < 0:
            begin = start
        if kind == "dollar" and postgresql:
            end = text.find(token[0], at)
            if end < 0:
                raise SqlError(line(start), f"the text in {token[0]} does not end")
            at = end + len(token[0])
        elif kind == "word":
            word = token[0].upper()
            words.append(word)
            if words[0] == "CREATE" and _WITH_BODY.intersection(words[1:5]):
                blocks += word == "BEGIN" or (word == "CASE" and blocks > 0)
                blocks -= word == "END" and blocks > 0
        elif token[0] in "'\"`":
            raise SqlError(line(start), f"the quote {token[0]} does not end")
        elif kind == "other":
            parens += token[0] == "("
            parens -= token[0] == ")" and parens > 0
    if begin >= 0:
        if parens or blocks:
            raise SqlError(
                line(begin), "this statement does not end: a ) or END is missing"
            )
        yield over(len(text))
