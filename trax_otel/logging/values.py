"""Values of any kind, made fit for a log line or an OTLP attribute: bounded, valid text, never raising.

Whatever a caller hands to a log call may be cyclic, huge, not serialisable, or raise when it is looked at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any, Final

try:
    from _json import encode_basestring_ascii  # of `json` all that is needed
except ImportError:  # an interpreter that is not CPython
    from json.encoder import encode_basestring_ascii

MAX_TEXT: Final = 131_072
"""Characters kept of one text in a log line."""
MAX_ATTRIBUTE_TEXT: Final = 8_192
"""Characters kept of one text in an OTLP attribute."""
MAX_ITEMS: Final = 128
"""Items kept of one container."""
MAX_DEPTH: Final = 6
"""Containers within containers that are followed."""
_MAX_NODES: Final = 2_048
_MAX_INT_BITS: Final = 4_096

quote: Final = encode_basestring_ascii
"""A text as a JSON string in ASCII: CR, LF, ESC and U+2028 come out as escapes."""

# What could end a line, start a terminal sequence or turn the reading direction round; the tab stays.
_UNSAFE: Final = "[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
_SHORT: Final = {"\n": "\\n", "\r": "\\r"}


# --- Text ------------------------------------------------------------------------------------------------------------------


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Valid Unicode of at most `limit` characters; a lone surrogate becomes U+FFFD."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def text_of(value: object, limit: int = MAX_TEXT) -> str:
    """`str(value)`, cleaned; a text that says so where `__str__` raises."""
    try:
        text = value if type(value) is str else str.__str__(str(value))
    except Exception as failure:
        return f"<{type(value).__name__}: its __str__ raised {type(failure).__name__}>"
    return clean(text, limit)


def one_line(text: str) -> str:
    """The text with everything escaped that could forge a line or steer a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return _unsafe().sub(_escaped, text)


@cache
def _unsafe() -> re.Pattern[str]:
    # Compiled when first asked for: that takes as long as importing several modules.
    return re.compile(_UNSAFE)


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    return _SHORT.get(character) or (f"\\x{ord(character):02x}" if character < "\x80" else f"\\u{ord(character):04x}")


# --- JSON ------------------------------------------------------------------------------------------------------------------


def json_value(value: Any) -> str:
    """One value as JSON text on one line, valid for every parser."""
    kind = type(value)
    if kind is str:
        return quote(value if value.isascii() and len(value) <= MAX_TEXT else clean(value))
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int and value.bit_length() <= _MAX_INT_BITS:
        return int.__repr__(value)
    if kind is float and math.isfinite(value):
        return float.__repr__(value)
    try:
        return _written(plain(value))
    except Exception as failure:  # an object that changed while it was read, or the end of the stack
        return quote(f"<{kind.__name__}: {type(failure).__name__}>")


def _written(tree: Any) -> str:
    """What `plain` gave as JSON text."""
    if type(tree) is dict:
        return f"{{{','.join([f'{quote(key)}:{_written(value)}' for key, value in tree.items()])}}}"
    if type(tree) is list:
        return f"[{','.join([_written(item) for item in tree])}]"
    return json_value(tree)


def ids_text(correlation_id: object, trace_id: object, span_id: object) -> str:
    """Correlation id, trace id and span id as JSON text."""
    return f'"correlation_id":{json_value(correlation_id)},"trace_id":{json_value(trace_id)},"span_id":{json_value(span_id)}'


def plain(value: object) -> Any:
    """The value as a tree of dict, list, str, int, float, bool and None that `json` can write; never cyclic, bounded."""
    return _plain(value, MAX_DEPTH, [_MAX_NODES], set())


def _plain(value: object, depth: int, budget: list[int], above: set[int]) -> Any:
    budget[0] -= 1
    if value is None or value is True or value is False:
        return value
    if isinstance(value, (str, bytes, bytearray)):
        return clean(str.__str__(value) if isinstance(value, str) else value[:MAX_TEXT].decode("utf-8", "replace"))
    if isinstance(value, int):
        return int(value) if int.bit_length(value) <= _MAX_INT_BITS else "<int: too large>"
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else float.__repr__(value)
    if isinstance(value, (Mapping, list, tuple, AbstractSet)):
        if id(value) in above:
            return "<cycle>"
        if depth == 0 or budget[0] <= 0:
            return f"<{type(value).__name__}>"
        above.add(id(value))
        try:
            return _container(value, depth - 1, budget, above)
        except Exception as failure:  # an iterator of the value's own that raises
            return f"<{type(value).__name__}: {type(failure).__name__}>"
        finally:
            above.discard(id(value))
    return text_of(value)


def _container(
    value: Mapping[Any, Any] | list[Any] | tuple[Any, ...] | AbstractSet[Any],
    depth: int,
    budget: list[int],
    above: set[int],
) -> Any:
    if isinstance(value, Mapping):
        pairs: dict[str, Any] = {}
        for count, key in enumerate(list(value)):
            if count == MAX_ITEMS or budget[0] <= 0:
                pairs["…"] = f"{len(value) - count} more"
                break
            pairs[text_of(key, 256)] = _plain(value[key], depth, budget, above)
        return pairs
    items: list[Any] = []
    for count, item in enumerate(list(value)):
        if count == MAX_ITEMS or budget[0] <= 0:
            items.append(f"… {len(value) - count} more")
            break
        items.append(_plain(item, depth, budget, above))
    return items


def attribute(value: Any) -> Any:
    """The value as an OTLP attribute: a scalar, a list of scalars of one kind, else JSON text."""
    kind = type(value)
    if kind is str:
        return clean(value, MAX_ATTRIBUTE_TEXT)
    if kind is bool or kind is float:
        return value
    if kind is int and -(2**63) <= value < 2**63:
        return value
    if value is None:
        return ""
    if kind in {list, tuple} and len(value) <= MAX_ITEMS:
        kinds = set(map(type, value))
        if kinds == {str}:
            return [clean(item, 1024) for item in value]
        if kinds in ({bool}, {float}) or (kinds == {int} and -(2**63) <= min(value) <= max(value) < 2**63):
            return list(value)
    if isinstance(value, (str, bytes, bytearray, Mapping, list, tuple, AbstractSet)):
        tree = plain(value)
        return clean(tree if isinstance(tree, str) else json_value(tree), MAX_ATTRIBUTE_TEXT)
    return text_of(value, MAX_ATTRIBUTE_TEXT)
