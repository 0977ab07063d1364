"""A message without what varies in it, so that lines of one kind fall together.

One rule for each kind of value, applied in this order. It looks at no other line: the same line has the same template always,
whatever came before, in time linear in its length. (Trees that learn from the lines, such as Drain, merge more, and what they
say depends on the order of arrival.)
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MAX_LENGTH: Final = 500
"""Characters of a message that are looked at."""

_RULES: Final = (
    ("<url>", r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\"<>]+"),
    ("<email>", r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"),
    ("<uuid>", r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"),
    ("<time>", r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b|\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"),
    ("<address>", r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b"),
    ("<text>", r"'[^'\n]{0,200}'|\"[^\"\n]{0,200}\""),
    ("<path>", r"(?<![\w/])(?:/[\w.@%+-]+){2,}/?"),
    ("<hex>", r"\b(?:0x[0-9a-fA-F]+|(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,})\b"),
    ("<number>", r"(?<![\w.])[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?(?=(?:ns|us|µs|ms|s|m|h|d|%|B|kB|KB|MB|GB|KiB|MiB|GiB)?\b|%)"),
    ("<id>", r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{6,}\b"),
)  # fmt: skip
_VALUES: Final = re.compile("|".join(f"({pattern})" for _, pattern in _RULES))
_NAMES: Final = tuple(name for name, _ in _RULES)
_KEPT: Final = re.compile(r"TRAX-\d+|[A-Za-z]+(?:[-_][A-Za-z]+)*\d?")
"""Codes and words with one digit at their end (`utf8`, `http2`) say what kind of line it is."""


def _placeholder(found: re.Match[str]) -> str:
    name = _NAMES[(found.lastindex or 1) - 1]
    return found[0] if name == "<id>" and _KEPT.fullmatch(found[0]) else name


@lru_cache(maxsize=4096)
def template(message: str) -> str:
    """The message's first line with a placeholder for each value: `user 17 not found` is `user <number> not found`."""
    first = message[:MAX_LENGTH].strip().split("\n", 1)[0]
    return " ".join(_VALUES.sub(_placeholder, first).split())
