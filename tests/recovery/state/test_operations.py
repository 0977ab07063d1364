"""One operation: its steps, checkpoints, end and second entry, on every store and in both worlds."""

# ruff: noqa: PT012  (what raises is the end of a block that does something)
from __future__ import annotations

import asyncio

import pytest

from trax_otel.errors import InvalidConfigError
from trax_otel.recovery.state import (
    MemoryStorage,
    OperationBusyError,
    OperationCompletedError,
    StateError,
    UnstorableValueError,
    operation_state_context,
)


class Interrupted(BaseException):
    """What a killed process looks like to the block, without the kill."""


class Work:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def __call__(self, value: object) -> object:
        self.calls.append(value)
        return value


async def test_what_was_done_is_on_record(both, manager):
    async with both.operation(manager, "t1", "corr", "transcribe", arguments={"file": "a.wav"}) as state:
        assert await state.step("load", Work(), 5) == 5
        await state.checkpoint(pages=[1, 2])
        await state.checkpoint(done=0.5)
        state.set_result({"text": "héllo"})
    record = await both.call(manager, "get_operation", "t1")
    assert (record.operation_id, record.operation_type, record.correlation_id) == ("t1", "transcribe", "corr")
    assert (record.status, record.arguments, record.result) == ("completed", {"file": "a.wav"}, {"text": "héllo"})
    assert (record.data, record.steps, record.fencing_token) == ({"pages": [1, 2], "done": 0.5}, {"load": 5}, 1)
    assert record.created_at <= record.updated_at <= record.finished_at


async def test_recorded_steps_are_replayed_when_it_is_entered_again(both, manager):
    work = Work()
    with pytest.raises(Interrupted):
        async with both.operation(manager, "t1", None, "t", arguments={"n": 1}) as state:
            await state.step("one", work, 1)
            await state.checkpoint(at="one")
            raise Interrupted
    async with both.operation(manager, "t1", None, "t") as state:
        assert (state.resumed, state.recoveries, state.fencing_token) == (True, 1, 2)
        assert (state.arguments, state.data) == ({"n": 1}, {"at": "one"})
        assert [await state.step("one", work, 9), await state.step("two", work, 2)] == [1, 2]
    assert work.calls == [1, 2]


async def test_steps_of_one_name_are_told_apart_by_their_order(both, manager):
    work = Work()
    with pytest.raises(Interrupted):
        async with both.operation(manager, "t1", None, "t") as state:
            assert [await state.step("page", work, page) for page in (1, 2)] == [1, 2]
            raise Interrupted
    async with both.operation(manager, "t1", None, "t") as state:
        assert [await state.step("page", work, page) for page in (1, 2, 3)] == [1, 2, 3]
    assert work.calls == [1, 2, 3]
    assert (await both.call(manager, "get_operation", "t1")).steps == {"page": 1, "page#2": 2, "page#3": 3}


async def test_a_step_returns_the_first_time_what_a_replay_returns(both, manager):
    async with both.operation(manager, "t1", None, "t") as state:
        assert await state.step("pair", lambda: (1, {"a": (2,)})) == [1, {"a": [2]}]


async def test_a_completed_operation_says_so_and_runs_nothing(both, manager):
    work = Work()
    async with both.operation(manager, "t1", None, "t") as state:
        assert not state.completed
        await state.step("one", work, 1)
        state.set_result("done")
    async with both.operation(manager, "t1", None, "t") as state:
        assert (state.completed, state.result) == (True, "done")
        assert await state.step("one", work, 7) == 1
        with pytest.raises(OperationCompletedError, match="'two' has no recorded result"):
            await state.step("two", work, 2)
        with pytest.raises(OperationCompletedError):
            await state.checkpoint(a=1)
    assert work.calls == [1]
    assert (await both.call(manager, "get_operation", "t1")).data == {}


async def test_an_exception_ends_it_as_failed_and_it_can_be_tried_again(both, manager):
    work, error = Work(), LookupError("no such file")
    with pytest.raises(LookupError) as caught:
        async with both.operation(manager, "t1", None, "t") as state:
            await state.step("one", work, 1)
            raise error
    assert caught.value is error
    record = await both.call(manager, "get_operation", "t1")
    assert (record.status, record.error) == ("failed", "LookupError: no such file")
    assert await both.call(manager, "list_interrupted_operations") == []
    async with both.operation(manager, "t1", None, "t") as state:
        assert (state.resumed, state.recoveries) == (True, 0)
        assert await state.step("one", work, 2) == 1
    record = await both.call(manager, "get_operation", "t1")
    assert (record.status, record.error) == ("completed", None)


async def test_a_failed_step_is_not_recorded(both, manager):
    def fail() -> None:
        raise ValueError("bad")

    async with both.operation(manager, "t1", None, "t") as state:
        with pytest.raises(ValueError, match="bad"):
            await state.step("one", fail)
    assert (await both.call(manager, "get_operation", "t1")).steps == {}


async def test_what_runs_is_busy_for_everybody_else(both, storage, manager, make_manager):
    rival = make_manager(storage)
    async with both.operation(manager, "t1", None, "t"):
        with pytest.raises(OperationBusyError, match=r"is being run by .*; its lease holds for") as caught:
            async with both.operation(rival, "t1", None, "t"):
                raise AssertionError
        assert caught.value.retryable
        assert 0 < caught.value.retry_after <= 30
        assert await both.call(rival, "list_interrupted_operations") == []
        assert await both.call(rival, "recover_operation", "t1") is None


