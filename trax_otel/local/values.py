"""From OTLP values to plain ones that JSON and SQLite take, whatever was sent."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from typing import Any, Final

MAX_TEXT: Final = 128 * 1024
"""Characters of one text that are kept; more is no help to a reader."""
MAX_INTEGER: Final = 2**63 - 1
"""The largest integer that SQLite keeps; also the last nanosecond."""
dumps: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def plain(value: Any) -> Any:
    """An AnyValue as JSON knows it: bytes as base64, what is no finite number as text."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return short(value.string_value)
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return short(base64.b64encode(value.bytes_value).decode("ascii"))
    scalar = getattr(value, kind)
    return str(scalar) if kind == "double_value" and not math.isfinite(scalar) else scalar


def attributes(items: Iterable[Any]) -> dict[str, Any]:
    """KeyValues as a dictionary; of a key that comes twice the last."""
    return {item.key: plain(item.value) for item in items}


def short(text: str) -> str:
    """The text, cut where it is huge."""
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}… ({len(text) - MAX_TEXT} characters more)"


def text_or_none(value: Any) -> str | None:
    """A value as text."""
    return None if value is None else str(value)


def moment(nanoseconds: int) -> int:
    """A time that fits the store."""
    return min(nanoseconds, MAX_INTEGER)


def finite(value: float) -> float | None:
    """A number that JSON knows."""
    return value if math.isfinite(value) else None
