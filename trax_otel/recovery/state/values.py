"""Values to JSON text and back: what cannot be kept is refused with its place and type."""

from __future__ import annotations

import math
from typing import Any, Final

from .errors import UnstorableValueError

MAX_BYTES: Final = 1024 * 1024
"""The largest JSON text of one value (a step's result, the checkpointed data, the arguments), unless told otherwise."""


def encode(value: Any, place: str, max_bytes: int = MAX_BYTES) -> str:
    """The value as compact JSON text. Tuples become lists; nothing else changes on its way there and back.

    Raises:
        UnstorableValueError: it holds what JSON cannot say (another type, a key that is no text, NaN, a cycle, half of
            a surrogate pair), or its text exceeds `max_bytes`; the message names the place, like `result.pages[3].at`.
    """
    import json

    try:
        if type(value) not in _PLAIN:
            _check(value, place, ())
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        size = len(text) if text.isascii() else len(text.encode())
    except RecursionError as error:
        raise UnstorableValueError(f"{place} is nested too deeply for JSON") from error
    except UnicodeEncodeError as error:
        raise UnstorableValueError(f"{place} holds half of a surrogate pair, which is no text") from error
    except ValueError as error:  # a bare float that is NaN or infinite
        raise UnstorableValueError(f"{place} is {value!r}, which JSON cannot say") from error
    if size > max_bytes:
        raise UnstorableValueError(
            f"{place} takes {size} bytes of JSON, {max_bytes} are allowed: keep large data elsewhere and its address here"
        )
    return text


def differing(before: str, now: str) -> str:
    """The names of what differs between two dicts' JSON texts; no values, which may be personal."""
    first, second = decode(before), decode(now)
    names = sorted(name for name in {*first, *second} if first.get(name, ...) != second.get(name, ...))
    return ", ".join(map(repr, names[:5])) + (" …" if len(names) > 5 else "")


def decode(text: str | None) -> Any:
    """The value of a JSON text; None for None."""
    import json

    return None if text is None else json.loads(text)


_PLAIN: Final = (str, int, bool, float, type(None))


def _check(value: Any, place: str, around: tuple[int, ...]) -> None:
    """Refuse what would change silently or not at all: `json` turns the key 1 into "1" and keeps enums' bare values."""
    kind = type(value)
    if kind is float and not math.isfinite(value):
        raise UnstorableValueError(f"{place} is {value!r}, which JSON cannot say")
    if kind in _PLAIN:
        return
    if id(value) in around:
        raise UnstorableValueError(f"{place} contains itself")
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise UnstorableValueError(
                    f"{place} has the key {key!r} of type {_name(type(key))}; JSON's keys are texts"
                )
            _check(item, f"{place}.{key}", (*around, id(value)))
    elif kind in (list, tuple):
        for index, item in enumerate(value):
            _check(item, f"{place}[{index}]", (*around, id(value)))
    else:
        raise UnstorableValueError(
            f"{place} is a {_name(kind)}, which JSON cannot keep: hand over a dict, list, text, number, bool or None"
        )


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
