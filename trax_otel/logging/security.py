"""Security events: a logger of their own, a fixed vocabulary, a counter to alert on, and fields that nobody can forge.

Each event is a record of the logger `semconv.SECURITY_LOGGER`, so that it can be routed and kept apart from the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal

from .. import lifecycle, semconv, signals
from ..signals.secrets import REDACTED, is_secret, without_secrets
from .values import MAX_ATTRIBUTE_TEXT, attribute, clean, one_line, text_of

Outcome = Literal["success", "failure"]


class SecurityEvent(str, Enum):
    """What happened. New kinds are added here, never made up by callers."""

    AUTHENTICATION = "authentication"
    """Somebody proved, or failed to prove, who they are."""
    ACCESS = "access"
    """Something was asked for that needs permission: `failure` is a denial."""
    PRIVILEGE_CHANGE = "privilege_change"
    """Rights were given or taken."""
    ACCOUNT_CHANGE = "account_change"
    """An account was made, changed, locked or removed."""
    CREDENTIAL_CHANGE = "credential_change"
    """A password, key or token was made, changed or revoked."""
    SESSION = "session"
    """A session began, ended or was hijacked."""
    CONFIGURATION_CHANGE = "configuration_change"
    """A setting that protects something was changed."""
    DATA_EXPORT = "data_export"
    """Data left the system."""
    INPUT_REJECTED = "input_rejected"
    """Input looked like an attack: injection, traversal, a malformed token."""
    RATE_LIMIT = "rate_limit"
    """Somebody asked more often than allowed."""
    TAMPERING = "tampering"
    """Something that must not change did: a signature, a checksum, an audit trail."""
    OTHER = "other"
    """None of these; also what an unknown kind is counted as."""


_FAILURE_LEVELS: Final = {SecurityEvent.TAMPERING: logging.CRITICAL}
_MAX_DETAILS: Final = 32

_logger = logging.getLogger(semconv.SECURITY_LOGGER)
if _logger.level == logging.NOTSET:
    _logger.setLevel(logging.INFO)  # a threshold of their own, whatever the root logger's is
_events = signals.counter(semconv.SECURITY_EVENTS)


def log_security_event(
    event: SecurityEvent | str,
    outcome: Outcome = "success",
    message: str | None = None,
    *,
    actor: str | None = None,
    source: str | None = None,
    resource: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Record a security event: one log record, one count. Never raises.

    `actor` is who acted, `source` from where (an address), `resource` on what. A success is logged as INFO, a failure as
    WARNING, tampering as CRITICAL. All are recorded, whatever level the root logger has, unless the level of the logger
    `trax_otel.security` says otherwise. Values of `details` whose name says that they are secret are replaced.
    """
    kind = _kind(event)
    ended: Outcome = "failure" if outcome == "failure" else "success"
    _events.add(1, {semconv.SECURITY_EVENT: kind.value, semconv.SECURITY_OUTCOME: ended})
    level = _FAILURE_LEVELS.get(kind, logging.WARNING) if ended == "failure" else logging.INFO
    fields: dict[str, Any] = {semconv.SECURITY_EVENT: kind.value, semconv.SECURITY_OUTCOME: ended}
    if kind is SecurityEvent.OTHER and event is not SecurityEvent.OTHER:
        fields[f"{semconv.SECURITY_PREFIX}kind"] = _field(event)
    for name, value in (("actor", actor), ("source", source), ("resource", resource)):
        if value is not None:
            fields[semconv.SECURITY_PREFIX + name] = _field(value)
    fields.update(_details(details))
    text = f"{kind.value} {ended}" if message is None else one_line(clean(text_of(message), MAX_ATTRIBUTE_TEXT))
    try:
        _logger.log(level, "%s", text, extra=fields, stacklevel=2)
    except Exception as failure:  # a handler of the application's
        lifecycle.report(f"security event {kind.value} could not be logged: {type(failure).__name__}")


def register_security_counts() -> None:
    """Emit every kind's counter as 0, so that the first event of a kind is an increase that an alert sees."""
    for kind in SecurityEvent:
        for outcome in ("success", "failure"):
            _events.add(0, {semconv.SECURITY_EVENT: kind.value, semconv.SECURITY_OUTCOME: outcome})


def _kind(event: object) -> SecurityEvent:
    try:
        return SecurityEvent(event)
    except ValueError:
        return SecurityEvent.OTHER


def _field(value: object) -> str:
    return one_line(text_of(value, 1024))


def _details(details: Mapping[str, Any] | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    try:
        items = list((details or {}).items())[:_MAX_DETAILS]
    except Exception as failure:
        items = [("details", f"<unreadable: {type(failure).__name__}>")]
    for key, value in items:
        name = one_line(text_of(key, 128))
        shown = REDACTED if is_secret(name) else attribute(without_secrets(value))
        fields[semconv.SECURITY_PREFIX + name] = one_line(shown) if isinstance(shown, str) else shown
    return fields
