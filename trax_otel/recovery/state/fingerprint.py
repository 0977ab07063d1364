"""What a step was called with, as a short text that two runs can compare; the arguments themselves are not kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

_EXACT: Final = "="
_BY_ORDER: Final = "~"
_MOST_VALUES: Final = 100_000
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_SAID_BY_REPR: Final = {
    "datetime": ("datetime", "date", "time", "timedelta", "timezone"), "decimal": ("Decimal",), "uuid": ("UUID",),
    "fractions": ("Fraction",), "pathlib": ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
    "builtins": ("complex", "range"),
}  # fmt: skip


def fingerprint(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """A text that is equal for equal arguments, in every process. Never raises.

    Compared are numbers, texts, bytes, dates, ids, paths, enums, dataclasses and what lists, tuples, sets and dicts hold of
    them; of partials, lambdas and defaults what they bring along. Other objects count as equal to each other.
    """
    brought = [*_brought(function)]
    reading = _Reading()
    if not (args or kwargs or brought):
        return _BY_ORDER
    try:
        reading.read([brought, args, dict(kwargs)])
    except Exception:  # a `repr` or an attribute of the user's, or nested too deeply
        return _BY_ORDER
    return (_EXACT if reading.exact else _BY_ORDER) + reading.digest()


def told_apart(arguments: str | None) -> bool:
    """Whether equal fingerprints mean equal calls; else only their order tells calls apart."""
    return arguments is not None and arguments.startswith(_EXACT)


def _brought(function: Any) -> Iterator[Any]:
    """The values that come with the function itself."""
    while isinstance(function, functools.partial):
        yield function.args
        yield function.keywords
        function = function.func
    for name in ("__defaults__", "__kwdefaults__"):
        values = getattr(function, name, None)
        if isinstance(values, (tuple, dict)) and values:
            yield values
    # Of a lambda the variables too, as in `lambda: send(item)`; other functions may change theirs while they run.
    if getattr(function, "__name__", "") == "<lambda>":
        for cell in getattr(function, "__closure__", None) or ():
            value = _content(cell)
            if type(value) in _PLAIN or type(value) is tuple:
                yield value


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


class _Reading:
    """Reads values into a digest. `exact`: it has seen all that they are."""

    def __init__(self) -> None:
        import hashlib

        self.exact = True
        self._left = _MOST_VALUES
        self._hash = hashlib.sha256()

    def digest(self) -> str:
        return self._hash.hexdigest()[:24]

    def read(self, value: Any) -> None:
        """Take a value in, and what it holds."""
        kind = type(value)
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many values")
        if kind in _PLAIN:
            self._say(kind.__name__, repr(value))
        elif kind in (list, tuple):
            self._say("list", str(len(value)))
            for item in value:
                self.read(item)
        elif kind is dict:
            self._say("dict", str(len(value)))
            for key in sorted(value, key=repr):
                self.read(key)
                self.read(value[key])
        elif kind in (set, frozenset):
            self._say("set", str(len(value)))
            for item in sorted(value, key=repr):
                self.read(item)
        elif kind is bytes:
            self._say("bytes", str(len(value)))
            self._hash.update(value)
        else:
            self._read_object(value, kind)

    def _read_object(self, value: Any, kind: type) -> None:
        import dataclasses
        import enum

        if isinstance(value, enum.Enum):
            self._say(kind.__qualname__, value.name)
        elif kind.__qualname__ in _SAID_BY_REPR.get(kind.__module__.partition(".")[0], ()):
            self._say(kind.__qualname__, repr(value))
        elif dataclasses.is_dataclass(kind):
            self._say(kind.__qualname__, "")
            for field in dataclasses.fields(kind):
                self.read(field.name)
                self.read(getattr(value, field.name))
        else:
            self.exact = False
            self._say("?", "")

    def _say(self, kind: str, text: str) -> None:
        self._hash.update(f"{kind}\x1f{text}\x1e".encode("utf-8", "surrogatepass"))
