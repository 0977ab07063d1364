"""Strategies by priority, under one deadline."""

from __future__ import annotations

import asyncio
import sys

import pytest

from trax_otel.errors import NetworkError, RecoveryError
from trax_otel.recovery import PREPARED, CallableStrategy, RecoveryContext, RecoveryManager
from trax_otel.retry import async_retry, retry
from trax_otel.testing import fake_clock


def failing(error: Exception):
    def fail(context):
        raise error

    return fail


def giving(value, tried=None):
    def give(context):
        if tried is not None:
            tried.append(value)
        return value

    return give


# --- Order ----------------------------------------------------------------------------------------------------------------


async def test_the_first_strategy_that_answers_is_the_last_one_tried(world, context):
    tried: list[str] = []
    manager = RecoveryManager()
    manager.add_strategy(CallableStrategy(world.function(giving("late", tried)), priority=200, name="late"))
    manager.add_strategy(CallableStrategy(world.function(giving("early", tried)), priority=10, name="early"))
    assert await world.attempt(manager, context) == "early"
    assert tried == ["early"]


async def test_equal_priorities_are_tried_in_the_order_of_adding(world, context):
    tried: list[str] = []

    def fail(name):
        def strategy(context):
            tried.append(name)
            raise LookupError(name)

        return world.function(strategy)

    manager = RecoveryManager(max_fallbacks=5, strategies=[CallableStrategy(fail(n), name=n) for n in "bac"])
    with pytest.raises(RecoveryError):
        await world.attempt(manager, context)
    assert tried == ["b", "a", "c"]
    assert [strategy.name for strategy in manager.strategies] == tried


async def test_a_strategy_is_given_the_context(world, context):
    manager = RecoveryManager()
    seen = []
    manager.strategy(name="look")(world.function(lambda given: seen.append(given) or "ok"))
    assert await world.attempt(manager, context) == "ok"
    assert seen == [context]


async def test_none_is_an_answer(world, context):
    manager = RecoveryManager(strategies=[CallableStrategy(world.function(giving(None)), name="none")])
    assert await world.attempt(manager, context) is None


async def test_what_does_not_apply_is_passed_over(world, context):
    manager = RecoveryManager()
    manager.strategy(on=LookupError, priority=1, name="other")(world.function(giving("wrong")))
    manager.strategy(on=NetworkError, priority=2, name="network")(world.function(giving("right")))
    assert await world.attempt(manager, context) == "right"  # a builtin ConnectionError counts as NetworkError


async def test_a_strategy_taken_out_is_not_tried(world, context):
    first, second = CallableStrategy(giving(1), name="one"), CallableStrategy(giving(2), name="two")
    manager = RecoveryManager(strategies=[first, second])
    assert manager.remove_strategy(first)
    assert not manager.remove_strategy("one")
    assert await world.attempt(manager, context) == 2
    assert manager.remove_strategy("two")
    assert manager.strategies == ()


async def test_a_strategy_that_only_clears_the_ground_lets_the_next_answer(world, context):
    manager = RecoveryManager(max_fallbacks=1)
    manager.strategy(priority=1, name="clean")(world.function(giving(PREPARED)))
    manager.strategy(priority=2, name="answer")(world.function(giving("ok")))
    assert await world.attempt(manager, context) == "ok"
    manager.remove_strategy("answer")
    assert await world.attempt(manager, context) is None
    manager.strategy(priority=2, name="broken")(world.function(failing(LookupError("no"))))
    with pytest.raises(RecoveryError):
        await world.attempt(manager, context)


async def test_synchronous_callers_get_recover_sync_where_there_is_one(world, context):
    class Both(CallableStrategy):
        def recover_sync(self, context):
            return "sync"

    async def recover(context):
        return "async"

    manager = RecoveryManager(strategies=[Both(recover)])
    assert await world.attempt(manager, context) == ("async" if world.asynchronous else "sync")


def test_a_strategy_that_has_to_be_awaited_fails_for_synchronous_callers(context):
    async def later(context):
        return 1

    manager = RecoveryManager(strategies=[CallableStrategy(later)])
    with pytest.raises(RecoveryError, match=r"later: .*NotAwaitedError.*use the async form"):
        manager.attempt_recovery_sync(context)


# --- All fail -------------------------------------------------------------------------------------------------------------


async def test_when_all_fail_one_error_has_every_cause(world, context):
    first, second = LookupError("cache is empty"), ValueError("no backup")
    manager = RecoveryManager()
    manager.strategy(name="cache")(world.function(failing(first)))
    manager.strategy(name="backup")(world.function(failing(second)))
    with pytest.raises(RecoveryError) as raised:
        await world.attempt(manager, context)
    error = raised.value
    assert error.error_code == "TRAX-007"
    assert error.original_error is context.error
    assert error.causes == (context.error, first, second)
    assert error.__cause__.exceptions == error.causes
    if sys.version_info >= (3, 11):
        assert isinstance(error.__cause__, ExceptionGroup)  # noqa: F821 — there from Python 3.11 on
    assert str(error) == (
        "recovery of 'transcribe' failed: cache: LookupError: cache is empty; backup: ValueError: no backup"
    )


