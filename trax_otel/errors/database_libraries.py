"""What the exceptions of SQLAlchemy and psycopg mean."""

from __future__ import annotations

from typing import Any, Final

from .hierarchy import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,
    DNSResolutionError,
    InvalidInputError,
    ProcessingError,
    TimeoutError,
    ValidationError,
)
from .verdict import Always, Rule, Verdict, sql_state, sqlite_message


def _psycopg(error: Any) -> Verdict | None:
    known = sql_state(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None))
    if known is not None:
        return known
    text = str(error).lower()
    if "authentication failed" in text or "no password supplied" in text:
        return Verdict(AuthenticationError, False)
    if "does not exist" in text:
        return Verdict(ConfigurationError, False)
    if "could not translate host name" in text or "name or service not known" in text:
        return Verdict(DNSResolutionError, False)
    if "timeout" in text:
        return Verdict(TimeoutError, True)
    return None


def _psycopg_operational(error: Any) -> Verdict:
    return _psycopg(error) or Verdict(ConnectionError, True)


def sqlalchemy_failed(fallback: Verdict) -> Rule:
    """A rule that asks the driver's own error first; `fallback` is what SQLAlchemy's class says."""

    def rule(error: Any) -> Verdict:
        if getattr(error, "connection_invalidated", False):
            return Verdict(ConnectionError, True)
        original = getattr(error, "orig", None)
        if isinstance(original, BaseException):
            module = type(original).__module__.partition(".")[0]
            found = _psycopg(original) if module.startswith("psycopg") else sqlite_message(str(original))
            if found is not None:
                return found
        return fallback

    return rule


PSYCOPG: Final[dict[str, Rule]] = {
    "PoolTimeout": Always(TimeoutError, True),
    "IntegrityError": lambda error: _psycopg(error) or Verdict(ValidationError, False),
    "DataError": lambda error: _psycopg(error) or Verdict(InvalidInputError, False),
    "ProgrammingError": lambda error: _psycopg(error) or Verdict(ConfigurationError, False),
    "OperationalError": _psycopg_operational,
    "InterfaceError": Always(ConnectionError, True),
    "Error": lambda error: _psycopg(error) or Verdict(ProcessingError, False),
}
