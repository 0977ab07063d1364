# ruff: noqa: PT012  (what raises is the end of a block that does something)
"""What a trace and the metrics tell of operations whose state is kept."""

from __future__ import annotations

import contextlib

import pytest

from trax_otel import semconv
from trax_otel.recovery.state import MemoryStorage, OperationBusyError, StateLostError, operation_state_context
from trax_otel.recovery.state.telemetry import link_to
from trax_otel.signals import current_correlation


class Interrupted(BaseException):
    """What a killed process looks like to the block, without the kill."""


async def test_an_operation_is_a_span_and_each_step_a_child(both, manager, trax_telemetry):
    async with both.operation(manager, "t1", "corr-9", "transcription") as state:
        await state.step("load", lambda: 1)
        await state.checkpoint(at=1)
        with pytest.raises(LookupError):
            await state.step("write", fail)
    span = trax_telemetry.span("transcription")
    assert span.attributes[semconv.STATE_OPERATION_TYPE] == "transcription"
    assert span.attributes[semconv.OPERATION_NAME] == "transcription"
    assert [event.name for event in span.events] == [semconv.STATE_CHECKPOINT_EVENT]
    load, write = trax_telemetry.children(span)
    assert load.name == semconv.STATE_STEP_SPAN
    assert load.attributes == {
        semconv.STATE_STEP: "load",
        semconv.STATE_REPLAYED: False,
        semconv.OUTCOME: "success",
        semconv.CORRELATION_ID: "corr-9",
    }
    assert (write.status, write.attributes[semconv.OUTCOME]) == ("error", "failure")
    assert write.attributes["error.type"] == "LookupError"


def fail() -> None:
    raise LookupError("no")


async def test_the_resumed_span_links_to_the_interrupted_one(both, storage, make_manager, trax_telemetry):
    first, second = make_manager(storage), make_manager(storage)
    with pytest.raises(Interrupted):
        async with both.operation(first, "t1", None, "t") as state:
            await state.step("one", lambda: 1)
            raise Interrupted
    interrupted = trax_telemetry.span("t")
    assert (interrupted.status, interrupted.attributes[semconv.OUTCOME]) == ("unset", "cancelled")
    trax_telemetry.clear()

    async def resume(state):
        await state.step("one", lambda: 1)
        await state.step("two", lambda: 2)

    second.register_recovery("t", both.recovery(resume))
    await both.call(second, "recover_all")
    resumed = trax_telemetry.span("t")
    assert resumed.links == (interrupted.span_id,)
    assert resumed.trace_id != interrupted.trace_id
    assert resumed.attributes[semconv.STATE_RECOVERIES] == 1
    steps = [(one.attributes[semconv.STATE_STEP], one.attributes[semconv.STATE_REPLAYED]) for one in
             trax_telemetry.children(resumed)]  # fmt: skip
    assert steps == [("one", True), ("two", False)]


async def test_each_run_links_to_the_one_before_it(both, storage, make_manager, trax_telemetry):
    manager = make_manager(storage)
    for _ in range(3):
        with pytest.raises(Interrupted):
            async with both.operation(manager, "t1", None, "t"):
                raise Interrupted
    first, second, third = trax_telemetry.spans
    assert (first.links, second.links, third.links) == ((), (first.span_id,), (second.span_id,))


async def test_the_correlation_id_is_current_inside_and_comes_back(both, storage, make_manager, trax_telemetry):
    manager = make_manager(storage)
    seen = []
    with pytest.raises(Interrupted):
        async with both.operation(manager, "t1", "corr_456", "t"):
            seen.append(current_correlation().id)
            raise Interrupted

    async def resume(state):
        seen.append(current_correlation().id)

    manager.register_recovery("t", both.recovery(resume))
    await both.call(manager, "recover_all")
    assert seen == ["corr_456", "corr_456"]
    assert current_correlation().id is None


