"""`db.client.operation.duration` for instrumentations of databases and caches that make spans and no metric of their own.

So every query is measured, those too whose spans are left out. A release of contrib that measures by itself is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from .. import semconv
from ..semconv import standard
from ..semconv.standard import first
from ..signals import histogram

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span

_UNMEASURED: Final = frozenset(
    f"opentelemetry.instrumentation.{name}"
    for name in ("asyncpg", "cassandra", "pymemcache", "pymongo", "redis", "tortoiseorm")
)
_OWN: Final = "create_db_client_operation_duration"
"""What an instrumentation that measures by itself imports."""
_duration = histogram(semconv.DB_CLIENT_OPERATION_DURATION)


def measure(span: Span, attributes: Mapping[str, Any], end_time: int) -> None:
    """Record how long a query took, where nobody else does; by the stable names alone, as contrib's own metric is."""
    scope = span.instrumentation_scope
    if scope is None or scope.name not in _UNMEASURED or standard.DB_SYSTEM[0] not in attributes:
        return
    if _measures_itself(scope.name):
        return
    labels = {name: attributes[name] for name in _LABELS if attributes.get(name) is not None}
    labels.setdefault(
        standard.DB_OPERATION[0], first(attributes, *standard.DB_OPERATION) or span.name.partition(" ")[0]
    )
    _duration.record((end_time - (span.start_time or end_time)) / 1e9, labels)


_LABELS: Final = (
    standard.DB_SYSTEM[0], standard.DB_NAMESPACE[0], standard.DB_OPERATION[0], standard.DB_COLLECTION[0],
    standard.SERVER_ADDRESS[0], "server.port", semconv.ERROR_TYPE,
)  # fmt: skip


@lru_cache(maxsize=16)
def _measures_itself(scope: str) -> bool:
    return hasattr(sys.modules.get(scope), _OWN)
