"""The last good answers, by key: how old they are, and whether they may still be given."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from ... import clock, lifecycle
from ...errors import InvalidConfigError
from ...errors.awaiting import refuse_awaitable

DEFAULT_STALE_FOR: Final = 3600.0
DEFAULT_ENTRIES: Final = 1024

KeyFunction = Callable[..., Hashable]
"""Called with the operation's arguments; what it returns names the answer."""


class CachedAnswer:
    """An answer that was kept. `age` is seconds; `stale` is True from the end of its fresh time on."""

    __slots__ = ("age", "stale", "value")

    def __init__(self, value: Any, age: float, stale: bool) -> None:
        self.value = value
        self.age = age
        self.stale = stale

    def __repr__(self) -> str:  # the value may be what must not be logged
        return f"CachedAnswer(age={self.age:g}, stale={self.stale})"


class ResponseCache:
    """Keeps good answers: fresh for `fresh_for` seconds, then stale for `stale_for` more (as HTTP's `stale-if-error`), and
    then gone. Of more than `max_entries`, those asked for the longest ago go first. Threads and tasks may share it.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    def __init__(
        self, *, fresh_for: float = 0.0, stale_for: float = DEFAULT_STALE_FOR, max_entries: int = DEFAULT_ENTRIES
    ) -> None:
        self._lock = lifecycle.ForkSafeLock()
        self.fresh_for = seconds("fresh_for", fresh_for)
        self.stale_for = seconds("stale_for", stale_for)
        if isinstance(max_entries, bool) or not isinstance(max_entries, int) or max_entries < 1:
            raise InvalidConfigError(f"max_entries={max_entries!r}: a whole number from 1 is needed")
        self.max_entries = max_entries
        self._entries: OrderedDict[Hashable, tuple[Any, float]] = OrderedDict()

    def put(self, key: Hashable, value: Any) -> None:
        """Keep an answer; its age counts from now."""
        now = clock.current().monotonic()
        with self._lock:
            self._entries[key] = value, now
            self._entries.move_to_end(key)
            while len(self._entries) > self.max_entries:
                self._entries.popitem(last=False)

    def get(self, key: Hashable) -> CachedAnswer | None:
        """The answer kept under this key; None where there is none or it is too old."""
        now = clock.current().monotonic()
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            value, stored = entry
            age = now - stored
            if age > self.fresh_for + self.stale_for:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
        return CachedAnswer(value, age, age >= self.fresh_for)

    def forget(self, key: Hashable) -> bool:
        """Take an answer out; False where there was none."""
        with self._lock:
            return self._entries.pop(key, None) is not None

    def clear(self) -> None:
        """Take all answers out."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        return True


def key_of(operation: str, function: KeyFunction | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable:
    """What names the answer to this call: a single argument itself, else all of them, or what `function` says.

    Raises:
        TypeError: the key cannot be hashed.
    """
    if function is not None:
        key = refuse_awaitable(function, function(*args, **kwargs))
    elif len(args) == 1 and not kwargs:
        key = args[0]
    else:
        key = (args, tuple(sorted(kwargs.items(), key=_name)) if kwargs else ())
    try:
        hash(key)
    except TypeError as error:
        what = "an argument" if function is None else "what key= returned"
        raise TypeError(
            f"{operation}: {what} cannot be the key of a cached answer ({error}); give key=, a function of the "
            "arguments that returns a text, a number or a tuple of them"
        ) from None
    return key


def seconds(argument: str, value: float, above_zero: bool = False) -> float:
    """A length of time. Raises InvalidConfigError where it is none."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
    if not number or value < 0 or (above_zero and value == 0):
        raise InvalidConfigError(f"{argument}={value!r}: seconds are needed, {'above' if above_zero else 'from'} 0")
    return float(value)


def _name(item: tuple[str, Any]) -> str:
    return item[0]
