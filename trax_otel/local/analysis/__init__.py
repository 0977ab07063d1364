"""What the stored telemetry says when it is read as a whole: `trax-otel local analyze`.

    rows          the store read in pieces, counted in bounded memory
    patterns      errors and warnings that repeat, and whether they grow
    bottlenecks   where the time goes: each operation's own, and calls that repeat under one parent
    security      security events, and what among them looks like an attack
    usage         who asks what, when, and how often it fails
    changes       what the newest part does differently from what came before

Pure functions of the store's rows. Each part is a list of plain frozen records; an empty one means that nothing was found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..model import Filter
from ..queries import Queries
from . import bottlenecks, changes, patterns, security, usage

SCHEMA_VERSION: Final = 1


def _named(lists: tuple[list[Any], ...], *names: str) -> dict[str, list[Any]]:
    return dict(zip(names, lists, strict=True))


PARTS: Final[dict[str, Callable[[Queries, Filter], dict[str, list[Any]]]]] = {
    "patterns": lambda queries, wanted: {"patterns": patterns.patterns(queries, wanted)},
    "slowest": lambda queries, wanted: _named(bottlenecks.slowest(queries, wanted), "bottlenecks", "repeated_calls"),
    "security": lambda queries, wanted: _named(security.security(queries, wanted), "security_incidents", "security_events"),
    "usage": lambda queries, wanted: {"usage": usage.usage(queries, wanted)},
    "changes": lambda queries, wanted: {"changes": changes.changes(queries, wanted)},
}  # fmt: skip
"""What `--only` chooses, and the lists that each part gives."""


def analyze(queries: Queries, wanted: Filter, only: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    """Every part that is asked for (all, where none is named), by the names that the JSON has."""
    return {
        name: records
        for part in only or tuple(PARTS)
        for name, records in PARTS[part](queries, wanted).items()
    }  # fmt: skip


__all__ = ["PARTS", "SCHEMA_VERSION", "analyze"]
