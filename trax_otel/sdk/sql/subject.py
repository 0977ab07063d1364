"""What a statement does, and to which table: enough to name it by, for any text."""

from __future__ import annotations

from typing import Final

from .tokens import Token

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


def subject(tokens: list[Token]) -> tuple[str, str]:
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


def _behind_with(tokens: list[Token], place: int) -> tuple[int, frozenset[str]]:
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


def _from(tokens: list[Token], place: int, known: frozenset[str]) -> str:
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


def _source(tokens: list[Token], end: int, known: frozenset[str]) -> str:
    """The first table in the common table expressions, which stand before `end`."""
    for at in range(end):
        if tokens[at].kind == "word" and tokens[at].text.upper() == "FROM":
            found = _name(tokens, at + 1)
            if found and found not in known:
                return found
    return ""


def _queries(tokens: list[Token], at: int) -> bool:
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


def _defined(tokens: list[Token], place: int) -> tuple[str, str]:
    operation = tokens[place].text.upper()
    for at in range(place + 1, min(place + 8, len(tokens))):
        word = tokens[at].text.upper()
        if tokens[at].kind == "word" and word in _OBJECTS:
            name = _name(tokens, at + 1)
            return f"{operation} {word}", name if word == "TABLE" else ""
    return operation, _name(tokens, place + 1) if operation == "TRUNCATE" else ""


def _name(tokens: list[Token], at: int) -> str:
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
