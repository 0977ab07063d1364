"""SQL as tokens: each is looked at once, so the time is linear in the text's length, whatever it is.

Where dialects contradict each other, the one that shows less wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

LITERAL: Final = "?"
"""What stands for a value."""
_DOUBLE: Final = frozenset({"mysql", "mariadb", "hive", "databricks", "gcp.bigquery", "gcp.spanner"})
"""Where double quotes hold strings."""
_BACKSLASH: Final = frozenset({*_DOUBLE, "clickhouse", "snowflake"})
"""Where a backslash escapes a quote."""
_BRACKETS: Final = frozenset({"mssql", "microsoft.sql_server", "sqlite"})
"""Where square brackets quote a name."""


class Token(NamedTuple):
    """One piece of the text; a value's is `?`. `kind` is the name of the alternative that it fits."""

    kind: str
    text: str


UNSEEN: Final = ("space", "comment")
_WORD: Final = r"[^\W\d][\w$]*"
_NAMED: Final = r"(?P<quoted>`(?:[^`]|``)*(?:`|\Z))"
_PARTS: Final = (
    r"(?P<space>\s+)",
    r"(?P<comment>--[^\n]*|/\*)",
    r"(?P<hash>\#)",
    r"(?P<dollar>\$(?:[^\W\d]\w*)?\$)",
    r"(?P<placeholder>%\(\w+\)s|%s|\$\d+|\?\d*|(?<!:):\w+|@@?\w+)",
    r"(?P<cast>::)",
    r"(?P<string>(?:[uU]&|[eEnNxXbBrR]|_\w+\ ?)?')",
    r'(?P<double>")',
    _NAMED,
    r"(?P<bracket>\[[^\]\n]{0,128}\])",
    r"(?P<number>0[xX][0-9a-fA-F_]+|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\w*)",
    rf"(?P<word>{_WORD})",
    r"(?P<other>.)",
)


@lru_cache(maxsize=1)
def _token() -> re.Pattern[str]:
    """Compiled when the first statement comes, not at import."""
    return re.compile("|".join(_PARTS), re.DOTALL)


def tokens(text: str, system: str) -> Iterator[Token]:
    """The tokens of a text in the dialect of a database (its name in the semantic conventions), values taken out."""
    backslash, brackets, sqlite = system in _BACKSLASH, system in _BRACKETS, system == "sqlite"
    double = system in _DOUBLE
    match, end, place = _token().match, len(text), 0
    values, before = False, ""
    while place < end:
        found = match(text, place)
        if found is None:  # cannot be: the last alternative takes anything
            return
        kind, piece = str(found.lastgroup), found.group()
        place = found.end()
        if kind == "string":
            kind, piece = "literal", LITERAL
            escapes = backslash or found.group()[0] in "eE"
            place = _end_of_string(text, place, "'", escapes=escapes)
        elif kind == "double":
            start = place
            place = _end_of_string(text, place, '"', escapes=backslash)
            literal = double or (sqlite and _sqlite_string(text, place, before, values=values))
            kind, piece = ("literal", LITERAL) if literal else ("quoted", text[start - 1 : place])
        elif kind == "dollar":
            close = text.find(piece, place)
            kind, piece, place = "literal", LITERAL, end if close < 0 else close + len(piece)
        elif kind == "comment" or (kind == "hash" and backslash):
            place = _end_of_comment(text, place, found.group())
            kind, piece = "comment", " "
        elif kind == "number":
            kind, piece = "literal", LITERAL
        elif kind == "bracket" and not brackets:  # an array or an index: look inside
            kind, piece, place = "other", "[", found.start() + 1
        elif kind == "bracket":
            kind = "quoted"
        if kind == "word":
            values = (values and piece.upper() not in {"ON", "RETURNING"}) or piece.upper() == "VALUES"
        if kind not in UNSEEN:
            before = piece.upper()
        yield Token(kind, piece)


def _end_of_string(text: str, place: int, quote: str, *, escapes: bool) -> int:
    """Where the string ends that began before `place`; a doubled quote is part of it, and one that never ends takes all."""
    closing = _closing(quote, escapes=escapes)
    found = closing.match(text, place)
    return len(text) if found is None else found.end()


@lru_cache(maxsize=4)
def _closing(quote: str, *, escapes: bool) -> re.Pattern[str]:
    # A possessive form without Python 3.11's syntax: the parts exclude each other, so nothing is tried twice.
    inner = rf"[^{quote}\\]|\\.|{quote}{quote}" if escapes else rf"[^{quote}]|{quote}{quote}"
    return re.compile(rf"(?:{inner})*(?:{quote}(?!{quote})|\Z)", re.DOTALL)


def _end_of_comment(text: str, place: int, opening: str) -> int:
    """Where the comment ends; PostgreSQL nests them, and what does not end there takes all."""
    if opening.startswith("--"):
        return place
    if opening == "#":
        newline = text.find("\n", place)
        return len(text) if newline < 0 else newline
    depth = 1
    for found in _comment_mark().finditer(text, place):
        depth += 1 if found.group() == "/*" else -1
        if depth == 0:
            return found.end()
    return len(text)


@lru_cache(maxsize=1)
def _comment_mark() -> re.Pattern[str]:
    return re.compile(r"/\*|\*/")


def _sqlite_string(text: str, place: int, before: str, *, values: bool) -> bool:
    """SQLite takes double quotes for a string where no column has the name: so it may be one where a value is expected."""
    return (values or before in {"=", "<", ">", "LIKE", "GLOB", "MATCH"}) and text[place : place + 1] != "."
