"""What can take part in a transaction, known by its methods: no database library is imported here.

SQLAlchemy's sessions and connections (sync and async) have `begin` and `begin_nested`; other connections have `commit`
and `rollback`; a context manager is told how its block ended.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ...errors import InvalidConfigError
from ...retry.plan import Call, Outcome, Plan


class Joined(NamedTuple):
    """A resource that takes part: what ends it well, and what takes it back, given the error that was the reason."""

    name: str
    resource: Any
    settle: Callable[[], Any]
    undo: Callable[[BaseException | None], Any]


def is_session(resource: Any) -> bool:
    """Whether it is a session or a connection of SQLAlchemy's kind, which knows savepoints."""
    return _has(resource, "begin", "begin_nested", "in_transaction")


def check_resource(resource: Any) -> None:
    """Raises InvalidConfigError where it cannot take part in a transaction."""
    if isinstance(resource, type) or not (
        is_session(resource)
        or _has(resource, "commit", "rollback")
        or _has(resource, "__enter__", "__exit__")
        or _has(resource, "__aenter__", "__aexit__")
    ):
        raise InvalidConfigError(
            f"resource={resource!r}: a SQLAlchemy session or connection, an object with commit() and rollback(), or a "
            "context manager is needed"
        )


def join(resource: Any, awaits: bool) -> Plan:
    """Let the resource take part; the outcome's value is `Joined` with what the block works with. What is a context manager
    in both worlds is entered in the caller's.

    A session or connection that is in a transaction already gets a savepoint: its owner commits. Else it gets a transaction.
    """
    name = type(resource).__name__
    if is_session(resource):
        begin = resource.begin_nested if resource.in_transaction() else resource.begin
        outcome = yield Call(begin)
        if outcome.error is not None:
            return outcome
        begun = outcome.value
        return Outcome(Joined(name, resource, begun.commit, partial(_ignoring, begun.rollback)))
    if _has(resource, "commit", "rollback"):
        return Outcome(Joined(name, resource, resource.commit, partial(_ignoring, resource.rollback)))
    plain, asynchronous = _has(resource, "__enter__", "__exit__"), _has(resource, "__aenter__", "__aexit__")
    prefix = "a" if asynchronous and (awaits or not plain) else ""
    outcome = yield Call(getattr(resource, f"__{prefix}enter__"))
    if outcome.error is not None:
        return outcome
    leave = getattr(resource, f"__{prefix}exit__")
    return Outcome(Joined(name, outcome.value, partial(leave, None, None, None), partial(_leave, leave)))


def _ignoring(rollback: Callable[[], Any], _: BaseException | None) -> Any:
    return rollback()


def _leave(leave: Callable[..., Any], error: BaseException | None) -> Any:
    """A transaction that is taken back without an error of its own is left as if one had been raised."""
    reason = RolledBack() if error is None else error
    return leave(type(reason), reason, reason.__traceback__)


class RolledBack(Exception):  # noqa: N818 — a reason, raised nowhere
    """What a context manager is left with where a transaction was rolled back by hand."""


def _has(resource: Any, *methods: str) -> bool:
    return all(callable(getattr(resource, method, None)) for method in methods)
