"""What a breaker lets through, what it rejects, and what it counts as a failure."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import pytest
import requests

from trax_otel.errors import InvalidConfigError, NetworkError, ServiceUnavailableError
from trax_otel.retry import CircuitBreaker, CircuitOpenError, StateChange, retry
from trax_otel.testing import FakeClock


def fails() -> None:
    raise ConnectionError("refused")


def works() -> str:
    return "fine"


async def trip(breaker: CircuitBreaker, through: Any, times: int = 2) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError):
            await through(breaker, fails)


async def test_it_opens_rejects_probes_and_closes(through: Any, time: FakeClock) -> None:
    breaker = CircuitBreaker(failure_threshold=2, timeout=30.0, name="rates")
    assert await through(breaker, works) == "fine"
    await trip(breaker, through)
    assert breaker.state == "open"
    with pytest.raises(CircuitOpenError) as rejected:
        await through(breaker, works)
    error = rejected.value
    assert (error.breaker, error.retry_after, error.retryable, error.error_code) == ("rates", 30.0, True, "TRAX-022")
    assert isinstance(error, ServiceUnavailableError)
    assert str(error) == "circuit breaker 'rates' is open: no call is made for another 30 s"
    time.advance(30.0)
    assert await through(breaker, works) == "fine"
    assert breaker.state == "closed"


async def test_a_failing_probe_opens_it_again(through: Any, time: FakeClock) -> None:
    breaker = CircuitBreaker(failure_threshold=2, timeout=30.0)
    await trip(breaker, through)
    time.advance(30.0)
    await trip(breaker, through, 1)
    assert breaker.state == "open"
    with pytest.raises(CircuitOpenError):
        await through(breaker, works)


async def test_a_success_in_between_counts_anew(through: Any) -> None:
    breaker = CircuitBreaker(failure_threshold=2)
    for _ in range(3):
        await trip(breaker, through, 1)
        assert await through(breaker, works) == "fine"
    assert breaker.state == "closed"


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()])
async def test_a_cancelled_probe_frees_its_place(through: Any, time: FakeClock, error: BaseException) -> None:
    breaker = CircuitBreaker(failure_threshold=2, timeout=30.0)
    await trip(breaker, through)
    time.advance(30.0)

    def cancelled() -> None:
        raise error

    with pytest.raises(type(error)):
        await through(breaker, cancelled)
    assert breaker.state == "half_open"
    assert await through(breaker, works) == "fine"
    assert breaker.state == "closed"


async def test_the_open_time_grows_up_to_its_limit(through: Any, time: FakeClock) -> None:
    breaker = CircuitBreaker(failure_threshold=2, timeout=10.0, timeout_growth=3.0, max_timeout=50.0)
    await trip(breaker, through)
    for expected in (10.0, 30.0, 50.0, 50.0):
        with pytest.raises(CircuitOpenError) as rejected:
            await through(breaker, works)
        assert rejected.value.retry_after == expected
        time.advance(expected)
        await trip(breaker, through, 1)
    time.advance(50.0)
    await through(breaker, works)
    await trip(breaker, through)
    with pytest.raises(CircuitOpenError) as rejected:
        await through(breaker, works)
    assert rejected.value.retry_after == 10.0


async def test_a_rate_over_the_last_calls(through: Any) -> None:
    breaker = CircuitBreaker(failure_rate=0.5, window_calls=4, minimum_calls=4)
    for function in (works, works, works, works, fails):
        with pytest.raises(ConnectionError) if function is fails else nothing():
            await through(breaker, function)
    assert breaker.state == "closed"  # 1 of the last 4
    await trip(breaker, through, 1)
    assert breaker.state == "open"  # 2 of 4


async def test_a_rate_over_time(through: Any, time: FakeClock) -> None:
    breaker = CircuitBreaker(failure_rate=1.0, window_seconds=10.0, minimum_calls=2)
    await trip(breaker, through, 1)
    time.advance(11.0)
    await trip(breaker, through, 1)
    assert breaker.state == "closed"
    await trip(breaker, through, 1)
    assert breaker.state == "open"


async def test_slow_calls_trip_it_though_they_succeed(through: Any, time: FakeClock) -> None:
    breaker = CircuitBreaker(slow_call_rate=1.0, slow_call_seconds=2.0, minimum_calls=2)
    for _ in range(2):
        await through(breaker, partial(time.advance, 2.0))
    assert breaker.state == "open"
    time.advance(60.0)
    await through(breaker, partial(time.advance, 2.0))
    assert breaker.state == "open"  # a probe that is slow is no recovery


class nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


# --- What counts as a failure ---------------------------------------------------------------------


@pytest.mark.parametrize("expected", [NetworkError, (LookupError, NetworkError), lambda error: "refused" in str(error)])
@pytest.mark.parametrize("error", [ConnectionError("refused"), requests.ConnectionError("refused")])
def test_an_expected_class_matches_what_classifies_as_it(expected: Any, error: Exception) -> None:
    assert tripped_by(error, expected_exception=expected)


@pytest.mark.parametrize("error", [ValueError("bad input"), CircuitOpenError("inner"), MemoryError()])
def test_other_errors_are_ignored(error: Exception) -> None:
    assert not tripped_by(error, expected_exception=Exception if isinstance(error, CircuitOpenError) else None)
    assert not tripped_by(error, expected_exception=NetworkError)


def test_by_default_the_network_and_what_may_pass() -> None:
    response = requests.Response()
    response.status_code = 503
    response.headers["Retry-After"] = "1"
    assert tripped_by(requests.HTTPError(response=response))
    assert tripped_by(TimeoutError())
    assert not tripped_by(KeyError("mine"))


def test_a_predicate_that_raises_is_logged_once_and_counts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def predicate(error: Exception) -> bool:
        raise LookupError("broken")

    breaker = CircuitBreaker(failure_threshold=1, expected_exception=predicate)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            breaker.call(fails)
    assert breaker.state == "closed"
    assert len([record for record in caplog.records if "predicate raised" in record.message]) == 1


def tripped_by(error: Exception, **options: Any) -> bool:
    breaker = CircuitBreaker(failure_threshold=1, **options)

    def raises() -> None:
        raise error

    with pytest.raises(type(error)):
        breaker.call(raises)
    return breaker.state == "open"


# --- By hand, listeners ---------------------------------------------------------------------------


def test_by_hand(time: FakeClock) -> None:
    breaker = CircuitBreaker(timeout=10.0)
    breaker.open()
    with pytest.raises(CircuitOpenError):
        breaker.call(works)
    breaker.close()
    assert breaker.call(works) == "fine"
    breaker.isolate()
    time.advance(1_000.0)
    with pytest.raises(CircuitOpenError, match="until it is closed by hand") as rejected:
        breaker.call(works)
    assert rejected.value.retry_after is None
    breaker.reset()
    assert breaker.call(works) == "fine"


def test_reset_forgets_failures() -> None:
    breaker = CircuitBreaker(failure_threshold=2)
    for _ in range(4):
        with pytest.raises(ConnectionError):
            breaker.call(fails)
        breaker.reset()
    assert breaker.state == "closed"


def test_opening_it_by_hand_again_begins_its_time_again_and_does_not_grow_it(time: FakeClock) -> None:
    breaker = CircuitBreaker(timeout=10.0, timeout_growth=2.0)
    for _ in range(5):
        breaker.open()
        time.advance(9.0)
    with pytest.raises(CircuitOpenError) as rejected:
        breaker.call(works)
    assert rejected.value.retry_after == pytest.approx(1.0)


def test_what_a_call_under_way_comes_to_counts_after_close_and_not_after_reset() -> None:
    breaker = CircuitBreaker(failure_threshold=1)
    under_way = breaker.acquire()
    breaker.reset()
    under_way.record(ConnectionError("refused"))
    assert breaker.state == "closed"
    under_way = breaker.acquire()
    breaker.close()
    under_way.record(ConnectionError("refused"))
    assert breaker.state == "open"


def test_listeners_are_told_and_contained(time: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    told: list[StateChange] = []

    def broken(change: StateChange) -> None:
        raise LookupError("listener")

    breaker = CircuitBreaker(failure_threshold=1, timeout=5.0, name="told")
    breaker.on_state_change(broken)
    remove = breaker.on_state_change(told.append)
    with pytest.raises(ConnectionError):
        breaker.call(fails)
    time.advance(5.0)
    breaker.call(works)
    remove()
    breaker.isolate()
    assert told == [
        ("told", "closed", "open", "failures", 5.0),
        ("told", "open", "half_open", "timeout", None),
        ("told", "half_open", "closed", "probes_succeeded", None),
    ]
    assert len([record for record in caplog.records if "broken raised" in record.message]) == 1


def test_a_change_is_one_log_line(time: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "trax_otel.retry.breaker")
    breaker = CircuitBreaker(failure_threshold=1, timeout=5.0, name="logged")
    with pytest.raises(ConnectionError):
        breaker.call(fails)
    time.advance(5.0)
    breaker.call(works)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "circuit breaker logged: open for 5 s (failures), it was closed"),
        ("INFO", "circuit breaker logged: closed (probes_succeeded), it was half_open"),
    ]


# --- With retries, and what is refused ------------------------------------------------------------


def test_a_retry_around_it_counts_each_attempt_and_stops_at_the_rejection() -> None:
    calls: list[int] = []
    breaker = CircuitBreaker(failure_threshold=2)

    @retry(max_retries=5, initial_delay=0)
    @breaker
    def work() -> None:
        calls.append(1)
        raise ConnectionError("refused")

    with pytest.raises(CircuitOpenError):
        work()
    assert len(calls) == 2


def test_around_a_retry_it_counts_one_call() -> None:
    breaker = CircuitBreaker(failure_threshold=2)

    @breaker
    @retry(max_retries=5, initial_delay=0)
    def work() -> None:
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError):
        work()
    assert breaker.state == "closed"


def test_under_a_deadline_the_retry_waits_for_it(time: FakeClock) -> None:
    breaker = CircuitBreaker(failure_threshold=1, timeout=5.0)
    outcomes = iter([ConnectionError("refused"), None])

    @retry(max_retries=3, initial_delay=1.0, jitter=None, deadline=60.0)
    @breaker
    def work() -> str:
        error = next(outcomes)
        if error:
            raise error
        return "fine"

    assert work() == "fine"
    assert sum(time.sleeps) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"failure_threshold": 0}, "failure_threshold=0 is not a whole number from 1 or None"),
        ({"timeout": -1}, "timeout=-1 is not a number of seconds above 0"),
        ({"failure_rate": 50}, "failure_rate=50 is not a share above 0 and up to 1"),
        ({"slow_call_rate": 0.5}, "slow_call_rate and slow_call_seconds are needed together"),
        ({"failure_threshold": None}, "nothing would trip it"),
        ({"minimum_calls": 20, "window_calls": 10}, "minimum_calls=20 is more than window_calls=10 can hold"),
        ({"timeout_growth": 0.5}, "timeout_growth=0.5 is not a factor from 1"),
        ({"max_timeout": 1.0}, "max_timeout=1.0 is less than timeout=60.0"),
        ({"expected_exception": "NetworkError"}, "is not an exception class"),
        ({"name": ""}, "name='' is not a text"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidConfigError, match="CircuitBreaker: ") as caught:
        CircuitBreaker(**options)
    assert told in str(caught.value)
