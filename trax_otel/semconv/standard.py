"""Attributes that instrumentations set and this package reads, each by its stable name first and its older names after it.

Which of them a service sends is its choice (docs/conventions.md): whoever reads spans asks for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Names = tuple[str, ...]

HTTP_STATUS: Final[Names] = ("http.response.status_code", "http.status_code")
HTTP_METHOD: Final[Names] = ("http.request.method", "http.method")
HTTP_ROUTE: Final[Names] = ("http.route",)
URL_FULL: Final[Names] = ("url.full", "http.url")
URL_PATH: Final[Names] = ("url.path", "http.target")
URL_QUERY: Final[Names] = ("url.query",)
SERVER_ADDRESS: Final[Names] = ("server.address", "net.peer.name")
CLIENT_ADDRESS: Final[Names] = ("client.address", "http.client_ip", "net.peer.ip", "net.sock.peer.addr")
RPC_SYSTEM: Final[Names] = ("rpc.system.name", "rpc.system")
RPC_SERVICE: Final[Names] = ("rpc.service",)
RPC_METHOD: Final[Names] = ("rpc.method",)
RPC_STATUS: Final[Names] = ("rpc.response.status_code", "rpc.grpc.status_code")
DB_SYSTEM: Final[Names] = ("db.system.name", "db.system")
DB_QUERY_TEXT: Final[Names] = ("db.query.text", "db.statement")
DB_OPERATION: Final[Names] = ("db.operation.name", "db.operation")
DB_COLLECTION: Final[Names] = ("db.collection.name", "db.sql.table")
DB_NAMESPACE: Final[Names] = ("db.namespace", "db.name")
DB_STATUS: Final[Names] = ("db.response.status_code",)

USER_AGENT: Final[Names] = ("user_agent.original", "http.user_agent")

_RENAMED: Final[tuple[Names, ...]] = (
    HTTP_STATUS, HTTP_METHOD, URL_FULL, URL_PATH, SERVER_ADDRESS, CLIENT_ADDRESS, RPC_SYSTEM, RPC_STATUS, DB_SYSTEM,
    DB_QUERY_TEXT, DB_OPERATION, DB_COLLECTION, DB_NAMESPACE, USER_AGENT,
)  # fmt: skip

METRICS: Final[tuple[Names, ...]] = (
    ("http.server.request.duration", "http.server.duration"),
    ("http.client.request.duration", "http.client.duration"),
    ("http.server.request.body.size", "http.server.request.size"),
    ("http.server.response.body.size", "http.server.response.size"),
    ("http.client.request.body.size", "http.client.request.size"),
    ("http.client.response.body.size", "http.client.response.size"),
)
"""Metrics that have another name since the conventions are stable; the durations are seconds now and were milliseconds."""

URLS: Final[Names] = (*URL_FULL, *URL_QUERY, "http.target")
"""What may hold a URL with a query."""


def same_attribute(name: str) -> Names:
    """The name, and the other names of what it means, stable ones first."""
    for names in _RENAMED:
        if name in names:
            return names
    return (name,)


def same_metric(name: str) -> Names:
    """The name first, then the other name of that metric, if it has one."""
    for names in METRICS:
        if name in names:
            return (name, *(other for other in names if other != name))
    return (name,)


def first(attributes: Mapping[str, Any], *names: str) -> Any:
    """The value of the first of these names that is there, or None."""
    for name in names:
        value = attributes.get(name)
        if value is not None:
            return value
    return None
