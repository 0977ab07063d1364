"""SQL for telemetry: literals and comments taken out of the text, and what it does to which table.

A tokenizer, not a parser: each token is looked at once, so the time is linear in the text's length, and what is no SQL comes back
without its literals too. Where dialects contradict each other, the one that shows less wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

MAX_LENGTH: Final = 8_192
"""Characters of a statement that are looked at and kept; the rest is cut off."""
_MAX_NAME: Final = 128
_LITERAL: Final = "?"

NOT_SQL: Final = frozenset({
    "redis", "mongodb", "memcached", "elasticsearch", "opensearch", "aws.dynamodb", "dynamodb", "couchdb", "couchbase",
    "neo4j", "hbase", "azure.cosmosdb", "cosmosdb", "gcp.firestore", "influxdb", "geode",
})  # fmt: skip
"""Values of `db.system.name` and `db.system` whose statements are not SQL."""
_DOUBLE: Final = frozenset({"mysql", "mariadb", "hive", "databricks", "gcp.bigquery", "gcp.spanner"})
"""Where double quotes hold strings."""
_BACKSLASH: Final = frozenset({*_DOUBLE, "clickhouse", "snowflake"})
"""Where a backslash escapes a quote."""
_BRACKETS: Final = frozenset({"mssql", "microsoft.sql_server", "sqlite"})
"""Where square brackets quote a name."""


class Statement(NamedTuple):
    """What telemetry says of a statement: `collection` is a table or the like, empty where there is none."""

    text: str
    operation: str
    collection: str

    @property
    def summary(self) -> str:
        """`SELECT users`: few values, fit for a span's name."""
        return f"{self.operation} {self.collection}".strip()


def described(text: str, system: str = "") -> Statement:
    """A statement without literals; `system` is the database's name in the semantic conventions. Never raises."""
    return _described(text[:MAX_LENGTH], system, cut=len(text) > MAX_LENGTH)


@lru_cache(maxsize=256)
def _described(text: str, system: str, *, cut: bool) -> Statement:
    tokens = list(_tokens(text, system))
    try:
        operation, collection = _subject([token for token in tokens if token.kind not in _UNSEEN])
    except IndexError:  # it ends in the middle
        operation, collection = "", ""
    return Statement(_without_lists(tokens) + ("…" if cut else ""), operation, collection[:_MAX_NAME])


# --- Tokens ----------------------------------------------------------------------------------------------------------


class _Token(NamedTuple):
    kind: str
    text: str


_UNSEEN: Final = ("space", "comment")
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


def _tokens(text: str, system: str) -> Iterator[_Token]:
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
            kind, piece = "literal", _LITERAL
            escapes = backslash or found.group()[0] in "eE"
            place = _end_of_string(text, place, "'", escapes=escapes)
        elif kind == "double":
            start = place
            place = _end_of_string(text, place, '"', escapes=backslash)
            literal = double or (sqlite and _sqlite_string(text, place, before, values=values))
            kind, piece = ("literal", _LITERAL) if literal else ("quoted", text[start - 1 : place])
        elif kind == "dollar":
            close = text.find(piece, place)
            kind, piece, place = "literal", _LITERAL, end if close < 0 else close + len(piece)
        elif kind == "comment" or (kind == "hash" and backslash):
            place = _end_of_comment(text, place, found.group())
            kind, piece = "comment", " "
        elif kind == "number":
            kind, piece = "literal", _LITERAL
        elif kind == "bracket" and not brackets:  # an array or an index: look inside
            kind, piece, place = "other", "[", found.start() + 1
        elif kind == "bracket":
            kind = "quoted"
        if kind == "word":
            values = (values and piece.upper() not in {"ON", "RETURNING"}) or piece.upper() == "VALUES"
        if kind not in _UNSEEN:
            before = piece.upper()
        yield _Token(kind, piece)


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


def _without_lists(tokens: list[_Token]) -> str:
    """The text, each list of values after IN as `(?)` and of several rows after VALUES the first."""
    pieces: list[str] = []
    place = 0
    before = ""
    while place < len(tokens):
        token = tokens[place]
        if token.text == "(" and before in {"IN", "VALUES"}:
            end = _end_of_list(tokens, place)
            if end:
                several = sum(one.kind in _VALUES for one in tokens[place:end]) > 1
                shorter = before == "IN" and several
                pieces += [f"({_LITERAL})"] if shorter else [one.text for one in tokens[place:end]]
                place = end if before == "IN" else _end_of_rows(tokens, end)
                before = ")"
                continue
        if token.kind not in _UNSEEN:
            before = token.text.upper()
        pieces.append(token.text)
        place += 1
    return "".join(pieces).strip()


_VALUES: Final = ("literal", "placeholder")


def _end_of_list(tokens: list[_Token], place: int) -> int:
    """The place behind `(?, ?)` that begins at `place`; 0 where it holds anything else than values."""
    for behind in range(place + 1, len(tokens)):
        token = tokens[behind]
        if token.text == ")":
            return behind + 1
        if token.kind not in _VALUES and token.kind not in _UNSEEN and token.text not in {",", "-", "+"}:
            return 0
    return 0


def _end_of_rows(tokens: list[_Token], place: int) -> int:
    """The place behind the further rows that follow one row of values."""
    while True:
        behind = _next_seen(tokens, place)
        if behind >= len(tokens) or tokens[behind].text != ",":
            return place
        behind = _next_seen(tokens, behind + 1)
        end = _end_of_list(tokens, behind) if behind < len(tokens) and tokens[behind].text == "(" else 0
        if not end:
            return place
        place = end


def _next_seen(tokens: list[_Token], place: int) -> int:
    while place < len(tokens) and tokens[place].kind in _UNSEEN:
        place += 1
    return place


