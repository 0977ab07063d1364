"""The transaction of a database, in SQLAlchemy's core: one implementation for SQLite and PostgreSQL.

Statements are made once and kept: making them anew each time costs more than running them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from .schema import Now, is_status, operation, step
from .stored import Hold, StoredOperation, StoredStep, Wanted

_CHUNK: Final = 200
"""Leases renewed by one statement."""

_INSERTS: Final[dict[str, Any]] = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}
_LEASE: Final = sa.bindparam("lease", type_=sa.Double)
_ID: Final = sa.bindparam("id", type_=sa.Text)
_SELECT: Final = sa.select(operation, Now().label("now"))
_LOADS: Final = {
    "no": _SELECT.where(operation.c.operation_id == _ID),
    "wait": _SELECT.where(operation.c.operation_id == _ID).with_for_update(),
    "skip": _SELECT.where(operation.c.operation_id == _ID).with_for_update(skip_locked=True),
}
_STEPS: Final = sa.select(step.c.name, step.c.occurrence, step.c.result, step.c.arguments).where(
    step.c.operation_id == _ID
)


class Transaction:
    """What `storage.StateTransaction` asks for, on one connection."""

    __slots__ = ("_connection", "_dialect")

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    def insert(self, values: Mapping[str, Any], lease: float) -> bool:
        return self._connection.execute(_insert(self._dialect), {**values, "lease": lease}).rowcount == 1

    def load(self, operation_id: str, *, lock: Literal["no", "wait", "skip"] = "no") -> StoredOperation | None:
        row = self._connection.execute(_LOADS[lock], {"id": operation_id}).first()
        return None if row is None else StoredOperation(*row)

    def update(
        self, hold: Hold, changes: Mapping[str, Any], *, lease: float | None = None, finished: bool = False
    ) -> bool:
        statement = _update(tuple(changes), lease is not None, finished)
        values = {"id": hold.operation_id, "held_by": hold.owner, "lease": lease}
        if lease is None:
            del values["lease"]
        for name, value in changes.items():
            values[f"new_{name}"] = value
        return self._connection.execute(statement, values).rowcount == 1

    def change(self, operation_id: str, changes: Mapping[str, Any], *, lease: float) -> None:
        values = {"id": operation_id, "lease": lease, **{f"new_{name}": value for name, value in changes.items()}}
        self._connection.execute(_change(tuple(changes)), values)

    def add_step(self, operation_id: str, step: StoredStep) -> None:
        self._connection.execute(_add_step(self._dialect), {"operation_id": operation_id, **step._asdict()})

    def steps(self, operation_id: str) -> list[StoredStep]:
        return [StoredStep(*row) for row in self._connection.execute(_STEPS, {"id": operation_id})]

    def delete(self, operation_id: str) -> None:
        for table in (step, operation):
            self._connection.execute(sa.delete(table).where(table.c.operation_id == _ID), {"id": operation_id})

    def renew(self, holds: Sequence[Hold], lease: float) -> set[str]:
        held: set[str] = set()
        for begin in range(0, len(holds), _CHUNK):
            chunk = holds[begin : begin + _CHUNK]
            values = {"ids": [hold.operation_id for hold in chunk], "owners": [hold.owner for hold in chunk]}
            self._connection.execute(_RENEW, {**values, "lease": lease})
            held.update(self._connection.execute(_HELD, values).scalars())
        return held

    def find(self, wanted: Wanted) -> list[StoredOperation]:
        statement = _SELECT.limit(wanted.limit)
        if wanted.types is not None:
            statement = statement.where(operation.c.operation_type.in_(wanted.types))
        if wanted.status == "interrupted":
            statement = statement.where(is_status("running"), operation.c.lease_until <= Now())
            statement = statement.order_by(operation.c.lease_until)
        else:
            if wanted.status is not None:
                statement = statement.where(is_status(wanted.status))
            statement = statement.order_by(operation.c.created_at.desc())
        return [StoredOperation(*row) for row in self._connection.execute(statement)]

    def purge(self, older_than: float, limit: int) -> int:
        ids = self._connection.execute(_OLD, {"older_than": older_than, "most": limit}).scalars().all()
        for statement in (_DELETE_STEPS, _DELETE_OPERATIONS) if ids else ():
            self._connection.execute(statement, {"ids": ids})
        return len(ids)


# --- Statements ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _insert(dialect: str) -> Any:
    times = {"created_at": Now(), "updated_at": Now(), "lease_until": Now() + _LEASE}
    return _INSERTS[dialect](operation).values(**_bound(operation, times), **times).on_conflict_do_nothing()


@lru_cache(maxsize=4)
def _add_step(dialect: str) -> Any:
    return _INSERTS[dialect](step).values(**_bound(step, {})).on_conflict_do_nothing()


def _bound(table: sa.Table, without: Mapping[str, Any]) -> dict[str, Any]:
    named = [column for column in table.c if column.name not in without and column.name != "finished_at"]
    return {column.name: sa.bindparam(column.name, type_=column.type) for column in named}


@lru_cache(maxsize=64)
def _update(names: tuple[str, ...], leased: bool, finished: bool) -> Any:
    times: dict[str, Any] = {"updated_at": Now()}
    if leased:
        times["lease_until"] = Now() + _LEASE
    if finished:
        times["finished_at"] = Now()
    held = sa.and_(operation.c.operation_id == _ID, operation.c.owner == sa.bindparam("held_by"), is_status("running"))
    return sa.update(operation).where(held).values(**_new(names), **times)


@lru_cache(maxsize=64)
def _change(names: tuple[str, ...]) -> Any:
    times: dict[str, Any] = {"updated_at": Now(), "lease_until": Now() + _LEASE, "finished_at": sa.null()}
    return sa.update(operation).where(operation.c.operation_id == _ID).values(**_new(names), **times)


def _new(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: sa.bindparam(f"new_{name}", type_=operation.c[name].type) for name in names}


_IDS: Final[sa.BindParameter[Any]] = sa.bindparam("ids", expanding=True)
_OURS: Final = sa.and_(
    operation.c.operation_id.in_(_IDS),
    operation.c.owner.in_(sa.bindparam("owners", expanding=True)),
    is_status("running"),
)
_RENEW: Final = sa.update(operation).where(_OURS).values(lease_until=Now() + _LEASE)
_HELD: Final = sa.select(operation.c.owner).where(_OURS)
_OLD: Final = (
    sa.select(operation.c.operation_id)
    .where(
        is_status("completed", "failed"), operation.c.finished_at <= Now() - sa.bindparam("older_than", type_=sa.Double)
    )
    .order_by(operation.c.finished_at)
    .limit(sa.bindparam("most"))
    .with_for_update(skip_locked=True)
)
_DELETE_STEPS: Final = sa.delete(step).where(step.c.operation_id.in_(_IDS))
_DELETE_OPERATIONS: Final = sa.delete(operation).where(
    operation.c.operation_id.in_(_IDS), is_status("completed", "failed")
)
