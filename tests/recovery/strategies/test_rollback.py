# ruff: noqa: PT012  (what raises is the end of a block that does something)
"""What a failed block did is taken back."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys

import pytest

from trax_otel import semconv
from trax_otel.errors import InvalidConfigError, RecoveryError
from trax_otel.recovery import (
    CallableStrategy,
    RecoveryContext,
    RecoveryManager,
    TransactionRollbackStrategy,
    transaction,
)

# --- Undo actions ---------------------------------------------------------------------------------------------------------


async def test_undo_actions_run_backwards_where_the_block_fails(blocks):
    done: list[str] = []
    with pytest.raises(LookupError):
        async with blocks.enter(transaction()) as current:
            current.undo(blocks.function(done.append), "first")
            current.undo(blocks.function(lambda *, last: done.append(last)), last="second")
            raise LookupError("no")
    assert done == ["second", "first"]
    assert not current.open


async def test_nothing_is_undone_where_the_block_succeeds(blocks):
    done: list[str] = []
    async with blocks.enter(transaction()) as current:
        current.undo(done.append, "first")
    assert done == []
    assert not current.open


async def test_a_failure_holds_up_none_of_the_others_and_is_noted_on_the_error(blocks, caplog):
    done: list[str] = []

    def broken() -> None:
        raise OSError("disk is gone")

    with pytest.raises(LookupError) as raised:
        async with blocks.enter(transaction(name="import")) as current:
            current.undo(done.append, "first")
            current.undo(blocks.function(broken))
            current.undo(done.append, "third")
            raise LookupError("no")
    assert done == ["third", "first"]
    assert len(current.failures) == 1
    told = current.failures[0]
    assert told.endswith("broken: OSError: disk is gone")
    assert raised.value.cleanup_failures == (f"import failed: {told}",)
    if sys.version_info >= (3, 11):
        assert raised.value.__notes__ == [f"import failed: {told}"]
    assert [record.exc_info[1].args for record in caplog.records] == [("disk is gone",)]


async def test_it_can_be_rolled_back_and_committed_by_hand(blocks):
    done: list[str] = []
    current = transaction()
    current.undo(done.append, "first")
    unwound = await blocks.call(current, "rollback")
    assert (done, unwound.done, unwound.failures) == (["first"], 1, ())
    current.undo(done.append, "second")
    await blocks.call(current, "commit")
    await blocks.call(current, "rollback")
    assert done == ["first"]


async def test_a_cancelled_task_is_rolled_back():
    done: list[str] = []

    async def work() -> None:
        async with transaction() as current:
            current.undo(done.append, "first")
            await asyncio.sleep(60)

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["first"]


async def test_a_cancellation_during_the_rollback_waits_for_the_rest():
    done: list[str] = []

    async def slow() -> None:
        await asyncio.sleep(60)

    async def work() -> None:
        async with transaction() as current:
            current.undo(done.append, "first")
            current.undo(slow)
            raise LookupError("no")

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    assert done == ["first"]
    chain = raised.value
    while chain.__context__ is not None:  # Python 3.10 puts a CancelledError of its own between
        chain = chain.__context__
    assert isinstance(chain, LookupError)


def test_an_interrupt_during_the_rollback_waits_for_the_rest():
    done: list[str] = []

    def interrupted() -> None:
        raise KeyboardInterrupt

    current = transaction()
    current.undo(done.append, "first")
    current.undo(interrupted)
    with pytest.raises(KeyboardInterrupt):
        current.rollback()
    assert done == ["first"]


# --- As a strategy --------------------------------------------------------------------------------------------------------


async def test_the_strategy_rolls_back_and_lets_the_next_answer(world, blocks):
    done: list[str] = []
    current = transaction()
    current.undo(world.function(done.append), "first")
    manager = RecoveryManager(strategies=[CallableStrategy(lambda context: "answer", name="answer")])
    manager.add_strategy(TransactionRollbackStrategy())
    context = RecoveryContext("import", LookupError("no"), metadata={"transaction": current})
    assert await world.attempt(manager, context) == "answer"
    assert done == ["first"]
    assert not manager.strategies[0].applies(context)


async def test_a_rollback_that_fails_is_a_failed_strategy(world):
    def broken() -> None:
        raise OSError("disk is gone")

    current = transaction()
    current.undo(world.function(broken))
    manager = RecoveryManager(strategies=[TransactionRollbackStrategy(current)])
    with pytest.raises(RecoveryError, match=r"1 of 1 actions failed: .*broken: OSError: disk is gone") as raised:
        await world.attempt(manager, RecoveryContext("import", LookupError("no")))
    assert isinstance(raised.value.causes[1].causes[0], OSError)


async def test_anything_with_a_rollback_will_do(world):
    done: list[str] = []

    class Foreign:
        def rollback(self):
            done.append("rolled back")

    manager = RecoveryManager(strategies=[TransactionRollbackStrategy(Foreign())])
    assert await world.attempt(manager, RecoveryContext("import", LookupError("no"))) is None
    assert done == ["rolled back"]
    with pytest.raises(InvalidConfigError, match="transaction=3"):
        TransactionRollbackStrategy(3)


# --- What is told ---------------------------------------------------------------------------------------------------------


async def test_the_span_says_how_much_was_taken_back(blocks, trax_telemetry):
    def broken() -> None:
        raise OSError("disk is gone")

    with pytest.raises(LookupError):
        async with blocks.enter(transaction(name="import")) as current:
            current.undo(print)
            current.undo(broken)
            raise LookupError("no")
    span = trax_telemetry.span("cleanup")
    assert span.attributes[semconv.OPERATION_NAME] == "import"
    assert span.attributes[semconv.RECOVERY_ROLLED_BACK] == 1
    assert (span.status, span.attributes[semconv.RECOVERY_OUTCOME]) == ("error", "failed")
    async with blocks.enter(transaction()) as current:
        current.undo(print)
    assert len(trax_telemetry.spans) == 1


async def test_no_reference_cycle_is_left(blocks, caplog):
    caplog.set_level(logging.CRITICAL)  # a captured log record keeps the error it tells of

    class Kept:
        pass

    def broken(kept) -> None:
        raise OSError("disk is gone")

    async def one() -> None:
        current = transaction()
        current.undo(blocks.function(broken), Kept())
        await blocks.call(current, "rollback")

    await one()
    gc.collect()
    gc.disable()
    try:
        await one()
        assert not [found for found in gc.get_objects() if isinstance(found, Kept)]
    finally:
        gc.enable()