async def test_values_that_json_cannot_keep_are_refused_where_they_are(both, manager):
    async with both.operation(manager, "t1", None, "t") as state:
        with pytest.raises(UnstorableValueError, match=r"result of step 'one'\.pages\[1\] is a set"):
            await state.step("one", lambda: {"pages": [1, {2}]})
        with pytest.raises(UnstorableValueError, match=r"data\.at is a datetime\.datetime"):
            from datetime import datetime

            await state.checkpoint(at=datetime(2026, 1, 1))
        with pytest.raises(UnstorableValueError, match="result is a bytes"):
            state.set_result(b"x")
        await state.checkpoint(fine=1)
    assert (await both.call(manager, "get_operation", "t1")).data == {"fine": 1}


async def test_nothing_larger_than_allowed_is_kept(both, storage, make_manager):
    manager = make_manager(storage, max_bytes=100)
    async with both.operation(manager, "t1", None, "t") as state:
        with pytest.raises(UnstorableValueError, match=r"takes 102 bytes of JSON, 100 are allowed"):
            await state.step("one", lambda: "é" * 50)
        await state.checkpoint(a="x" * 60)
        with pytest.raises(UnstorableValueError):
            await state.checkpoint(b="x" * 60)


async def test_coroutine_functions_are_steps_too(storage, make_manager):
    manager = make_manager(storage)

    async def load(page: int) -> int:
        await asyncio.sleep(0)
        return page

    async with operation_state_context(manager, "t1", None, "t") as state:
        assert await asyncio.gather(*(state.step(f"page {n}", load, n) for n in range(20))) == list(range(20))
    assert len((await manager.get_operation("t1")).steps) == 20


async def test_checkpoints_side_by_side_lose_nothing(storage, make_manager):
    manager = make_manager(storage)
    async with operation_state_context(manager, "t1", None, "t") as state:
        await asyncio.gather(*(state.checkpoint(**{f"k{n}": n}) for n in range(20)))
    assert (await manager.get_operation("t1")).data == {f"k{n}": n for n in range(20)}


async def test_a_cancelled_task_leaves_an_operation_that_is_resumed_at_once(storage, make_manager):
    manager = make_manager(storage)
    inside = asyncio.Event()

    async def work() -> None:
        async with operation_state_context(manager, "t1", None, "t") as state:
            await state.step("one", lambda: 1)
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (found,) = await manager.list_interrupted_operations()
    assert (found.operation_id, found.status, found.error) == ("t1", "interrupted", None)


def test_a_coroutine_function_is_no_step_of_a_plain_with(make_manager):
    async def load() -> int:
        return 1

    with (
        operation_state_context(make_manager(MemoryStorage()), "t1", None, "t") as state,
        pytest.raises(TypeError, match="use the async form"),
    ):
        state.step("one", load)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"operation_id": ""}, "operation_id=''"),
        ({"operation_id": "a\0b"}, "operation_id="),
        ({"operation_id": 7}, "operation_id=7"),
        ({"operation_type": "x" * 501}, "operation_type="),
        ({"correlation_id": "\n"}, "correlation_id="),
        ({"on_store_loss": "ignore"}, "on_store_loss='ignore'"),
    ],
)
def test_arguments_that_cannot_be_are_named(make_manager, options, named):
    with pytest.raises(InvalidConfigError, match=named):
        operation_state_context(make_manager(MemoryStorage()), **{"operation_id": "t1", **options})


@pytest.mark.parametrize(
    "options",
    [
        {"lease_seconds": 0},
        {"max_recoveries": 0},
        {"retention_seconds": -1},
        {"max_bytes": "many"},
        {"on_store_loss": 1},
    ],
)
def test_settings_that_cannot_be_are_named(make_manager, options):
    with pytest.raises(InvalidConfigError, match=next(iter(options))):
        make_manager(MemoryStorage(), **options)


def test_a_store_is_needed(make_manager):
    with pytest.raises(InvalidConfigError, match="storage='sqlite:///x': MemoryStorage"):
        make_manager("sqlite:///x")


async def test_a_refused_checkpoint_changes_nothing(both, storage, make_manager):
    manager = make_manager(storage, max_bytes=100)
    async with both.operation(manager, "t1", None, "t") as state:
        await state.checkpoint(a=1)
        with pytest.raises(UnstorableValueError):
            await state.checkpoint(b="x" * 100)
        assert state.data == {"a": 1}
        await state.checkpoint(c=2)
    assert (await both.call(manager, "get_operation", "t1")).data == {"a": 1, "c": 2}


async def test_an_id_of_another_type_is_refused(both, manager):
    with pytest.raises(Interrupted):
        async with both.operation(manager, "t1", None, "import"):
            raise Interrupted
    with pytest.raises(StateError, match="'t1' is of type 'import', not 'export'"):
        async with both.operation(manager, "t1", None, "export"):
            raise AssertionError
    assert (await both.call(manager, "get_operation", "t1")).fencing_token == 1
