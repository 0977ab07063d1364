"""sqlite3's short ways: what a connection executes itself is a query too, and it is most of them (aiosqlite's all are).

OpenTelemetry's instrumentor hands out connections whose cursors are observed; their own `execute` goes past it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from .adoption import adopt

_NAMES: Final = ("execute", "executemany")


def observe_short_queries() -> None:
    """Let an observed connection of sqlite3 execute by an observed cursor, as sqlite3 says that it does."""
    adopt("sqlite3", "opentelemetry.instrumentation.dbapi", _hook)


def _hook() -> None:
    proxy: Any = sys.modules["opentelemetry.instrumentation.dbapi"].TracedConnectionProxy
    for name in _NAMES:
        if name not in vars(proxy):
            setattr(proxy, name, _Shortcut(name))


class _Shortcut:
    """A method of the connection; where it is not sqlite3's own (another library's, or a subclass's) it stays what it is."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, proxy: Any, owner: Any = None) -> Any:
        if proxy is None:
            return self
        connection = proxy.__wrapped__
        own = getattr(connection, self._name)
        plain: Any = getattr(sys.modules.get("sqlite3"), "Connection", None)
        if getattr(type(connection), self._name, None) is not getattr(plain, self._name, self):
            return own
        return partial(_by_cursor, proxy.cursor, self._name)


def _by_cursor(cursor: Callable[[], Any], name: str, *arguments: Any) -> Any:
    return getattr(cursor(), name)(*arguments)
