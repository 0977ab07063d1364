"""What is kept of failures, whose attributes are whose, and how the time of attempts and waits is bounded."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import backoff
import pytest

from trax_otel.errors import TimeoutError as TraxTimeoutError
from trax_otel.retry import FailedAttempt, RetryDetails, async_retry, retry, retrying
from trax_otel.retry.details import KEPT_ATTEMPTS, KEPT_CHARACTERS
from trax_otel.testing import FakeClock

AWAY = ConnectionError


class Payload:
    """Something large that frames hold."""


# --- Memory ---------------------------------------------------------------------------------------


async def test_of_earlier_attempts_no_frame_is_kept(form: Any) -> None:
    alive: list[weakref.ref[Payload]] = []
    most = 0

    def work() -> None:
        nonlocal most
        most = max(most, sum(reference() is not None for reference in alive))
        payload = Payload()
        alive.append(weakref.ref(payload))
        raise AWAY("refused")

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(AWAY):
            await form(work, max_retries=9, initial_delay=0.5)
    finally:
        gc.enable()
    assert len(alive) == 10
    assert most == 0, "while an attempt runs, nothing of the earlier ones is alive"


async def test_of_long_messages_and_of_many_attempts_bounded_text_is_kept(form: Any) -> None:
    message = "x" * 1_000_000
    details: list[RetryDetails] = []

    def work() -> None:
        raise AWAY(message)

    with pytest.raises(AWAY) as caught:
        await form(work, max_retries=499, initial_delay=1, wait="constant", jitter=None, on_give_up=details.append)
    attempts: tuple[FailedAttempt, ...] = caught.value.attempts  # type: ignore[attr-defined]
    numbers = [attempt.number for attempt in attempts]
    assert numbers == [*range(1, KEPT_ATTEMPTS + 1), *range(501 - KEPT_ATTEMPTS, 501)]
    assert all(len(attempt.failure) < KEPT_CHARACTERS + 100 for attempt in attempts)
    for note in getattr(caught.value, "__notes__", ()):
        assert len(note) < 100_000
        assert "500 attempts; no attempt is left" in note
        assert "  … 400 attempts left out …\n" in note
    assert details[0].slept == 499
    assert len(details[0].delays) == 2 * KEPT_ATTEMPTS - 1


async def test_results_that_were_refused_are_not_kept(form: Any) -> None:
    alive: list[weakref.ref[Payload]] = []
    most = 0

    def work() -> Payload:
        nonlocal most
        most = max(most, sum(reference() is not None for reference in alive))
        alive.append(weakref.ref(payload := Payload()))
        return payload

    await form(work, max_retries=5, initial_delay=1, retry_on_result=lambda result: True)
    assert most <= 1  # a loop's own variable


# --- What is the user's ---------------------------------------------------------------------------


class LoginError(ConnectionError):
    def __init__(self, attempts: int) -> None:
        super().__init__(f"{attempts} attempts")
        self.attempts = attempts


class NamedError(ConnectionError):
    attempts = "a class attribute"


async def test_an_attribute_of_the_users_stays(form: Any) -> None:
    for error, own in ((LoginError(7), 7), (NamedError(), "a class attribute")):
        with pytest.raises(ConnectionError) as caught:
            await form(lambda error=error: (_ for _ in ()).throw(error), max_retries=1, initial_delay=0)
        assert caught.value.attempts == own  # type: ignore[attr-defined]


async def test_the_innermost_retry_tells_of_its_attempts(form: Any) -> None:
    @retry(max_retries=1, initial_delay=0, name="inner")
    def inner() -> None:
        raise AWAY("refused")

    with pytest.raises(AWAY) as caught:
        await form(inner, max_retries=2, initial_delay=0, name="outer")
    assert len(caught.value.attempts) == 2  # type: ignore[attr-defined]
    notes = getattr(caught.value, "__notes__", None)
    assert notes is None or [note.split(":")[1].strip() for note in notes] == ["inner", "outer"]


async def test_an_object_that_is_raised_again_by_a_later_call_has_the_later_attempts(form: Any) -> None:
    error = AWAY("refused")

    def work() -> None:
        raise error

    for retries in (1, 2):
        with pytest.raises(AWAY):
            await form(work, max_retries=retries, initial_delay=0, name="fetch")
        assert len(error.attempts) == retries + 1  # type: ignore[attr-defined]


def test_the_attempts_are_copied_and_pickled_with_the_error() -> None:
    with pytest.raises(AWAY) as caught:
        retrying(max_retries=1, initial_delay=0).call(lambda: (_ for _ in ()).throw(AWAY("refused")))
    expected = (FailedAttempt(1, "ConnectionError: refused", 0.0), FailedAttempt(2, "ConnectionError: refused", None))
    for twin in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert twin.attempts == expected
        with pytest.raises(AWAY):
            retrying(max_retries=0).call(lambda twin=twin: (_ for _ in ()).throw(twin))
        assert len(twin.attempts) == 1


# --- Falsy errors ---------------------------------------------------------------------------------


class Falsy(ConnectionError):
    def __bool__(self) -> bool:
        return False


class Empty(ConnectionError):
    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("kind", [Falsy, Empty])
async def test_falsy_errors_are_errors(form: Any, failing: Any, kind: type[Exception], trax_telemetry: Any) -> None:
    work = failing(kind("one"), kind("two"), kind("three"))
    with pytest.raises(kind, match="two"):
        await form(work, max_retries=1, initial_delay=0, name="fetch")
    assert trax_telemetry.span("fetch").status == "error"
    assert work.calls == 2


# --- Waits, as retries ask for them ---------------------------------------------------------------


def powers(number: int) -> float:
    return 10**number


def growing() -> Iterator[float]:
    yield 0.0
    value = 10.0
    while True:
        yield value
        value **= 40


WAITS: list[tuple[Any, list[float]]] = [
    ("constant", [2.0] * 5),
    ("linear", [2.0, 4.0, 6.0, 8.0, 10.0]),
    ("exponential", [2.0, 4.0, 8.0, 16.0, 32.0]),
    ("fibonacci", [2.0, 2.0, 4.0, 6.0, 10.0]),
    ([5, 7], [5.0, 7.0, 7.0, 7.0, 7.0]),
    ((1,), [1.0] * 5),
    ([0, 3], [3.0] * 4),  # a wait of nothing is none
    (lambda number: number, [1.0, 2.0, 3.0, 4.0, 5.0]),
    (lambda number: 10.0 ** (number * 200), [50.0] * 5),
    (lambda number: 10 ** (number * 200), [50.0] * 5),
    (growing, [10.0, 50.0, 50.0, 50.0, 50.0]),
    (lambda number: float("inf"), [50.0] * 5),
    (lambda: backoff.runtime(value=lambda error: 3), [3.0] * 5),
]


@pytest.mark.parametrize(("wait", "expected"), WAITS, ids=[str(index) for index in range(len(WAITS))])
async def test_waits_while_something_fails(
    form: Any, failing: Any, time: FakeClock, wait: Any, expected: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    if callable(wait) and wait.__code__.co_argcount == 0 and wait is not growing:
        make = wait

        def wait() -> Any:
            yield from make()

    await form(failing(*[AWAY("refused")] * 5), max_retries=5, initial_delay=2, max_delay=50, jitter=None, wait=wait)
    assert time.sleeps == expected
    assert caplog.records == []


def test_a_wait_that_raises_is_told_once_and_the_initial_delay_is_used(
    failing: Any, time: FakeClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trax_otel.retry.waits._reported", False)
    options: dict[str, Any] = {"max_retries": 3, "initial_delay": 2, "jitter": None}
    for wait in (lambda number: "soon", lambda number: -1, lambda number: float("nan")):
        retrying(wait=wait, **options).call(failing(*[AWAY("refused")] * 3))
    assert time.sleeps == [2.0] * 9
    assert len(caplog.records) == 1


# --- The deadline and an attempt's limit ----------------------------------------------------------


async def hangs() -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize(("options", "message"), [
    ({"deadline": 0.05, "attempt_timeout": 60}, r"0\.0\d* s"),
    ({"deadline": 60, "attempt_timeout": 0.05, "max_retries": 0}, r"0\.05 s"),
])  # fmt: skip
async def test_the_smaller_of_both_bounds_an_attempt(options: Any, message: str) -> None:
    from trax_otel import clock

    with clock.use(clock.SystemClock()), pytest.raises(TraxTimeoutError, match=message):
        await asyncio.wait_for(async_retry(**options)(hangs)(), 30)


async def test_the_deadline_of_an_outer_retry_bounds_the_attempts_inside() -> None:
    from trax_otel import clock

    with clock.use(clock.SystemClock()), pytest.raises(TraxTimeoutError):  # noqa: PT012
        async for attempt in retrying(deadline=0.05, max_retries=0):
            with attempt:
                await asyncio.wait_for(async_retry(attempt_timeout=60)(hangs)(), 30)
