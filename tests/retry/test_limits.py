"""What ends retrying: deadline, time limit, budget, stop event, the end of the process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
import time as real_time
from typing import Any

import pytest

from trax_otel import clock, lifecycle
from trax_otel.errors import InvalidConfigError
from trax_otel.errors import TimeoutError as TraxTimeoutError
from trax_otel.retry import (
    RetryBudget,
    RetryContext,
    async_retry,
    retry,
    retry_budget,
    retrying,
)
from trax_otel.testing import FakeClock

AWAY = ConnectionError


def fails() -> None:
    raise AWAY("refused")


# --- Deadline -------------------------------------------------------------------------------------


async def test_no_sleep_is_begun_that_would_pass_the_deadline(form: Any, time: FakeClock) -> None:
    with pytest.raises(AWAY) as caught:
        await form(fails, max_retries=9, initial_delay=1.0, jitter=None, deadline=5.0)
    assert time.sleeps == [1.0, 2.0]
    assert len(caught.value.attempts) == 3  # type: ignore[attr-defined]


async def test_retries_inside_keep_the_outer_deadline(form: Any, time: FakeClock) -> None:
    @retry(max_retries=9, initial_delay=1.0, wait="constant", jitter=None)
    def inner() -> None:
        fails()

    with pytest.raises(AWAY):
        await form(inner, max_retries=9, initial_delay=1.0, wait="constant", jitter=None, deadline=3.0)
    assert sum(time.sleeps) <= 3.0


def test_the_deadline_ends_with_its_call(time: FakeClock) -> None:
    with pytest.raises(AWAY):
        retrying(max_retries=1, initial_delay=1.0, jitter=None, deadline=2.0).call(fails)
    time.sleeps.clear()
    with pytest.raises(AWAY):
        retrying(max_retries=2, initial_delay=5.0, jitter=None, wait="constant").call(fails)
    assert time.sleeps == [5.0, 5.0]


# --- Time limit of an attempt ---------------------------------------------------------------------


@pytest.fixture
def real() -> Any:
    with clock.use(clock.SystemClock()):
        yield


@pytest.mark.usefixtures("real")
async def test_an_attempt_that_takes_too_long_is_cancelled_and_repeated() -> None:
    calls: list[str] = []

    @async_retry(max_retries=2, initial_delay=0, attempt_timeout=0.05)
    async def slow() -> str:
        calls.append("begun")
        if len(calls) == 3:
            return "fine"
        try:
            await asyncio.sleep(30)
        finally:
            calls.append("ended")
        return "late"

    assert await slow() == "fine"
    assert calls == ["begun", "ended", "begun"] or calls[:2] == ["begun", "ended"]


@pytest.mark.usefixtures("real")
async def test_the_last_attempts_limit_is_an_error_of_ours() -> None:
    @async_retry(max_retries=0, attempt_timeout=0.05)
    async def slow() -> None:
        await asyncio.sleep(30)

    with pytest.raises(TraxTimeoutError, match=r"took longer than its limit of 0\.05 s"):
        await slow()
    task = asyncio.current_task()
    assert getattr(task, "cancelling", lambda: 0)() == 0


@pytest.mark.usefixtures("real")
async def test_a_cancellation_from_outside_is_not_a_time_limit() -> None:
    @async_retry(max_retries=3, initial_delay=0, attempt_timeout=5.0)
    async def slow() -> None:
        await asyncio.sleep(30)

    task = asyncio.create_task(slow())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_synchronous_function_cannot_have_one() -> None:
    with pytest.raises(InvalidConfigError, match="attempt_timeout=1 needs an async function"):
        retry(attempt_timeout=1)(fails)
    with pytest.raises(InvalidConfigError, match="nothing can interrupt a synchronous one"):
        retrying(attempt_timeout=1).call(fails)
    with pytest.raises(InvalidConfigError), RetryContext(attempt_timeout=1) as retries:
        retries.execute(fails)


# --- Budget ---------------------------------------------------------------------------------------


async def test_an_empty_budget_raises_errors_as_they_come(form: Any, time: FakeClock) -> None:
    budget = RetryBudget("small", tokens=3, per_second=0, per_success=0)
    for calls_expected in (3, 2, 1):
        calls: list[int] = []

        def work(calls: list[int] = calls) -> None:
            calls.append(1)
            fails()

        with pytest.raises(AWAY):
            await form(work, max_retries=2, initial_delay=0, budget=budget)
        assert len(calls) == calls_expected


def test_three_nested_retries_cannot_become_27_calls() -> None:
    calls: list[int] = []

    @retry(max_retries=2, initial_delay=0)
    def innermost() -> None:
        calls.append(1)
        fails()

    middle = retry(max_retries=2, initial_delay=0)(lambda: innermost())
    outer = retry(max_retries=2, initial_delay=0, budget=RetryBudget("nested", tokens=4, per_second=0))(
        lambda: middle()
    )
    with pytest.raises(AWAY):
        outer()
    assert len(calls) == 5


def test_budgets_of_one_name_are_one(time: FakeClock) -> None:
    assert retry_budget("shared", tokens=2) is retry_budget("shared")
    with pytest.raises(AWAY):
        retrying(max_retries=9, initial_delay=0, budget="shared").call(fails)
    assert retry_budget("shared").tokens == 0
    time.advance(1.5)
    assert retry_budget("shared").tokens == 1.5


def test_successes_give_back() -> None:
    budget = RetryBudget("giving", tokens=1, per_second=0, per_success=0.5)
    assert (budget.take(), budget.take()) == (True, False)
    for _ in range(2):
        retrying(budget=budget).call(lambda: None)
    assert budget.take()


def test_threads_cannot_overdraw_a_budget() -> None:
    budget = RetryBudget("contended", tokens=100, per_second=0)
    taken: list[bool] = []
    threads = [threading.Thread(target=lambda: taken.extend(budget.take() for _ in range(50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(True) == 100


@pytest.mark.parametrize("option", [{"tokens": -1}, {"per_second": float("nan")}, {"per_success": "x"}])
def test_bad_budgets_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfigError, match=next(iter(option))):
        RetryBudget("bad", **option)


# --- Told to stop ---------------------------------------------------------------------------------


async def test_a_stop_event_ends_it(form: Any, time: FakeClock) -> None:
    stop = threading.Event()

    def work() -> None:
        stop.set()
        fails()

    with pytest.raises(AWAY) as caught:
        await form(work, max_retries=9, initial_delay=100.0, stop=stop)
    assert len(caught.value.attempts) == 1  # type: ignore[attr-defined]


async def test_a_process_that_stops_begins_no_repeat(form: Any) -> None:
    def work() -> None:
        lifecycle.stop()
        fails()

    try:
        with pytest.raises(AWAY) as caught:
            await form(work, max_retries=9, initial_delay=0)
        assert len(caught.value.attempts) == 1  # type: ignore[attr-defined]
    finally:
        lifecycle.resume()


SLEEPERS = """
    import asyncio, sys, threading, time
    from trax_otel import lifecycle
    from trax_otel.retry import async_retry, retry

    ended = []

    @retry(max_retries=1, initial_delay=600, max_delay=600)
    def sync():
        raise ConnectionError("refused")

    @async_retry(max_retries=1, initial_delay=600, max_delay=600)
    async def coroutine():
        raise ConnectionError("refused")

    def run(call):
        try:
            call()
        except ConnectionError:
            ended.append(time.monotonic())

    threads = [threading.Thread(target=run, args=(call,)) for call in (sync, sync, lambda: asyncio.run(coroutine()))]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    lifecycle.stop()
    for thread in threads:
        thread.join(10)
    print(len(ended), max(ended) - began)
"""


def test_sleeping_retries_end_within_a_tenth_of_a_second() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SLEEPERS)], capture_output=True, text=True, timeout=60, check=True
    )
    count, seconds = done.stdout.split()
    assert (int(count), float(seconds) < 0.1) == (3, True), done.stdout


@pytest.mark.usefixtures("real")
async def test_a_cancelled_sleep_is_a_cancellation() -> None:
    @async_retry(max_retries=1, initial_delay=600, max_delay=600)
    async def work() -> None:
        fails()

    task = asyncio.create_task(work())
    await asyncio.sleep(0.02)
    task.cancel()
    began = real_time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert real_time.monotonic() - began < 5
