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

URLS: Final[Names] = (*URL_FULL, *URL_QUERY, "http.target")
"""What may hold a URL with a query."""


def first(attributes: Mapping[str, Any], *names: str) -> Any:
    """The value of the first of these names that is there, or None."""
    for name in names:
        value = attributes.get(name)
        if value is not None:
            return value
    return None
