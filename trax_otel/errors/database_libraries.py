"""What the exceptions of databases' drivers and of what is built on them mean.

Drivers follow PEP 249: their classes bear the same names, and say little. SQLSTATE, MySQL's numbers and SQLite's messages say
more, and go first. A wrapper (SQLAlchemy, Django) is what the driver's own error is. Retryable means: the whole transaction.
"""

from __future__ import annotations

from typing import Any, Final

from .hierarchy import (
    AuthenticationError,
    ConfigurationError,
    CorruptedFileError,
    DatabaseConnectionError,
    DatabaseError,
    DatabaseIntegrityError,
    DatabaseLockError,
    DatabaseQueryError,
    DatabaseTimeoutError,
    DiskSpaceError,
    DNSResolutionError,
    InvalidConfigError,
    InvalidInputError,
    ServiceUnavailableError,
)
from .verdict import Always, Rule, Verdict

CONNECTION: Final = Verdict(DatabaseConnectionError, True)
FAILED: Final = Verdict(DatabaseError, False)
INTEGRITY: Final = Verdict(DatabaseIntegrityError, False)
LOCK: Final = Verdict(DatabaseLockError, True)
QUERY: Final = Verdict(DatabaseQueryError, False)
TIMEOUT: Final = Verdict(DatabaseTimeoutError, True)
_CANCELLED: Final = Verdict(DatabaseTimeoutError, False)
_INPUT: Final = Verdict(InvalidInputError, False)
_REFUSED: Final = Verdict(AuthenticationError, False)
_NOT_SET_UP: Final = Verdict(ConfigurationError, False)
_FULL: Final = Verdict(DiskSpaceError, False)

_SQL_CLASSES: Final[dict[str, Verdict]] = {
    "07": QUERY,
    "08": CONNECTION,
    "0A": QUERY,
    "21": QUERY,
    "22": _INPUT,
    "23": INTEGRITY,
    "25": QUERY,
    "28": _REFUSED,
    "3D": _NOT_SET_UP,
    "3F": QUERY,
    "40": LOCK,
    "42": QUERY,
    "53": Verdict(ServiceUnavailableError, True),
    "54": QUERY,
    "58": Verdict(ServiceUnavailableError, False),
    "XX": FAILED,
}
_SQL_STATES: Final[dict[str, Verdict]] = {
    "25P03": Verdict(DatabaseTimeoutError, True),
    "40002": INTEGRITY,
    "40003": Verdict(DatabaseConnectionError, False),  # nobody knows whether it was carried out
    "42501": _REFUSED,
    "53100": _FULL,
    "53300": CONNECTION,
    "55P03": LOCK,
    "57014": _CANCELLED,
    "57P01": CONNECTION,
    "57P02": CONNECTION,
    "57P03": CONNECTION,
    "57P05": CONNECTION,
}


def sql_state(state: str | None) -> Verdict | None:
    """By SQLSTATE."""
    if not state:
        return None
    return _SQL_STATES.get(state) or _SQL_CLASSES.get(state[:2])


_MYSQL: Final[dict[int, Verdict]] = {
    **dict.fromkeys((1022, 1048, 1062, 1169, 1216, 1217, 1364, 1451, 1452, 1557, 1586, 3819, 4025), INTEGRITY),
    **dict.fromkeys((1205, 1213, 3572), LOCK),
    **dict.fromkeys((1040, 1053, 1203, 2002, 2003, 2006, 2013, 2055), CONNECTION),
    **dict.fromkeys((1317, 1969, 3024), _CANCELLED),
    **dict.fromkeys((1044, 1045, 1142, 1143, 1227, 1698), _REFUSED),
    **dict.fromkeys((1021, 1114), _FULL),
    **dict.fromkeys((1264, 1265, 1292, 1366, 1406), _INPUT),
    **dict.fromkeys((1051, 1052, 1054, 1060, 1064, 1091, 1136, 1146, 1149, 1290, 1305), QUERY),
    1049: _NOT_SET_UP,
    2005: Verdict(DNSResolutionError, False),
}


def mysql_number(number: object) -> Verdict | None:
    """By the number of an error of MySQL or MariaDB."""
    return _MYSQL.get(number) if isinstance(number, int) else None


_SQLITE: Final[tuple[tuple[str, Verdict], ...]] = (
    ("locked", LOCK),
    ("busy", LOCK),
    ("constraint failed", INTEGRITY),
    ("unable to open", Verdict(DatabaseConnectionError, False)),
    ("closed database", Verdict(DatabaseConnectionError, False)),
    ("is full", _FULL),
    ("malformed", Verdict(CorruptedFileError, False)),
    ("not a database", Verdict(CorruptedFileError, False)),
    ("interrupted", _CANCELLED),
)


