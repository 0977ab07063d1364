"""Retries, fallbacks and breakers on trio; and on what is neither asyncio nor trio."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from trax_otel import clock
from trax_otel.errors import TimeoutError as TraxTimeoutError
from trax_otel.recovery import FallbackManager
from trax_otel.retry import CircuitBreaker, RetryContext, async_retry, retrying

trio = pytest.importorskip("trio")

AWAY = ConnectionError


@pytest.fixture(autouse=True)
def time() -> Iterator[None]:
    """Real time: trio's own clock does the waiting."""
    with clock.use(clock.SystemClock()):
        yield


async def decorated(work: Callable[[], Any], **options: Any) -> Any:
    @async_retry(**options)
    async def call() -> Any:
        return work()

    return await call()


async def called(work: Callable[[], Any], **options: Any) -> Any:
    return await retrying(**options).acall(work)


async def in_a_context(work: Callable[[], Any], **options: Any) -> Any:
    async with RetryContext(**options) as retries:
        return await retries.execute(work)


async def in_a_loop(work: Callable[[], Any], **options: Any) -> Any:
    async for attempt in retrying(**options):
        with attempt:
            return work()
    return None


FORMS = pytest.mark.parametrize("form", [decorated, called, in_a_context, in_a_loop])


@FORMS
@pytest.mark.parametrize("delay", [0, 0.001])
def test_waits_pass_on_trio(form: Any, failing: Any, delay: float) -> None:
    work = failing(AWAY("one"), AWAY("two"))

    async def main() -> Any:
        return await form(work, max_retries=3, initial_delay=delay)

    assert trio.run(main) == "fine"
    assert work.calls == 3


@FORMS
def test_cancellation_leaves_the_wait(form: Any, failing: Any) -> None:
    work = failing(*[AWAY("refused")] * 9)
    came_back: list[Any] = []

    async def main() -> bool:
        with trio.move_on_after(0.02) as scope:
            came_back.append(await form(work, max_retries=3, initial_delay=60))
        return bool(scope.cancelled_caught)

    assert trio.run(main)
    assert (came_back, work.calls) == ([], 1)


@FORMS
def test_the_users_error_is_raised_where_the_process_is_told_to_stop(form: Any, failing: Any) -> None:
    async def main() -> None:
        await form(failing(*[AWAY("refused")] * 9), max_retries=3, initial_delay=60)

    waker = threading.Timer(0.05, clock.wake)
    waker.start()
    try:
        with pytest.raises(AWAY, match="refused"):
            trio.run(main)
    finally:
        waker.join()
        clock.rest()


def test_an_attempts_limit() -> None:
    @async_retry(attempt_timeout=0.01, max_retries=1, initial_delay=0)
    async def hangs() -> None:
        await trio.sleep(60)

    with pytest.raises(TraxTimeoutError, match=r"longer than its limit of 0\.01 s"):
        trio.run(hangs)


def test_breakers_and_fallbacks(failing: Any) -> None:
    manager = FallbackManager()

    async def instead() -> str:
        await trio.sleep(0)
        return "instead"

    manager.add_fallback(instead)
    breaker = CircuitBreaker(failure_threshold=1)

    async def main() -> Any:
        with pytest.raises(AWAY):
            await breaker.acall(failing(AWAY("refused")))
        return await manager.execute_with_fallbacks(failing(AWAY("refused")))

    assert trio.run(main) == "instead"
    assert breaker.state == "open"


@FORMS
def test_on_another_library_the_users_error_is_raised_and_its_note_says_why(form: Any, failing: Any) -> None:
    work = failing(*[AWAY("refused")] * 9)
    with pytest.raises(AWAY, match="refused") as caught:
        form(work, max_retries=3, initial_delay=60).send(None)  # nothing drives it that we know
    assert work.calls == 1
    for note in getattr(caught.value, "__notes__", ()):
        assert "waits need asyncio or trio" in note