async def test_counters_tell_what_became_of_operations_and_steps(both, make_manager, trax_telemetry):
    manager = make_manager(MemoryStorage())

    def total(name: str, outcome: str) -> float:
        return trax_telemetry.total(
            name, {semconv.STATE_OPERATION_TYPE: "t", semconv.STATE_OUTCOME: outcome}
        )  # fmt: skip

    operations, steps = semconv.STATE_OPERATIONS.name, semconv.STATE_STEPS.name
    manager.register_recovery("t", both.recovery(lambda state: state.step("one", lambda: 1)))
    outcomes = ("started", "completed", "failed", "recovered", "dead_lettered", "lost")
    assert [total(operations, outcome) for outcome in outcomes] == [0] * 6, "an alert needs them before they happen"
    assert [total(steps, outcome) for outcome in ("run", "replayed", "failed")] == [0] * 3
    async with both.operation(manager, "a", None, "t") as state:
        await state.step("one", lambda: 1)
        with pytest.raises(LookupError):
            await state.step("two", fail)
    with pytest.raises(Interrupted):
        async with both.operation(manager, "b", None, "t") as state:
            await state.step("one", lambda: 1)
            raise Interrupted
    with pytest.raises(LookupError):
        async with both.operation(manager, "c", None, "t"):
            raise LookupError
    with pytest.raises(StateLostError):
        async with both.operation(manager, "d", None, "t") as state:
            manager.sync.core.storage.transact(lambda transaction: transaction.change("d", {"owner": "me"}, lease=9))
            await state.step("one", lambda: 1)
    await both.call(manager, "recover_all")
    assert [total(operations, outcome) for outcome in outcomes] == [4, 2, 1, 1, 0, 1]
    assert [total(steps, outcome) for outcome in ("run", "replayed", "failed")] == [2, 1, 2]
    stored = trax_telemetry.metric(semconv.STATE_STORE_DURATION.name, {semconv.STATE_OUTCOME: "completed"})
    assert stored.count > 5


async def test_a_refused_entry_is_rejected(both, storage, make_manager, trax_telemetry):
    manager = make_manager(storage)
    async with both.operation(manager, "t1", None, "t"):
        trax_telemetry.clear()
        with pytest.raises(OperationBusyError):
            async with both.operation(manager, "t1", None, "t"):
                raise AssertionError
        assert trax_telemetry.span("t").attributes[semconv.OUTCOME] == "rejected"


async def test_a_completed_operation_says_that_it_is_replayed(both, manager, trax_telemetry):
    for _ in range(2):
        async with both.operation(manager, "t1", None, "t") as state:
            await state.step("one", lambda: 1)
    again = trax_telemetry.spans[-1]
    assert (again.attributes[semconv.STATE_STATUS], again.attributes[semconv.STATE_REPLAYED]) == ("completed", True)


@pytest.mark.parametrize("text", [None, "", "00-1-2", "00-zz-11-01", "00-" + "0" * 32 + "-" + "1" * 16 + "-01"])
def test_what_is_no_traceparent_is_no_link(text):
    assert link_to(text) is None


def test_without_an_sdk_nothing_is_linked_and_all_else_works(make_manager):
    manager = make_manager(MemoryStorage())
    for _ in range(2):
        with pytest.raises(Interrupted), operation_state_context(manager, "t1", None, "t"):
            raise Interrupted
    assert manager.sync.get_operation("t1").traceparent is None


async def test_an_error_that_is_falsy_is_an_error(both, manager, trax_telemetry):
    class EmptyError(Exception):
        def __len__(self) -> int:
            return 0

    with pytest.raises(EmptyError):
        async with both.operation(manager, "t1", None, "t"):
            raise EmptyError
    assert trax_telemetry.span("t").attributes[semconv.OUTCOME] == "failure"
    assert (await both.call(manager, "get_operation", "t1")).status == "failed"


def test_debug_mode_says_what_state_does(make_manager, caplog, monkeypatch):
    monkeypatch.setattr("trax_otel.config.debug", lambda: True)
    caplog.set_level("DEBUG", logger="trax_otel.recovery.state")
    manager = make_manager(MemoryStorage())
    for _ in range(2):
        with contextlib.suppress(LookupError), operation_state_context(manager, "t1", operation_type="t") as state:
            state.step("one", lambda: 1)
            state.step("two", {}.__getitem__, "missing")
    lines = "\n".join(record.getMessage() for record in caplog.records)
    for said in ("operation t1: started as ", "step one is recorded", "step two has no result: KeyError: 'missing'",
                 "operation t1: left: KeyError", "operation t1: resumed as ", "1 steps are recorded",
                 "step one is recorded: it is not run again"):  # fmt: skip
        assert said in lines
