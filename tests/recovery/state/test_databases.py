"""What is particular to databases: files, URLs, schema versions, retention, plans, and the event loop that stays free."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.postgres import PASSWORD
from trax_otel.errors import InvalidConfigError
from trax_otel.recovery.state import (
    SQLStorage,
    StateLostError,
    StateSchemaError,
    StateStoreError,
    operation_state_context,
    schema,
    sql,
    statements,
)


def run_one(manager, operation_id="t1", **options):
    with operation_state_context(manager, operation_id, None, "t", **options) as state:
        state.step("one", lambda: 1)


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_the_file_is_for_its_owner_alone(tmp_path, make_manager):
    file = tmp_path / "new" / "state.db"
    before = os.umask(0)
    try:
        run_one(make_manager(SQLStorage(f"sqlite:///{file}")))
    finally:
        os.umask(before)
    assert (mode(file), mode(file.parent)) == ("0o600", "0o700")
    assert {mode(path) for path in file.parent.iterdir()} == {"0o600"}, "the write-ahead log has the same content"


def test_the_default_file_is_under_the_users_state_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("TRAX_STATE_URL", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert SQLStorage().address == f"sqlite:///{tmp_path}/trax-otel/state.db"
    monkeypatch.setenv("TRAX_STATE_URL", "postgresql://me:secret@db/app")
    assert SQLStorage().address == "postgresql+psycopg://me:***@db/app"


@pytest.mark.parametrize(("synchronous", "number"), [("NORMAL", 1), ("FULL", 2)])
def test_sqlite_is_as_durable_as_asked(tmp_path, synchronous, number):
    storage = SQLStorage(f"sqlite:///{tmp_path / 's.db'}", synchronous=synchronous)
    pragmas = storage.transact(
        lambda transaction: [
            transaction._connection.exec_driver_sql(f"PRAGMA {name}").scalar()  # type: ignore[attr-defined]
            for name in ("journal_mode", "synchronous")
        ]
    )
    storage.close()
    assert pragmas == ["wal", number]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://me:secret@db/app", "is of mysql"),
        ("postgresql://me:secret@db:port/app", "cannot be understood"),
        ("me:secret", "cannot be understood"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_url_that_cannot_be_is_refused_without_its_password(url, said):
    with pytest.raises(InvalidConfigError, match=said) as caught:
        SQLStorage(url).transact(lambda transaction: None)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_passwords_are_in_no_error_and_no_log(server, caplog, make_manager):
    import socket

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    right = server.url
    for url in (right.replace(PASSWORD, "wr0ng-secret"), f"postgresql://trax:wr0ng-secret@127.0.0.1:{port}/x"):
        storage = SQLStorage(url)
        assert "wr0ng" not in repr(storage)
        with pytest.raises(StateStoreError) as caught:
            make_manager(storage).sync.list_operations()
        error: BaseException | None = caught.value
        while error is not None:
            assert "wr0ng" not in f"{error!r} {error}"
            error = error.__cause__ or error.__context__
        assert caught.value.retryable
    assert caplog.records
    assert "wr0ng" not in caplog.text


def test_without_sqlalchemy_the_extra_is_named():
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from trax_otel.recovery.state import MemoryStorage, SQLStorage\n"
        "MemoryStorage()\n"
        "try: SQLStorage('sqlite:///x.db')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("EnvironmentError SQLStorage needs SQLAlchemy 2: pip install 'trax-otel[state]'")


# --- Schema ----------------------------------------------------------------------------------------------------------


def test_many_processes_may_make_the_tables_at_once(url):
    code = (
        "import sys; from trax_otel.recovery.state import *\n"
        "m = StateRecoveryManager(SQLStorage(sys.argv[1]))\n"
        "with operation_state_context(m, sys.argv[2], None, 't') as s: s.step('one', int)\n"
    )
    many = [subprocess.Popen([sys.executable, "-c", code, url, f"t{n}"], stderr=subprocess.PIPE) for n in range(6)]
    assert [process.communicate()[1].decode()[-500:] for process in many] == [""] * 6


def set_version(url: str, number: int) -> None:
    storage = SQLStorage(url)
    storage.transact(
        lambda transaction: transaction._connection.execute(  # type: ignore[attr-defined]
            sa.update(schema.version).values(version=number)
        )
    )
    storage.close()


def test_a_newer_schema_is_refused(url, make_manager):
    set_version(url, schema.VERSION + 1)
    with pytest.raises(StateSchemaError, match=r"schema has version 3, this trax_otel knows 2: upgrade trax-otel"):
        run_one(make_manager(SQLStorage(url)))


def test_an_older_schema_is_brought_up_once(url, make_manager, monkeypatch):
    run_one(make_manager(SQLStorage(url)))
    ran = []

    def add_column(connection):
        ran.append(1)
        connection.exec_driver_sql("ALTER TABLE trax_state_operation ADD COLUMN colour TEXT DEFAULT 'red'")

    def paint(connection):
        ran.append(2)
        connection.exec_driver_sql("UPDATE trax_state_operation SET colour = 'blue'")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, add_column, paint))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 2)
    for _ in range(2):
        storage = SQLStorage(url)
        colours = storage.transact(
            lambda transaction: (
                transaction._connection.exec_driver_sql("SELECT colour FROM trax_state_operation").scalars().all()  # type: ignore[attr-defined]
            )
        )
        storage.close()
    assert (ran, colours) == ([1, 2], ["blue"])


def test_a_migration_that_fails_changes_nothing(url, make_manager, monkeypatch):
    run_one(make_manager(SQLStorage(url)))

    def fail(connection):
        connection.exec_driver_sql("ALTER TABLE trax_state_operation ADD COLUMN colour TEXT")
        connection.exec_driver_sql("SELECT nonsense FROM nowhere")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, fail))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(StateStoreError):
        make_manager(SQLStorage(url)).sync.list_operations()
    monkeypatch.undo()
    assert [one.status for one in make_manager(SQLStorage(url)).sync.list_operations()] == ["completed"]


# --- Size ------------------------------------------------------------------------------------------------------------


def test_finished_operations_go_after_their_time_with_their_steps(database, make_manager):
    manager = make_manager(database, retention_seconds=0.2)
    for number in range(3):
        run_one(manager, f"t{number}")
    time.sleep(0.25)
    run_one(manager, "young")
    assert (manager.sync.purge(), manager.sync.purge()) == (3, 0)
    assert [one.operation_id for one in manager.sync.list_operations()] == ["young"]
    count = sa.select(sa.func.count()).select_from(schema.step)
    assert database.transact(lambda transaction: transaction._connection.execute(count).scalar()) == 1
    assert make_manager(database, retention_seconds=None).sync.purge() == 0


def test_no_hot_statement_looks_at_finished_operations(tmp_path, make_manager):
    storage = SQLStorage(f"sqlite:///{tmp_path / 's.db'}")
    run_one(make_manager(storage))
    engine = storage._engine
    plans = {}
    for name, statement in {
        "interrupted": statements._SELECT.where(
            schema.is_status("running"), schema.operation.c.lease_until <= schema.Now()
        ).order_by(schema.operation.c.lease_until),
        "old": statements._OLD,
        "load": statements._LOADS["skip"],
        "save": statements._update(("data",), True, False),
    }.items():
        text = str(statement.compile(engine, compile_kwargs={"render_postcompile": True}))
        with sqlite3.connect(tmp_path / "s.db") as connection:
            marks = [1] * text.count("?")
            plans[name] = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", marks))
        connection.close()
    assert "USING INDEX trax_state_lease" in plans["interrupted"]
    assert "INDEX trax_state_finished" in plans["old"]
    assert "USING PRIMARY KEY" in plans["load"]
    assert "USING PRIMARY KEY" in plans["save"]
    assert "SCAN" not in " ".join(plans.values()).replace("SCAN CONSTANT ROW", "")


# --- The event loop ---------------------------------------------------------------------------------------------------


async def test_the_event_loop_goes_on_while_the_store_is_busy(tmp_path, make_manager):
    file = tmp_path / "s.db"
    manager = make_manager(SQLStorage(f"sqlite:///{file}"))
    await manager.list_operations()
    rival = sqlite3.connect(file, isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    gaps, done = [], asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            gaps.append(time.perf_counter() - began)

    watcher = asyncio.create_task(watch())
    asyncio.get_running_loop().call_later(0.5, rival.execute, "COMMIT")
    began = time.perf_counter()
    async with operation_state_context(manager, "t1", None, "t"):
        waited = time.perf_counter() - began
    done.set()
    await watcher
    rival.close()
    assert waited > 0.4
    assert max(gaps) < 0.3


def test_a_forked_child_has_a_store_of_its_own_and_no_lease_of_its_parents(database, make_manager):
    manager = make_manager(database)
    read, write = os.pipe()
    with operation_state_context(manager, "t1", None, "t") as state:
        state.step("one", lambda: 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the heartbeat is a thread
            child = os.fork()
        if child == 0:
            try:
                state.step("two", lambda: 2)
            except Exception as error:
                os.write(write, f"{type(error).__name__}: {error}".encode())
            run_one(manager, "childs")
            os._exit(0)
        os.waitpid(child, 0)
        state.step("three", lambda: 3)
    os.close(write)
    with os.fdopen(read) as told:
        assert "StateLostError: operation 't1' stops: the process was forked" in told.read()
    assert {one.operation_id: one.status for one in manager.sync.list_operations()} == {
        "t1": "completed",
        "childs": "completed",
    }
    assert manager.sync.get_operation("t1").steps == {"one": 1, "three": 3}


def test_nothing_of_the_store_is_traced_by_a_database_instrumentation(tmp_path, make_manager):
    seen = []
    from opentelemetry import context

    manager = make_manager(SQLStorage(f"sqlite:///{tmp_path / 's.db'}"))
    manager.sync.core.storage.transact(
        lambda transaction: seen.append(context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY))
    )
    assert seen == [True]
    assert context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY) is None


def test_the_drivers_are_chosen():
    assert str(sql.parsed("postgres://db/app")) == "postgresql+psycopg://db/app"
    assert str(sql.parsed("sqlite:////tmp/x.db")) == "sqlite:////tmp/x.db"


def test_a_transaction_that_lies_idle_is_ended_so_that_others_can_take_over(server, make_manager, monkeypatch):
    """As one of a process that was stopped in the middle of it: PostgreSQL would wait for it for ever."""
    from trax_otel.recovery.state import engines

    monkeypatch.setattr(engines, "_IDLE_MILLISECONDS", 300)
    url = server.database("idle")
    storage, other = SQLStorage(url), SQLStorage(url)
    manager, rival = make_manager(storage, lease_seconds=0.1), make_manager(other, lease_seconds=0.1)
    with pytest.raises(KeyboardInterrupt), operation_state_context(manager, "t1", operation_type="t"):
        raise KeyboardInterrupt
    with storage._open().connect() as stopped:
        stopped.exec_driver_sql("SELECT * FROM trax_state_operation FOR UPDATE")
        assert rival.sync.recover_operation("t1") is None
        end, taken = time.monotonic() + 20, None
        while taken is None and time.monotonic() < end:
            taken = rival.sync.recover_operation("t1")
        assert taken is not None
        assert taken.status == "running"
        stopped.invalidate()
    storage.close()
    other.close()


# --- Files that are not what they were ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["sqlite:///state.db?mode=ro", "sqlite:///file:state.db?uri=true", "sqlite:///file:state.db?mode=ro&uri=true"],
)
def test_sqlites_own_uris_are_refused_and_make_no_file(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidConfigError, match=r"sqlite:///FILE is needed"):
        SQLStorage(url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_deleted_while_in_use_is_noticed(tmp_path, make_manager, replaced):
    file = tmp_path / "state.db"
    manager = make_manager(SQLStorage(f"sqlite:///{file}"))
    with pytest.raises(StateLostError, match="no longer in the store"), operation_state_context(manager, "t1") as state:  # noqa: PT012
        state.step("one", lambda: 1)
        for path in tmp_path.iterdir():
            path.unlink()
        if replaced:
            run_one(make_manager(SQLStorage(f"sqlite:///{file}")), "other")
        state.step("two", lambda: 2)
    assert file.exists(), "it is made anew, and operations that begin now are kept"
    run_one(manager, "t2")
    assert manager.sync.get_operation("t2").status == "completed"