# --- Operation and table -----------------------------------------------------------------------------------------------

_INTO: Final = frozenset({"INSERT", "REPLACE", "MERGE", "UPSERT"})
_MAIN: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "UPSERT"})
_DEFINING: Final = frozenset({"CREATE", "ALTER", "DROP", "TRUNCATE", "COMMENT"})
_OBJECTS: Final = frozenset({
    "TABLE", "INDEX", "VIEW", "DATABASE", "SCHEMA", "SEQUENCE", "TRIGGER", "FUNCTION", "PROCEDURE", "TYPE", "ROLE", "USER",
    "EXTENSION", "DOMAIN", "COLUMN",
})  # fmt: skip
_BESIDE: Final = frozenset({
    "ONLY", "LATERAL", "IF", "NOT", "EXISTS", "OR", "REPLACE", "IGNORE", "ROLLBACK", "ABORT", "FAIL", "INTO", "LOW_PRIORITY",
    "HIGH_PRIORITY", "DELAYED", "QUICK", "TABLE", "CONCURRENTLY", "OVERWRITE", "TOP",
})  # fmt: skip
_CALLING: Final = frozenset({"CALL", "EXEC", "EXECUTE"})


def _subject(tokens: list[_Token]) -> tuple[str, str]:
    """The operation in capitals and the table that it is about; of several statements, the first one's."""
    place = 0
    while place < len(tokens) and tokens[place].text in {"(", ";"}:
        place += 1
    if place == len(tokens) or tokens[place].kind != "word":
        return "", ""
    operation, names = tokens[place].text.upper(), frozenset[str]()
    if operation == "WITH":
        place, names = _behind_with(tokens, place)
        operation = tokens[place].text.upper()
    if operation == "SELECT":
        return operation, _from(tokens, place, names)
    if operation == "DELETE":
        return operation, _from(tokens, place, names) or _name(tokens, place + 1)
    if operation in _INTO or operation == "UPDATE":
        return operation, _name(tokens, place + 1)
    if operation in _DEFINING:
        return _defined(tokens, place)
    if operation in _CALLING or operation in {"COPY", "LOCK", "DESCRIBE"}:
        return operation, _name(tokens, place + 1)
    return operation, ""


def _behind_with(tokens: list[_Token], place: int) -> tuple[int, frozenset[str]]:
    """The place of the main word behind the common table expressions, and their names."""
    names: set[str] = set()
    depth = 0
    for at in range(place + 1, len(tokens)):
        text = tokens[at].text
        depth += (text == "(") - (text == ")")
        if depth == 0 and tokens[at].kind == "word" and text.upper() in _MAIN:
            return at, frozenset(names)
        if (
            depth == 0
            and tokens[at].kind in {"word", "quoted"}
            and tokens[at - 1].text.upper() in {"WITH", "RECURSIVE", ","}
        ):
            names.add(_bare(text))
    return place, frozenset(names)


def _from(tokens: list[_Token], place: int, known: frozenset[str]) -> str:
    """The first table behind FROM: of the statement itself, else of the query inside it, else of what WITH defined."""
    depth, inside, defined = 0, "", False
    for at in range(place, len(tokens)):
        text = tokens[at].text
        depth += (text == "(") - (text == ")")
        if text == ";" or depth < 0:
            break
        if tokens[at].kind != "word" or text.upper() != "FROM":
            continue
        found = _name(tokens, at + 1)
        if found in known:
            defined = True
        elif found and depth == 0:
            return found
        elif found and not inside and _queries(tokens, at):
            inside = found
    return inside or (_source(tokens, place, known) if defined else "")


def _source(tokens: list[_Token], end: int, known: frozenset[str]) -> str:
    """The first table in the common table expressions, which stand before `end`."""
    for at in range(end):
        if tokens[at].kind == "word" and tokens[at].text.upper() == "FROM":
            found = _name(tokens, at + 1)
            if found and found not in known:
                return found
    return ""


def _queries(tokens: list[_Token], at: int) -> bool:
    """Whether the FROM at a place belongs to a query; in `extract(year FROM day)` and the like it does not."""
    depth = 0
    for before in range(at - 1, max(-1, at - 200), -1):
        text = tokens[before].text
        depth += (text == ")") - (text == "(")
        if depth < 0:
            return False
        if depth == 0 and text.upper() in {"SELECT", "DELETE"}:
            return True
    return False


def _defined(tokens: list[_Token], place: int) -> tuple[str, str]:
    operation = tokens[place].text.upper()
    for at in range(place + 1, min(place + 8, len(tokens))):
        word = tokens[at].text.upper()
        if tokens[at].kind == "word" and word in _OBJECTS:
            name = _name(tokens, at + 1)
            return f"{operation} {word}", name if word == "TABLE" else ""
    return operation, _name(tokens, place + 1) if operation == "TRUNCATE" else ""


def _name(tokens: list[_Token], at: int) -> str:
    """The name with its dots that begins at a place, words that may stand before a table passed over; empty: none."""
    while at < len(tokens) and tokens[at].kind == "word" and tokens[at].text.upper() in _BESIDE:
        at += 1
    parts: list[str] = []
    while at < len(tokens) and tokens[at].kind in {"word", "quoted"}:
        parts.append(_bare(tokens[at].text))
        if at + 1 >= len(tokens) or tokens[at + 1].text != ".":
            break
        at += 2
    if len(parts) == 1 and parts[0].upper() in {"SELECT", "VALUES", "WHERE", "SET"}:
        return ""
    return ".".join(part for part in parts if part)


def _bare(text: str) -> str:
    """A name without its quotes."""
    return text[1:-1] if len(text) > 1 and text[0] in '"`[' and text[-1] in '"`]' else text
