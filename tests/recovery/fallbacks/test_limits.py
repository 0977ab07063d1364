"""What bounds a chain: its own time limit, that of the recovery it is part of, and what happens to who is thrown away."""

from __future__ import annotations

import asyncio
import contextvars
import gc

import pytest

from trax_otel.errors import InvalidConfigError, RecoveryError
from trax_otel.recovery import (
    CachedFallback,
    FallbackManager,
    FallbackStrategy,
    RecoveryContext,
    RecoveryManager,
    fallback_context,
    fallback_point,
)
from trax_otel.retry import retry
from trax_otel.retry.budget import bounds


def slow(trax_clock, seconds, calls):
    """An alternative that takes its time, and fails."""

    def alternative():
        calls.append("slow")
        trax_clock.advance(seconds)
        raise LookupError("nothing")

    return alternative


def test_no_alternative_begins_after_the_deadline_of_the_recovery_around(trax_clock):
    calls: list[str] = []
    chain = FallbackStrategy(print, [slow(trax_clock, 6, calls), lambda: calls.append("late")], timeout=60)
    with pytest.raises(RecoveryError, match="the time limit of 5 s passed; not tried: <lambda>"):
        RecoveryManager(timeout=5, strategies=[chain]).attempt_recovery_sync(RecoveryContext("load", OSError("down")))
    assert calls == ["slow"]


async def test_retries_in_an_alternative_keep_to_the_deadline(caller, trax_clock):
    other = caller.scripted(*[ConnectionError("away")] * 9)
    retried = retry(max_retries=8, initial_delay=2.0, wait="constant", jitter=None)(other)
    chain = FallbackStrategy(caller.scripted(OSError("down")), [retried], timeout=5)
    with pytest.raises(RecoveryError):
        await caller.execute(chain)
    assert len(other.calls) == 3  # at 0, 2 and 4 seconds


async def test_a_retry_around_a_call_does_not_cut_its_alternatives_off(caller, trax_clock):
    async def late(*_):
        trax_clock.advance(9)
        raise ConnectionError("away")

    def late_sync(*_):
        trax_clock.advance(9)
        raise ConnectionError("away")

    point = fallback_point(late if caller.asynchronous else late_sync)
    manager = FallbackManager()
    manager.add_fallback(lambda: "from before", name="kept")
    assert await caller.inside(manager, retry(deadline=5)(point)) == "from before"


async def test_nothing_begins_before_it_is_awaited():
    before = bounds.get()
    context = RecoveryContext("load", OSError("down"))
    recovering = asyncio.create_task(FallbackStrategy(print, [lambda: "kept"]).recover(context))
    assert bounds.get() is before
    assert await recovering == "kept"
    assert bounds.get() is before
    FallbackStrategy(print, [lambda: "kept"]).recover(context).close()
    assert bounds.get() is before


def test_alternatives_of_a_chain_have_names_of_their_own():
    def load():
        return 1

    kept = CachedFallback(name="load-2")
    assert FallbackStrategy(print, [load, kept, load, load]).fallbacks == ("load", "load-2", "load-3", "load-4")
    with pytest.raises(InvalidConfigError, match="two are named 'cache'"):
        FallbackStrategy(print, [CachedFallback(), CachedFallback()])


def test_a_block_may_end_in_another_context():
    """As those around the `yield` of a generator do, which a framework runs step by step in threads of its own."""
    block = fallback_context(FallbackManager())
    contextvars.copy_context().run(block.__enter__)
    contextvars.copy_context().run(block.__exit__, None, None, None)


def test_a_task_that_is_thrown_away_ends_without_a_complaint():
    manager = FallbackManager()
    manager.add_fallback(_never)

    async def fails():
        raise ConnectionError("away")

    async def work():
        async with fallback_context(manager):
            await manager.execute_with_fallbacks(fails)

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # that a pending task was destroyed is asyncio's own complaint
    task = loop.create_task(work())
    loop.run_until_complete(asyncio.sleep(0.01))
    assert not task.done()
    loop.close()
    del task
    gc.collect()  # what is raised in there would fail this test, as a warning


async def _never():
    await asyncio.get_running_loop().create_future()
