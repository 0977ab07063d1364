"""What an answer means that came without an exception: by the same tables that classify exceptions.

The attributes of a span tell it: an HTTP status, a gRPC status, a database's SQLSTATE; stable names first, then those of older
instrumentations. What a client asked wrongly is the client's error and none of the server's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .. import semconv
from ..semconv import standard
from ..semconv.standard import first
from ..signals import ErrorFacts
from .classification import _retryable
from .codes import error_code
from .database_libraries import mysql_number, sql_state
from .verdict import Verdict, grpc_status, http

GRPC_STATUSES: Final = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""By their numbers."""
_SERVERS_FAULT: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
_NONE: Final = frozenset({"OK", "CANCELLED"})
"""Neither success nor a caller who gave up is an error."""
_HOW: Final = (*standard.HTTP_METHOD, *standard.RPC_SERVICE, *standard.DB_SYSTEM)
_WHERE: Final = (*standard.HTTP_ROUTE, *standard.RPC_METHOD, *standard.DB_COLLECTION, *standard.SERVER_ADDRESS)
"""What tells answers of one kind apart, and has not endlessly many values."""


def answer_facts(attributes: Mapping[str, Any], *, server: bool) -> ErrorFacts | None:
    """The facts of the error that a span's answer is; None where it is none. `server`: the span gave the answer."""
    found = _by_http(attributes, server=server) or _by_grpc(attributes, server=server) or _by_database(attributes)
    if found is None:
        return None
    name, verdict = found
    registered = error_code(verdict.kind.default_code)
    if registered is None:
        return None
    kind = str(attributes.get(semconv.ERROR_TYPE) or name)
    place = [str(first(attributes, *names) or "") for names in (_HOW, _WHERE)]
    return ErrorFacts(
        kind, registered.code, registered.category, _retryable(verdict), _fingerprint(registered.code, kind, *place),
        registered.severity,
    )  # fmt: skip


def _by_http(attributes: Mapping[str, Any], *, server: bool) -> tuple[str, Verdict] | None:
    status = first(attributes, *standard.HTTP_STATUS)
    if type(status) is not int or not (500 if server else 400) <= status <= 599:
        return None
    method = first(attributes, *standard.HTTP_METHOD)
    return str(status), http(status, None, method if isinstance(method, str) else None)


def _by_grpc(attributes: Mapping[str, Any], *, server: bool) -> tuple[str, Verdict] | None:
    value = first(attributes, *standard.RPC_STATUS)
    if type(value) is int and 0 <= value < len(GRPC_STATUSES):
        value = GRPC_STATUSES[value]
    if value not in GRPC_STATUSES or value in _NONE or (server and value not in _SERVERS_FAULT):
        return None
    return value, grpc_status(value)


def _by_database(attributes: Mapping[str, Any]) -> tuple[str, Verdict] | None:
    state = first(attributes, *standard.DB_STATUS)
    if not isinstance(state, str):
        return None
    verdict = sql_state(state) if len(state) == 5 else mysql_number(int(state)) if state.isdecimal() else None
    return None if verdict is None else (str(state), verdict)


def _fingerprint(*parts: str) -> str:
    from hashlib import blake2b

    return blake2b("|".join(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()
