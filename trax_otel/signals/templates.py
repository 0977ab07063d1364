"""A message without what varies in it, so that lines of one kind fall together.

One rule for each kind of value, applied in this order. It looks at no other line: the same line has the same template always,
whatever came before. (Trees that learn from the lines, such as Drain, merge more, and what they say depends on the order of
arrival.)
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MOST_CHARACTERS: Final = 500
"""Of a message, a name or an address: what follows is no help to tell one kind from another."""

_CLOCK: Final = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_PART: Final = "[0-9a-fA-F]{1,4}"
_SIX: Final = (
    rf"(?<![\w:])(?:(?:{_PART}:){{5,7}}{_PART}"
    rf"|(?=[a-fA-F:]*\d)(?:(?:{_PART}:){{1,6}}|:)(?:(?::{_PART}){{1,6}}|:))(?![\w:])"
)
"""IPv6 addresses, MAC addresses too."""
_RULES: Final = (
    ("<url>", r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\"<>]+"),
    ("<email>", r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    ("<uuid>", r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"),
    ("<time>", rf"\b{_CLOCK}\b|\b\d{{4}}-\d\d-\d\d(?:[T ](?:{_CLOCK}|\d\d:\d\d)(?:Z|[+-]\d\d:?\d\d)?)?\b"),
    ("<address>", rf"\b\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d{{1,5}})?\b|{_SIX}"),
    # An apostrophe is no quotation mark, and what a colon follows is a key. Beside `<` or `>` a value may have stood.
    ("<text>", r"(?<![\w>])(?:'[^'\n]*'|\"[^\"\n]*\")(?![\w<]|\s*:)"),
    ("<path>", r"(?<![\w/>])(?:/[\w.@%+-]+){2,}/?"),
    ("<hex>", r"\b(?:0x[0-9a-fA-F]+|(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,})\b"),
    ("<number>", r"(?<![\w.])[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?(?=(?:ns|us|µs|ms|s|m|h|d|%|B|kB|KB|MB|GB|KiB|MiB|GiB)?\b|%)"),
    ("<id>", r"(?<!\w)(?=[\w-]*\d)(?=[\w-]*[^\W\d])\w[\w-]*(?:\.\d+\b)*"),
)  # fmt: skip
_VALUES: Final = re.compile("|".join(f"({pattern})" for _, pattern in _RULES))
_NAMES: Final = tuple(name for name, _ in _RULES)
_CODE: Final = re.compile(r"TRAX-\d+")
_MIXED: Final = re.compile(r"\d[^\W\d_]")
_DIGITS: Final = re.compile(r"\d+(?:\.\d+)*")
LEAST_ID: Final = 6
"""Shorter ones (`k8s`, `5xx`) are words."""


@lru_cache(maxsize=4096)
def _template(message: str) -> str:
    return " ".join(_VALUES.sub(_placeholder, message).split())


def template(message: str) -> str:
    """The message's first line with a placeholder for each value: `user 17 not found` is `user <number> not found`."""
    return _template(message.lstrip()[:MOST_CHARACTERS].split("\n", 1)[0])


def _placeholder(found: re.Match[str]) -> str:
    """What stands for a value. Of `order-4711` and `worker3` the word stays; an error's code says what kind of line it is."""
    name, value = _NAMES[(found.lastindex or 1) - 1], found[0]
    if name != "<id>":
        return name
    if _CODE.fullmatch(value):
        return value
    if _MIXED.search(value):
        return name if len(value) >= LEAST_ID else value
    return _DIGITS.sub("<number>", value)
