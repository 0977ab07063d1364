"""Taking over: who is listed, who gets it, what is run, and when it ends."""

# ruff: noqa: PT012  (what raises is the end of a block that does something)
from __future__ import annotations

import asyncio
import threading
import time

import pytest

from trax_otel.errors import InvalidConfigError
from trax_otel.recovery.state import (
    MemoryStorage,
    OperationDeadError,
    OperationNotFoundError,
    StateError,
    StateLostError,
    operation_state_context,
)
from trax_otel.testing import fake_clock


class Interrupted(BaseException):
    """What a killed process looks like to the block, without the kill."""


async def interrupt(both, manager, operation_id="t1", operation_type="t", **options):
    """An operation with one recorded step that ought to run and does not."""
    with pytest.raises(Interrupted):
        async with both.operation(manager, operation_id, "corr", operation_type, **options) as state:
            await state.step("one", lambda: 1)
            raise Interrupted


async def test_the_specifications_loop_resumes_what_was_interrupted(both, storage, make_manager):
    await interrupt(both, make_manager(storage), arguments={"file": "a.wav"})
    state_manager = make_manager(storage)
    seen = []

    async def resume(state):
        seen.append((state.operation_id, state.arguments, await state.step("one", lambda: 2), state.resumed))
        return {"text": "hello"}

    state_manager.register_recovery("t", both.recovery(resume))
    interrupted_ops = await both.call(state_manager, "list_interrupted_operations")
    for op in interrupted_ops:
        recovered_state = await both.call(state_manager, "recover_operation", op.operation_id)
    assert seen == [("t1", {"file": "a.wav"}, 1, True)]
    assert (recovered_state.status, recovered_state.result, recovered_state.recoveries) == (
        "completed",
        {"text": "hello"},
        1,
    )
    assert await both.call(state_manager, "list_interrupted_operations") == []
    assert await both.call(state_manager, "recover_operation", "t1") is None


async def test_recover_all_runs_every_registered_type_and_names_the_others(both, storage, make_manager, caplog):
    manager = make_manager(storage)
    for number in range(3):
        await interrupt(both, manager, f"a{number}", "a")
    await interrupt(both, manager, "b", "b")
    await interrupt(both, manager, "c", "c")
    done = []

    async def resume(state):
        done.append(state.operation_id)

    async def fail(state):
        raise LookupError("still no file")

    manager.register_recovery("a")(both.recovery(resume))
    manager.register_recovery("b", both.recovery(fail))
    found = {one.operation_id: one for one in await both.call(manager, "recover_all")}
    assert sorted(done) == ["a0", "a1", "a2"]
    assert {name: one.outcome for name, one in found.items()} == {
        "a0": "recovered", "a1": "recovered", "a2": "recovered", "b": "failed",
    }  # fmt: skip
    assert isinstance(found["b"].error, LookupError)
    messages = [record.getMessage() for record in caplog.records]
    assert "recovery of operation b (b) failed: LookupError: still no file" in messages
    assert "1 interrupted operations have no recovery function: register one for c" in messages


async def test_without_a_function_an_operation_is_claimed_for_one_lease(both, storage, make_manager):
    await interrupt(both, make_manager(storage))
    manager, rival = make_manager(storage), make_manager(storage)
    record = await both.call(manager, "recover_operation", "t1")
    assert (record.status, record.steps, record.recoveries) == ("running", {"one": 1}, 1)
    assert await both.call(rival, "recover_operation", "t1") is None
    async with both.operation(manager, "t1", None, "t") as state:
        assert (state.recoveries, state.fencing_token) == (1, 2)
        assert await state.step("one", lambda: 2) == 1
    assert (await both.call(manager, "get_operation", "t1")).status == "completed"


