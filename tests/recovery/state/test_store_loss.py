"""The store fails while operations run: the server is stopped, the disk is full."""

# ruff: noqa: PT012  (what raises is the end of a block that does something)
from __future__ import annotations

import threading
import time

import pytest

from support.postgres import PostgresServer, postgres
from trax_otel import semconv
from trax_otel.recovery.state import SQLStorage, StateLostError, StateStoreError, operation_state_context

LOGGER = "trax_otel.recovery.state"


@pytest.fixture(scope="module")
def own_server(server: PostgresServer):
    """One that may be stopped: the other tests go on with theirs."""
    with postgres() as running:
        yield running


@pytest.fixture
def stopped(own_server: PostgresServer):
    """Stops it; it is running again afterwards."""
    state = {"down": False}

    def stop() -> None:
        own_server.stop()
        state["down"] = True

    def start() -> None:
        own_server.start()
        state["down"] = False

    stop.start = start  # type: ignore[attr-defined]
    yield stop
    if state["down"]:
        own_server.start()


def said(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith(LOGGER)]


async def test_a_restart_within_the_lease_is_only_a_wait(both, own_server, stopped, make_manager, caplog):
    manager = make_manager(SQLStorage(own_server.url), lease_seconds=30)
    async with both.operation(manager, f"w{both.asynchronous}", None, "t") as state:
        await state.step("one", lambda: 1)
        stopped()
        threading.Timer(0.3, stopped.start).start()
        assert await state.step("two", lambda: 2) == 2
    record = await both.call(manager, "get_operation", f"w{both.asynchronous}")
    assert (record.status, record.steps) == ("completed", {"one": 1, "two": 2})
    messages = said(caplog)
    assert [("state fails" in message, "again, after" in message) for message in messages] == [
        (True, False),
        (False, True),
    ]


def test_a_restart_between_two_uses_is_not_noticed(own_server, stopped, make_manager, caplog):
    manager = make_manager(SQLStorage(own_server.url))
    with operation_state_context(manager, "between", None, "t") as state:
        state.step("one", lambda: 1)
        stopped()
        stopped.start()
        state.step("two", lambda: 2)
    assert manager.sync.get_operation("between").status == "completed"
    assert said(caplog) == []


async def test_beyond_the_lease_it_stops_with_a_clear_error(
    both, own_server, stopped, make_manager, caplog, trax_telemetry
):
    name = f"s{both.asynchronous}"
    manager = make_manager(SQLStorage(own_server.url), lease_seconds=2.5)  # longer than the server needs for its stop
    ran = []
    with pytest.raises(StateLostError, match=f"'{name}' stops: its state cannot be saved: postgresql.*: .*") as caught:
        async with both.operation(manager, name, None, "t") as state:
            stopped()
            try:
                await state.step("one", lambda: 1)
            except StateLostError:
                with pytest.raises(StateLostError, match="the store does not answer"):
                    await state.step("two", ran.append, 1)
                raise
    assert ran == []
    assert isinstance(caught.value.original_error, StateStoreError)
    assert sum("state fails" in message for message in said(caplog)) == 1
    span = trax_telemetry.span("t")
    assert [event.name for event in span.events].count(semconv.STATE_LOST_EVENT) == 1
    assert span.attributes["error.type"].endswith("StateLostError")
    stopped.start()
    (listed,) = await both.call(manager, "list_interrupted_operations")
    assert (listed.operation_id, listed.steps) == (name, {})
    await both.call(manager, "recover_operation", name)
    async with both.operation(manager, name, None, "t") as state:
        assert await state.step("one", lambda: 3) == 3


async def test_continue_goes_on_and_catches_up(both, own_server, stopped, make_manager, caplog, trax_telemetry):
    name = f"c{both.asynchronous}"
    manager = make_manager(SQLStorage(own_server.url), lease_seconds=30, on_store_loss="continue")
    async with both.operation(manager, name, None, "t") as state:
        stopped()
        began = time.monotonic()
        assert [await state.step("one", lambda: 1), await state.step("two", lambda: 2)] == [1, 2]
        assert time.monotonic() - began < 5
        await state.checkpoint(at=2)
        stopped.start()
        assert await state.step("three", lambda: 3) == 3
        state.set_result("done")
    record = await both.call(manager, "get_operation", name)
    assert (record.status, record.data, record.result) == ("completed", {"at": 2}, "done")
    assert record.steps == {"one": 1, "two": 2, "three": 3}
    warned = f"operation {name} goes on without its store (on_store_loss='continue'): it may be executed twice"
    assert said(caplog).count(warned) == 1
    assert [event.name for event in trax_telemetry.span("t").events].count(semconv.STATE_LOST_EVENT) == 1


