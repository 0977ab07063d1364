"""`with` blocks that end elsewhere than they began: each finds its own permit again."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from trax_otel.retry import CircuitBreaker, CircuitOpenError
from trax_otel.retry.breaker import blocks
from trax_otel.testing import FakeClock


def block(breaker: CircuitBreaker) -> Iterator[None]:
    with contextlib.suppress(ConnectionError), breaker:
        yield


def ends(generator: Iterator[None], error: Exception | None = None) -> None:
    with contextlib.suppress(StopIteration):
        if error is None:
            next(generator)
        else:
            generator.throw(error)  # type: ignore[attr-defined]


def probing(time: FakeClock) -> CircuitBreaker:
    breaker = CircuitBreaker(failure_threshold=1, timeout=10.0)
    breaker.open()
    time.advance(10.0)
    return breaker


def test_blocks_of_two_breakers_that_overlap_are_told_apart() -> None:
    first, second = CircuitBreaker(failure_threshold=1), CircuitBreaker(failure_threshold=1)
    one, other = block(first), block(second)
    next(one)
    next(other)
    ends(one, ConnectionError("the first's"))
    ends(other)
    assert (first.state, second.state) == ("open", "closed")


def test_a_stale_block_that_overlaps_a_probe_does_not_take_its_place(time: FakeClock) -> None:
    breaker = CircuitBreaker(failure_threshold=1, timeout=10.0)
    stale, probe = block(breaker), block(breaker)
    next(stale)
    breaker.open()
    time.advance(10.0)
    next(probe)
    ends(stale)
    assert breaker.state == "half_open"
    ends(probe)
    assert breaker.state == "closed"


def test_the_halves_of_a_block_may_run_in_different_contexts(time: FakeClock) -> None:
    """As a web framework runs a dependency that yields: each half in a thread and a context of its own."""
    breaker = probing(time)
    halves = block(breaker)
    contextvars.copy_context().run(next, halves)
    gc.collect()
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    contextvars.copy_context().run(ends, halves)
    assert breaker.state == "closed"


async def test_an_async_block_may_end_in_another_task(time: FakeClock) -> None:
    breaker = probing(time)

    async def dependency() -> AsyncIterator[None]:
        async with breaker:
            yield

    halves = dependency()
    await asyncio.create_task(anext(halves))  # type: ignore[arg-type]
    with pytest.raises(StopAsyncIteration):
        await asyncio.create_task(anext(halves))  # type: ignore[arg-type]
    assert breaker.state == "closed"


def test_a_block_that_is_dropped_half_way_frees_its_place(time: FakeClock) -> None:
    breaker = probing(time)
    halves = block(breaker)
    next(halves)
    del halves
    gc.collect()
    breaker.call(int)
    assert breaker.state == "closed"


def test_an_exit_stack_holds_several_blocks(time: FakeClock) -> None:
    breaker, other = probing(time), CircuitBreaker(failure_threshold=1)
    with contextlib.suppress(ConnectionError), contextlib.ExitStack() as stack:
        stack.enter_context(other)
        stack.enter_context(breaker)
        raise ConnectionError("refused")
    assert (breaker.state, other.state) == ("open", "open")


async def test_an_exit_stack_may_be_closed_in_another_task(time: FakeClock) -> None:
    breaker = probing(time)
    stack = contextlib.AsyncExitStack()
    await asyncio.create_task(stack.enter_async_context(breaker))
    await stack.aclose()
    assert breaker.state == "closed"


def test_the_same_breaker_twice_in_one_function() -> None:
    breaker = CircuitBreaker(failure_threshold=2)
    with contextlib.suppress(ConnectionError), breaker, breaker:
        raise ConnectionError("refused")
    assert breaker.state == "open"


def test_nothing_is_kept_of_a_block_that_has_ended(time: FakeClock) -> None:
    breaker = CircuitBreaker()
    for _ in range(3):
        with breaker:
            asyncio.run(nested(breaker))
    assert blocks.entered.get() == ()
    assert len(breaker.blocks) == 0


def test_blocks_that_end_in_other_contexts_do_not_pile_up_here() -> None:
    breaker = CircuitBreaker()
    for _ in range(10):
        halves = block(breaker)
        next(halves)
        contextvars.copy_context().run(ends, halves)
    assert len(blocks.entered.get()) <= 1
    assert len(breaker.blocks) == 0


async def nested(breaker: CircuitBreaker) -> None:
    async with breaker:
        await asyncio.create_task(asyncio.sleep(0))