async def test_a_failed_recovery_waits_a_lease_and_dies_at_the_cap(both, make_manager):
    with fake_clock() as clock:
        manager = make_manager(MemoryStorage(), lease_seconds=10, max_recoveries=2)
        await interrupt(both, manager)

        async def fail(state):
            raise LookupError("no")

        manager.register_recovery("t", both.recovery(fail))
        assert [one.outcome for one in await both.call(manager, "recover_all")] == ["failed"]
        assert await both.call(manager, "recover_all") == []
        clock.advance(10.1)
        (listed,) = await both.call(manager, "list_interrupted_operations")
        assert (listed.recoveries, listed.error) == (1, "LookupError: no")
        with pytest.raises(LookupError):
            await both.call(manager, "recover_operation", "t1")
        (dead,) = await both.call(manager, "list_dead_operations")
        assert (dead.operation_id, dead.status, dead.recoveries, dead.error) == ("t1", "dead", 2, "LookupError: no")
        clock.advance(100)
        assert await both.call(manager, "list_interrupted_operations") == []
        manager.sync.close()


async def test_what_kills_its_workers_is_dead_after_the_cap_and_can_be_queued_anew(both, storage, make_manager, caplog):
    manager = make_manager(storage, lease_seconds=0.1, max_recoveries=2)
    await interrupt(both, manager)
    statuses: list[str] = []
    deadline = time.monotonic() + 30
    while "dead" not in statuses and time.monotonic() < deadline:
        found = await both.call(manager, "recover_operation", "t1")
        statuses += [found.status] if found else []  # None: the last one's lease still holds
        await asyncio.sleep(0.05)
    assert statuses == ["running", "running", "dead"]
    assert any("was recovered 2 times without success and is dead" in record.message for record in caplog.records)
    assert [one.operation_id for one in await both.call(manager, "list_dead_operations")] == ["t1"]
    assert await both.call(manager, "recover_operation", "t1") is None
    with pytest.raises(OperationDeadError, match="trax-otel state recover t1"):
        async with both.operation(manager, "t1", None, "t"):
            raise AssertionError
    await both.call(manager, "queue_operation", "t1")
    (listed,) = await both.call(manager, "list_interrupted_operations")
    assert (listed.recoveries, listed.fencing_token) == (0, 3)
    assert (await both.call(manager, "recover_operation", "t1")).steps == {"one": 1}


async def test_only_what_is_dead_or_failed_is_queued(both, manager):
    with pytest.raises(OperationNotFoundError, match="no operation 'nobody'"):
        await both.call(manager, "queue_operation", "nobody")
    async with both.operation(manager, "t1", None, "t"):
        with pytest.raises(StateError, match="'t1' is running: only dead and failed"):
            await both.call(manager, "queue_operation", "t1")


async def test_stops_do_not_count_towards_the_cap(both, storage, make_manager):
    manager = make_manager(storage, max_recoveries=1)
    for _ in range(5):  # as many deployments
        await interrupt(both, manager)
    (listed,) = await both.call(manager, "list_interrupted_operations")
    assert (listed.status, listed.recoveries) == ("interrupted", 0)


async def test_a_late_writer_is_refused(both, storage, make_manager):
    late, rival = make_manager(storage, lease_seconds=0.2), make_manager(storage)
    late.sync.core.keeper.keep = lambda lease: None  # as if the process were stopped: no heartbeat
    work = []
    with pytest.raises(StateLostError, match=r"'t1' stops: .*taken over") as caught:
        async with both.operation(late, "t1", None, "t") as state:
            await state.step("one", lambda: 1)
            await asyncio.sleep(0.22)
            assert (await both.call(rival, "recover_operation", "t1")).fencing_token == 2
            await state.step("two", work.append, 2)
    assert (caught.value.error_code, caught.value.retryable, work) == ("TRAX-023", False, [])
    record = await both.call(rival, "get_operation", "t1")
    assert (record.status, record.steps, record.fencing_token) == ("running", {"one": 1}, 2)


async def test_a_late_result_of_a_step_is_refused(both, storage, make_manager):
    late, rival = make_manager(storage, lease_seconds=0.2), make_manager(storage)
    late.sync.core.keeper.keep = lambda lease: None
    taken = threading.Event()

    def slow():
        import time

        time.sleep(0.22)
        assert rival.sync.recover_operation("t1").fencing_token == 2
        taken.set()
        return "late"

    with pytest.raises(StateLostError, match=r"has taken it over \(fencing token 2\)"):
        async with both.operation(late, "t1", None, "t") as state:
            await state.step("one", slow)
    assert taken.is_set()
    assert (await both.call(rival, "get_operation", "t1")).steps == {}


