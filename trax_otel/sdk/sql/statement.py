"""SQL for telemetry: literals and comments taken out of the text, and what it does to which table.

A tokenizer, not a parser: each token is looked at once, so the time is linear in the text's length, and what is no SQL comes back
without its literals too. Where dialects contradict each other, the one that shows less wins.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from .subject import subject
from .tokens import LITERAL, UNSEEN, Token, tokens

MAX_LENGTH: Final = 8_192
"""Characters of a statement that are looked at and kept; the rest is cut off."""
_MAX_NAME: Final = 128

NOT_SQL: Final = frozenset({
    "redis", "mongodb", "memcached", "elasticsearch", "opensearch", "aws.dynamodb", "dynamodb", "couchdb", "couchbase",
    "neo4j", "hbase", "azure.cosmosdb", "cosmosdb", "gcp.firestore", "influxdb", "geode",
})  # fmt: skip
"""Values of `db.system.name` and `db.system` whose statements are not SQL."""


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
    found = list(tokens(text, system))
    try:
        operation, collection = subject([token for token in found if token.kind not in UNSEEN])
    except IndexError:  # it ends in the middle
        operation, collection = "", ""
    return Statement(_without_lists(found) + ("…" if cut else ""), operation, collection[:_MAX_NAME])


def _without_lists(found: list[Token]) -> str:
    """The text, each list of values after IN as `(?)` and of several rows after VALUES the first."""
    pieces: list[str] = []
    place = 0
    before = ""
    while place < len(found):
        token = found[place]
        if token.text == "(" and before in {"IN", "VALUES"}:
            end = _end_of_list(found, place)
            if end:
                several = sum(one.kind in _VALUES for one in found[place:end]) > 1
                shorter = before == "IN" and several
                pieces += [f"({LITERAL})"] if shorter else [one.text for one in found[place:end]]
                place = end if before == "IN" else _end_of_rows(found, end)
                before = ")"
                continue
        if token.kind not in UNSEEN:
            before = token.text.upper()
        pieces.append(token.text)
        place += 1
    return "".join(pieces).strip()


_VALUES: Final = ("literal", "placeholder")


def _end_of_list(found: list[Token], place: int) -> int:
    """The place behind `(?, ?)` that begins at `place`; 0 where it holds anything else than values."""
    for behind in range(place + 1, len(found)):
        token = found[behind]
        if token.text == ")":
            return behind + 1
        if token.kind not in _VALUES and token.kind not in UNSEEN and token.text not in {",", "-", "+"}:
            return 0
    return 0


def _end_of_rows(found: list[Token], place: int) -> int:
    """The place behind the further rows that follow one row of values."""
    while True:
        behind = _next_seen(found, place)
        if behind >= len(found) or found[behind].text != ",":
            return place
        behind = _next_seen(found, behind + 1)
        end = _end_of_list(found, behind) if behind < len(found) and found[behind].text == "(" else 0
        if not end:
            return place
        place = end


def _next_seen(found: list[Token], place: int) -> int:
    while place < len(found) and found[place].kind in UNSEEN:
        place += 1
    return place
