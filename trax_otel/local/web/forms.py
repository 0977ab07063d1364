"""From the page's search to a Filter, and back into a query string."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from ..asked import attribute, duration_ns, moment_ns
from ..model import Filter
from ..operations import SORTS
from ..records import ENTRY, KINDS

MOST: Final = 1_000
SEVERITIES: Final = {"": 0, "debug": 5, "info": 9, "warn": 13, "error": 17}
FIELDS: Final = (
    "service", "version", "kind", "operation", "sort", "code", "text", "since", "until", "min_duration", "attr", "severity",
    "errors", "limit",
)  # fmt: skip


@dataclass(frozen=True)
class Search:
    """What was asked for, as it was written, and as a Filter; `problems` says what could not be read."""

    written: Mapping[str, str]
    wanted: Filter
    problems: tuple[str, ...]
    since: str = ""
    """How far back it goes where nothing is asked."""

    @property
    def narrowed(self) -> bool:
        """Whether anything narrows the view."""
        return any(
            value
            for key, value in self.written.items()
            if key not in ("limit", "sort") and (key, value) != ("since", self.since)
        )

    def query(self, **changes: object) -> str:
        """The search as a query string, with changes."""
        merged = {**self.written, **{key: str(value) for key, value in changes.items()}}
        return urlencode({key: value for key, value in merged.items() if value}, errors="replace")


def read(given: Mapping[str, str], *, limit: int = 100, since: str = "") -> Search:
    """Read the query parameters; what cannot be read becomes a problem and narrows nothing."""
    written = {name: given.get(name, "").strip() for name in FIELDS}
    written["since"] = written["since"] or since
    problems: list[str] = []

    def parsed(name: str, parse: Callable[[str], Any], default: Any) -> Any:
        if not written[name]:
            return default
        try:
            return parse(written[name])
        except ValueError as error:
            problems.append(str(error))
            return default

    wanted = Filter(
        service=written["service"],
        version=written["version"],
        kind=parsed("kind", _one_of((ENTRY, *KINDS[1:]), "kind"), ""),
        sort=parsed("sort", _one_of(SORTS, "order"), ""),
        operation=written["operation"],
        code=written["code"],
        text=written["text"],
        since_ns=parsed("since", moment_ns, 0),
        until_ns=parsed("until", moment_ns, 0),
        min_duration_ns=parsed("min_duration", duration_ns, 0),
        extra=parsed("attr", lambda text: dict([attribute(text)]), {}),
        min_severity=parsed("severity", _severity, 0),
        errors_only=bool(written["errors"]),
        limit=parsed("limit", _limit, limit),
    )
    return Search(written, wanted, tuple(problems), since)


def _one_of(known: Sequence[str], what: str) -> Callable[[str], str]:
    def checked(written: str) -> str:
        if written not in known:
            raise ValueError(f"{written!r} is no {what}: choose {', '.join(known)}")
        return written

    return checked


def _severity(written: str) -> int:
    if written not in SEVERITIES:
        raise ValueError(f"{written!r} is no severity: choose debug, info, warn or error")
    return SEVERITIES[written]


def _limit(written: str) -> int:
    if not (written.isascii() and written.isdigit() and 1 <= int(written[:9]) <= MOST):
        raise ValueError(f"{written!r} is no limit: write a whole number from 1 to {MOST}")
    return int(written)