async def test_of_many_claimants_one_gets_it(database, make_manager):
    first = make_manager(database)
    for number in range(10):
        with pytest.raises(Interrupted), operation_state_context(first, f"t{number}", None, "t"):
            raise Interrupted
    runs: list[str] = []

    def resume(state):
        runs.append(state.operation_id)

    managers = [make_manager(database) for _ in range(8)]
    for manager in managers:
        manager.register_recovery("t", resume)
    threads = [threading.Thread(target=manager.sync.recover_all) for manager in managers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(runs) == [f"t{number}" for number in range(10)]


def test_a_coroutine_function_needs_the_asynchronous_manager(make_manager):
    manager = make_manager(MemoryStorage())

    @manager.register_recovery("t")
    async def resume(state):
        raise AssertionError

    with pytest.raises(InvalidConfigError, match="resume is a coroutine function: recover with `await`"):
        manager.sync.recover_all()


async def test_a_result_that_cannot_be_kept_fails_the_recovery(both, storage, make_manager):
    manager = make_manager(storage)
    await interrupt(both, manager)

    async def resume(state):
        return {1, 2}

    manager.register_recovery("t", both.recovery(resume))
    (recovery,) = await both.call(manager, "recover_all")
    assert (recovery.outcome, "result is a set" in str(recovery.error)) == ("failed", True)


async def test_a_cancelled_recovery_ends_them_all_and_leaves_the_operation_listed(storage, make_manager):
    manager = make_manager(storage)
    with pytest.raises(Interrupted), operation_state_context(manager, "t1", None, "t"):
        raise Interrupted
    begun = asyncio.Event()

    @manager.register_recovery("t")
    async def resume(state):
        begun.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(manager.recover_all())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (listed,) = await manager.list_interrupted_operations()
    assert listed.recoveries == 0


def test_a_recovery_function_is_callable(make_manager):
    with pytest.raises(InvalidConfigError, match="function='resume': a callable is needed"):
        make_manager(MemoryStorage()).register_recovery("t", "resume")


# --- Plain recovery functions, recovered with `await` -----------------------------------------------------------------


async def test_a_plain_recovery_function_runs_on_a_thread_with_the_synchronous_state(storage, make_manager):
    manager = make_manager(storage)
    with pytest.raises(Interrupted):
        async with operation_state_context(manager, "t1", None, "t", arguments={"to": "a"}) as state:
            await state.step("one", lambda: 1)
            raise Interrupted
    sent = []

    @manager.register_recovery("t")
    def mail(state):
        sent.append((state.step("one", lambda: 2), state.step("send", lambda: "sent"), state.arguments["to"]))
        sent.append(threading.current_thread() is threading.main_thread())
        return "done"

    record = await manager.recover_operation("t1")
    assert sent == [(1, "sent", "a"), False]
    assert (record.status, record.result, record.steps) == ("completed", "done", {"one": 1, "send": "sent"})


async def test_a_plain_recovery_functions_error_is_that_of_the_recovery(storage, make_manager):
    manager = make_manager(storage)
    with pytest.raises(Interrupted):
        async with operation_state_context(manager, "t1", None, "t"):
            raise Interrupted

    @manager.register_recovery("t")
    def fail(state):
        raise LookupError("no")

    (recovery,) = await manager.recover_all()
    assert (recovery.outcome, type(recovery.error)) == ("failed", LookupError)


async def test_a_recovery_function_that_hands_back_an_awaitable_is_told_so(make_manager):
    manager = make_manager(MemoryStorage())
    with pytest.raises(Interrupted):
        async with operation_state_context(manager, "t1", None, "t"):
            raise Interrupted

    async def resume(state):
        raise AssertionError

    manager.register_recovery("t", lambda state: resume(state))
    (recovery,) = await manager.recover_all()
    assert "has to be awaited" in str(recovery.error)
