"""The tables, their version and the way up from older ones. Imports SQLAlchemy: load it only where a database is used.

The indexes are partial, so that neither claiming nor listing costs more where millions of operations are finished.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from .errors import StateSchemaError
from .stored import StoredOperation

VERSION: Final = 2
"""The version that this code reads and writes."""

metadata: Final = sa.MetaData()

version: Final = sa.Table("trax_state_version", metadata, sa.Column("version", sa.Integer, nullable=False))

operation: Final = sa.Table(
    "trax_state_operation",
    metadata,
    sa.Column("operation_id", sa.Text, primary_key=True),
    sa.Column("operation_type", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("arguments", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("traceparent", sa.Text),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("fencing_token", sa.BigInteger, nullable=False),
    sa.Column("recoveries", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("lease_until", sa.Double, nullable=False),
    sa.Column("finished_at", sa.Double),
    sqlite_with_rowid=False,
)

step: Final = sa.Table(
    "trax_state_step",
    metadata,
    sa.Column("operation_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("occurrence", sa.Integer, primary_key=True),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("arguments", sa.Text),
    sqlite_with_rowid=False,
)

assert tuple(operation.c.keys()) == StoredOperation._fields[:-1]


def is_status(*statuses: str) -> sa.ColumnElement[bool]:
    """The condition as text, not as parameters: SQLite uses a partial index only where it sees the value."""
    listed: list[sa.ColumnClause[str]] = [sa.literal_column(f"'{status}'") for status in statuses]
    return operation.c.status == listed[0] if len(listed) == 1 else operation.c.status.in_(listed)


def _partial(name: str, column: sa.Column[Any], *statuses: str) -> sa.Index:
    condition = is_status(*statuses)
    return sa.Index(name, column, sqlite_where=condition, postgresql_where=condition)


_partial("trax_state_lease", operation.c.lease_until, "running")
_partial("trax_state_finished", operation.c.finished_at, "completed", "failed")
_partial("trax_state_dead", operation.c.created_at, "dead")
sa.Index("trax_state_created", operation.c.created_at)


class Now(FunctionElement[float]):
    """Seconds since the epoch by the database's clock."""

    type = sa.Double()
    inherit_cache = True


@compiles(Now, "postgresql")
def _postgresql_now(element: Now, compiler: Any, **options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


@compiles(Now, "sqlite")
def _sqlite_now(element: Now, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


# --- Versions ------------------------------------------------------------------------------------------------------------


def prepare(connection: sa.Connection) -> None:
    """Make the tables, or bring older ones up, inside the caller's transaction.

    Raises:
        StateSchemaError: they were made by a newer trax_otel, which may keep what this one would lose.
    """
    if connection.dialect.name == "postgresql":  # several processes may start at once; one makes the tables
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    if not sa.inspect(connection).has_table(version.name):
        metadata.create_all(connection)
        connection.execute(sa.insert(version).values(version=VERSION))
        return
    found = connection.execute(sa.select(version.c.version)).scalar_one()
    if found > VERSION:
        raise StateSchemaError(
            f"the state's schema has version {found}, this trax_otel knows {VERSION}: "
            "upgrade trax-otel here, or give this version a database of its own"
        )
    for migrate in MIGRATIONS[found - 1 :]:
        migrate(connection)
    if found < VERSION:
        connection.execute(sa.update(version).values(version=VERSION))


_ADVISORY_LOCK: Final = 0x74726178  # "trax"


def _add_arguments(connection: sa.Connection) -> None:
    """Version 2: what a step was called with, as a fingerprint. Steps that are there have none."""
    connection.exec_driver_sql(f"ALTER TABLE {step.name} ADD COLUMN arguments TEXT")


MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (_add_arguments,)
"""The step from version n to n + 1 is at index n - 1; each runs inside the transaction that raises the version."""