def sqlite_message(text: str) -> Verdict | None:
    """SQLite has no SQLSTATE; its message tells."""
    lowered = text.lower()
    return next((verdict for words, verdict in _SQLITE if words in lowered), None)


_CONNECTING: Final[tuple[tuple[tuple[str, ...], Verdict], ...]] = (
    (("authentication failed", "no password supplied"), _REFUSED),
    (
        ("translate host name", "name or service not known", "failed to resolve host"),
        Verdict(DNSResolutionError, False),
    ),
    (("timeout",), TIMEOUT),
)
"""What libpq says where there is no SQLSTATE yet."""


def of_driver(error: Any) -> Verdict | None:
    """By what a driver's error says of itself: SQLSTATE, number or message; None where its class has to tell."""
    known = sql_state(_text(error, "sqlstate") or _text(error, "pgcode"))
    if known is not None:
        return known
    driver = type(error).__module__.partition(".")[0]
    if driver == "sqlite3":
        return sqlite_message(str(error))
    if driver.startswith("psycopg"):
        return _connecting(str(error).lower())
    return mysql_number(error.args[0]) if error.args else None


def _connecting(text: str) -> Verdict | None:
    if "does not exist" in text and ("database" in text or "role" in text):
        return _NOT_SET_UP
    return next((verdict for said, verdict in _CONNECTING if any(words in text for words in said)), None)


def _text(error: Any, name: str) -> str | None:
    value = getattr(error, name, None)
    return value if isinstance(value, str) else None


def _or(fallback: Verdict) -> Rule:
    """A rule for a driver's class, which goes by what the error says of itself where it does."""
    return lambda error: of_driver(error) or fallback


def _wrapping(fallback: Verdict) -> Rule:
    """A rule for a wrapper: what the driver's own error is; else what the wrapper's class says."""

    def rule(error: Any) -> Verdict:
        if getattr(error, "connection_invalidated", False):
            return CONNECTION
        original = getattr(error, "orig", None) or error.__cause__
        if not isinstance(original, BaseException):
            return fallback
        from .classification import judge

        found = judge(original)
        return fallback if found.kind in _VAGUE else found

    return rule


_VAGUE: Final = frozenset({DatabaseError})
_BY_CLASS: Final[dict[str, Verdict]] = {
    "IntegrityError": INTEGRITY,
    "DataError": _INPUT,
    "ProgrammingError": QUERY,
    "NotSupportedError": QUERY,
    "OperationalError": CONNECTION,
    "InterfaceError": CONNECTION,
    "InternalError": FAILED,
    "DatabaseError": FAILED,
    "Error": FAILED,
}
"""PEP 249's classes."""

DRIVER: Final[dict[str, Rule]] = {name: _or(verdict) for name, verdict in _BY_CLASS.items()}
PSYCOPG: Final[dict[str, Rule]] = {
    **DRIVER,
    "PoolTimeout": Always(DatabaseTimeoutError, True),
    "PoolClosed": _or(CONNECTION),
}
SQLITE: Final[dict[str, Rule]] = {
    **DRIVER,
    "OperationalError": _or(QUERY),
    "InterfaceError": _or(QUERY),
    "DatabaseError": _or(FAILED),
}
ASYNCPG: Final[dict[str, Rule]] = {"PostgresError": _or(FAILED), "InterfaceError": _or(CONNECTION)}
DJANGO: Final[dict[str, Rule]] = {name: _wrapping(verdict) for name, verdict in _BY_CLASS.items()}
SQLALCHEMY: Final[dict[str, Rule]] = {
    **{name: _wrapping(verdict) for name, verdict in _BY_CLASS.items()},
    "DBAPIError": _wrapping(FAILED),
    "TimeoutError": Always(DatabaseTimeoutError, True),
    "ArgumentError": Always(InvalidConfigError),
    "NoSuchModuleError": Always(InvalidConfigError),
    "NoResultFound": Always(InvalidInputError),
    "MultipleResultsFound": Always(InvalidInputError),
    "SQLAlchemyError": Always(DatabaseError, False),
}
PYMONGO: Final[dict[str, Rule]] = {
    "DuplicateKeyError": Always(DatabaseIntegrityError, False),
    "ServerSelectionTimeoutError": Always(DatabaseConnectionError, True),
    "NetworkTimeout": Always(DatabaseTimeoutError, True),
    "ExecutionTimeout": Always(DatabaseTimeoutError, False),
    "ConnectionFailure": Always(DatabaseConnectionError, True),
    "ConfigurationError": Always(InvalidConfigError),
    "InvalidName": Always(InvalidInputError),
    "OperationFailure": Always(DatabaseQueryError, False),
    "PyMongoError": Always(DatabaseError, False),
}