def test_continue_begins_without_a_store_and_is_saved_when_it_is_there(own_server, stopped, make_manager, caplog):
    manager = make_manager(SQLStorage(own_server.url), on_store_loss="continue")
    manager.sync.list_operations()
    stopped()
    with operation_state_context(manager, "late", None, "t", arguments={"n": 1}) as state:
        state.step("one", lambda: 1)
        stopped.start()
        state.step("two", lambda: 2)
    record = manager.sync.get_operation("late")
    assert (record.status, record.arguments, record.steps) == ("completed", {"n": 1}, {"one": 1, "two": 2})


def test_a_completion_that_never_reaches_the_store_is_reported(own_server, stopped, make_manager, caplog):
    manager = make_manager(SQLStorage(own_server.url), on_store_loss="continue")
    with operation_state_context(manager, "lost end", None, "t"):
        stopped()
    assert "operation lost end is completed and its store does not know: it may be executed twice" in said(caplog)
    stopped.start()
    assert manager.sync.get_operation("lost end").status == "running"


def test_to_begin_without_a_store_is_an_error_that_may_be_retried(own_server, stopped, make_manager):
    manager = make_manager(SQLStorage(own_server.url))
    manager.sync.list_operations()
    stopped()
    with pytest.raises(StateStoreError) as caught, operation_state_context(manager, "none", None, "t"):
        raise AssertionError
    assert caught.value.retryable


def test_the_blocks_own_error_is_not_replaced(own_server, stopped, make_manager, caplog):
    manager = make_manager(SQLStorage(own_server.url))
    error = LookupError("mine")
    with pytest.raises(LookupError) as caught, operation_state_context(manager, "own", None, "t"):
        stopped()
        raise error
    assert caught.value is error
    assert any("how operation own ended could not be saved" in message for message in said(caplog))


# --- The disk is full -----------------------------------------------------------------------------------------------


def limit_pages(manager, pages: int) -> None:
    """As a full disk: SQLite says `database or disk is full` for both."""
    manager.sync.core.storage.transact(
        lambda transaction: transaction._connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}"),
    )


def test_a_full_disk_stops_the_operation_and_is_said_once(tmp_path, make_manager, caplog):
    manager = make_manager(SQLStorage(f"sqlite:///{tmp_path / 's.db'}"), lease_seconds=0.3)
    manager.sync.list_operations()
    limit_pages(manager, 12)
    done = []
    with pytest.raises(StateLostError, match="full"), operation_state_context(manager, "t1", None, "t") as state:
        for number in range(100):
            state.step(f"step {number}", lambda: "x" * 4_000)
            done.append(number)
    assert 0 < len(done) < 20
    assert sum("database or disk is full" in message for message in said(caplog)) == 1
    limit_pages(manager, 10_000)
    time.sleep(0.35)
    assert manager.sync.recover_operation("t1").steps.keys() == {f"step {number}" for number in done}


def test_space_that_is_made_within_the_lease_lets_it_go_on(tmp_path, make_manager, caplog):
    manager = make_manager(SQLStorage(f"sqlite:///{tmp_path / 's.db'}"), lease_seconds=30)
    manager.sync.list_operations()
    limit_pages(manager, 12)
    threading.Timer(0.3, limit_pages, (manager, 10_000)).start()
    with operation_state_context(manager, "t1", None, "t") as state:
        for number in range(20):
            state.step(f"step {number}", lambda: "x" * 4_000)
    assert len(manager.sync.get_operation("t1").steps) == 20
    assert len(said(caplog)) == 2


def test_a_stop_of_the_process_ends_the_wait_for_the_store(tmp_path, make_manager):
    from trax_otel import lifecycle

    manager = make_manager(SQLStorage(f"sqlite:///{tmp_path / 's.db'}"), lease_seconds=30)
    manager.sync.list_operations()
    limit_pages(manager, 12)
    threading.Timer(0.2, lifecycle.stop).start()
    began = time.monotonic()
    try:
        with pytest.raises(StateLostError), operation_state_context(manager, "t1", None, "t") as state:
            for number in range(20):
                state.step(f"step {number}", lambda: "x" * 4_000)
    finally:
        lifecycle.resume()
    assert time.monotonic() - began < 5