async def test_an_applies_that_raises_is_a_failed_strategy(world, context):
    broken = CallableStrategy(giving(1), on=lambda error: error.no_such_attribute, name="broken")
    manager = RecoveryManager(strategies=[broken])
    with pytest.raises(RecoveryError, match="broken: AttributeError") as raised:
        await world.attempt(manager, context)
    assert isinstance(raised.value.causes[1], AttributeError)
    manager.strategy(name="other")(world.function(giving("ok")))
    assert await world.attempt(manager, context) == "ok"


async def test_without_a_strategy_that_applies_it_says_so(world, context):
    manager = RecoveryManager()
    with pytest.raises(RecoveryError, match="no strategy was added") as raised:
        await world.attempt(manager, context)
    assert raised.value.causes == (context.error,)
    manager.strategy(on=LookupError, name="other")(giving(1))
    with pytest.raises(RecoveryError, match="no strategy applies to ConnectionError"):
        await world.attempt(manager, context)


async def test_no_more_strategies_may_fail_than_allowed(world, context):
    manager = RecoveryManager(max_fallbacks=2)
    for name in ("one", "two", "three"):
        manager.strategy(name=name)(world.function(failing(LookupError(name))))
    with pytest.raises(RecoveryError, match="max_fallbacks=2 were tried; not tried: three") as raised:
        await world.attempt(manager, context)
    assert len(raised.value.causes) == 3


async def test_an_error_raised_again_is_one_cause(world, context):
    manager = RecoveryManager(strategies=[CallableStrategy(world.function(failing(context.error)), name="again")])
    with pytest.raises(RecoveryError) as raised:
        await world.attempt(manager, context)
    assert raised.value.causes == (context.error,)


# --- Off, and what is no error --------------------------------------------------------------------------------------------


async def test_switched_off_it_raises_the_error_itself(world, context):
    tried: list[int] = []
    manager = RecoveryManager(enabled=False, strategies=[CallableStrategy(giving(1, tried), name="one")])
    with pytest.raises(ConnectionError, match="no route") as raised:
        await world.attempt(manager, context)
    assert raised.value is context.error
    assert tried == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
async def test_nothing_recovers_from_what_is_no_error(world, kind):
    tried: list[int] = []
    manager = RecoveryManager(strategies=[CallableStrategy(giving(1, tried), name="one")])
    with pytest.raises(kind):
        await world.attempt(manager, RecoveryContext("a", kind("stop")))
    assert tried == []


# --- Time -----------------------------------------------------------------------------------------------------------------


async def test_no_strategy_begins_after_the_deadline(world, context):
    with fake_clock() as clock:
        manager = RecoveryManager(timeout=5.0)

        def slow(context):
            clock.advance(6.0)
            raise LookupError("too late")

        manager.strategy(name="slow")(world.function(slow))
        manager.strategy(name="next")(world.function(giving("ok")))
        with pytest.raises(RecoveryError, match="time limit of 5 s passed; not tried: next") as raised:
            await world.attempt(manager, context)
    assert len(raised.value.causes) == 2


async def test_an_answer_counts_however_late(world, context):
    with fake_clock() as clock:
        manager = RecoveryManager(timeout=5.0)
        manager.strategy(name="slow")(world.function(lambda context: clock.advance(60.0) or "ok"))
        assert await world.attempt(manager, context) == "ok"


async def test_a_coroutine_is_cancelled_when_the_time_is_over(context):
    ended = []

    async def endless(context):
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    manager = RecoveryManager(timeout=0.05, strategies=[CallableStrategy(endless)])
    with pytest.raises(RecoveryError, match=r"endless: .*TimeoutError") as raised:
        await manager.attempt_recovery(context)
    assert ended == [True]
    assert isinstance(raised.value.causes[1], TimeoutError)


async def test_cancellation_passes_through(context):
    async def endless(context):
        await asyncio.sleep(60)

    manager = RecoveryManager(strategies=[CallableStrategy(endless), CallableStrategy(giving(1), name="never")])
    task = asyncio.get_running_loop().create_task(manager.attempt_recovery(context))
    await asyncio.sleep(0.01)
    task.cancel("reason")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_strategy_that_retries_keeps_to_the_deadline(world, context):
    tried: list[float] = []

    with fake_clock() as clock:

        def unreachable(context):
            tried.append(clock.elapsed)
            raise ConnectionError("no route")

        options = {"max_retries": 9, "initial_delay": 4.0, "max_delay": 4.0, "wait": "constant", "jitter": None}
        retried = (async_retry if world.asynchronous else retry)(**options)(world.function(unreachable))
        manager = RecoveryManager(timeout=10.0, strategies=[CallableStrategy(retried, name="again")])
        with pytest.raises(RecoveryError, match="again: ConnectionError"):
            await world.attempt(manager, context)
        assert tried == [0.0, 4.0, 8.0]
        tried.clear()
        with pytest.raises(ConnectionError):  # after the recovery nothing is bounded any more
            await result_of(retried(context))
        assert len(tried) == 10


async def result_of(value):
    return await value if asyncio.iscoroutine(value) else value
