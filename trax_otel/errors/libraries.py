"""What third-party exceptions mean, known by their names: no library is imported here.

`RULES[package][class name]` is asked along the exception's MRO. These rules come before the builtins', because all of
`requests` and `urllib.error` are OSErrors while httpx, urllib3, redis, sqlalchemy and botocore are not.
"""

from __future__ import annotations

from typing import Final

from .cloud_libraries import BOTOCORE, google_failed, grpc_failed
from .control_flow import ANSWERS, answered_status
from .database_libraries import ASYNCPG, DJANGO, DRIVER, PSYCOPG, PYMONGO, SQLALCHEMY, SQLITE
from .hierarchy import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    ConnectionError,
    DNSResolutionError,
    InvalidInputError,
    ServiceUnavailableError,
    TimeoutError,
    ValidationError,
)
from .http_libraries import AIOHTTP, HTTPX, REQUESTS, URLLIB3, connection_failed, urllib_failed
from .verdict import MISSING_CREDENTIALS, Always, Rule, Verdict, http


def _answers(error: BaseException) -> Verdict | None:
    """What an application raises to answer a request is what its status says."""
    status = answered_status(error)
    return None if status is None or status < 400 else http(status)


_LIBRARIES: Final[dict[str, dict[str, Rule]]] = {
    "requests": REQUESTS,
    "httpx": HTTPX,
    "urllib3": URLLIB3,
    "urllib": {"HTTPError": urllib_failed, "URLError": urllib_failed, "ContentTooShortError": Always(ConnectionError, True)},
    "http": {"InvalidURL": Always(InvalidInputError), "HTTPException": Always(ConnectionError, True)},
    "aiohttp": AIOHTTP,
    "botocore": BOTOCORE,
    "redis": {
        "AuthenticationError": Always(AuthenticationError),
        "NoPermissionError": Always(AuthenticationError),
        "BusyLoadingError": Always(ServiceUnavailableError, True),
        "TimeoutError": Always(TimeoutError, True),
        "ReadOnlyError": Always(ServiceUnavailableError, True),
        "TryAgainError": Always(ServiceUnavailableError, True),
        "ClusterDownError": Always(ServiceUnavailableError, True),
        "ConnectionError": connection_failed,
        "DataError": Always(InvalidInputError),
        "LockError": Always(ServiceUnavailableError, True),
        "RedisError": Always(APIError, False),
    },
    "sqlalchemy": SQLALCHEMY,
    "django": DJANGO,
    "asyncpg": ASYNCPG,
    "psycopg": PSYCOPG,
    "psycopg2": PSYCOPG,
    "psycopg_pool": PSYCOPG,
    "sqlite3": SQLITE,
    **dict.fromkeys(("pymysql", "MySQLdb", "mysql", "pg8000", "oracledb", "pyodbc"), DRIVER),
    "pymongo": PYMONGO,
    "twisted": {
        "TimeoutError": Always(TimeoutError, True),
        "TCPTimedOutError": Always(TimeoutError, True),
        "DNSLookupError": Always(DNSResolutionError, False),
        "ConnectError": Always(ConnectionError, True),
        "ConnectionClosed": Always(ConnectionError, True),
        "ConnectionLost": Always(ConnectionError, True),
        "ConnectionDone": Always(ConnectionError, True),
    },
    "grpc": {"RpcError": grpc_failed, "FutureTimeoutError": Always(TimeoutError, True)},
    "google": {
        "RetryError": Always(TimeoutError, False),
        "GoogleAPICallError": google_failed,
        "DefaultCredentialsError": lambda _: MISSING_CREDENTIALS,
        "TransportError": Always(ConnectionError, True),
        "RefreshError": Always(AuthenticationError),
        "GoogleAPIError": Always(APIError, False),
    },
    "jsonschema": {"ValidationError": Always(ValidationError), "SchemaError": Always(ConfigurationError)},
    "pydantic_core": {"ValidationError": Always(ValidationError)},
    "fastapi": {"RequestValidationError": Always(ValidationError)},
}  # fmt: skip

RULES: Final[dict[str, dict[str, Rule]]] = {
    package: {**dict.fromkeys(ANSWERS.get(package, ()), _answers), **_LIBRARIES.get(package, {})}
    for package in {**_LIBRARIES, **ANSWERS}
}
