"""What every form of retrying does: how often it calls, what it returns, what it raises."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import sys
import threading
import traceback
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from trax_otel.errors import APIError, NetworkError, create_api_error
from trax_otel.retry import FailedAttempt, RetryConfig, async_retry, disabled, retry, retrying
from trax_otel.testing import FakeClock

HAS_NOTES = sys.version_info >= (3, 11)
AWAY = ConnectionError


async def test_a_success_at_once_is_one_call(form: Any, failing: Any, time: FakeClock) -> None:
    work = failing()
    assert await form(work, max_retries=3) == "fine"
    assert (work.calls, time.sleeps) == (1, [])


async def test_success_on_the_third_attempt(form: Any, failing: Any, time: FakeClock) -> None:
    work = failing(AWAY("one"), TimeoutError("two"))
    assert await form(work, max_retries=3, initial_delay=1.0, jitter=None) == "fine"
    assert (work.calls, time.sleeps) == (3, [1.0, 2.0])


async def test_three_retries_are_four_calls_and_the_last_error_itself_is_raised(form: Any, failing: Any) -> None:
    errors = [AWAY(str(number)) for number in range(9)]
    work = failing(*errors)
    with pytest.raises(AWAY) as caught:
        await form(work, max_retries=3, initial_delay=1.0, jitter=None)
    assert work.calls == 4
    assert caught.value is errors[3]
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert caught.value.attempts == (  # type: ignore[attr-defined]
        FailedAttempt(1, "ConnectionError: 0", 1.0),
        FailedAttempt(2, "ConnectionError: 1", 2.0),
        FailedAttempt(3, "ConnectionError: 2", 4.0),
        FailedAttempt(4, "ConnectionError: 3", None),
    )


@pytest.mark.skipif(not HAS_NOTES, reason="notes came with Python 3.11")
async def test_a_note_tells_the_story(form: Any, failing: Any) -> None:
    with pytest.raises(AWAY) as caught:
        await form(failing(*[AWAY("refused")] * 3), max_retries=1, initial_delay=1.0, jitter=None, name="fetch")
    assert "".join(traceback.format_exception_only(caught.value)) == (
        "ConnectionError: refused\n"
        "trax_otel: fetch: 2 attempts; no attempt is left\n"
        "  1: ConnectionError: refused, then waited 1 s\n"
        "  2: ConnectionError: refused\n"
    )


@pytest.mark.skipif(not HAS_NOTES, reason="notes came with Python 3.11")
async def test_notes_do_not_pile_up_on_an_object_that_is_raised_again(form: Any, failing: Any) -> None:
    error = AWAY("refused")
    error.add_note("the user's own")
    for _ in range(3):
        with pytest.raises(AWAY):
            await form(failing(*[error] * 9), max_retries=1, initial_delay=0, name="fetch")
    assert len(error.__notes__) == 2
    assert error.__notes__[0] == "the user's own"


async def test_the_traceback_shows_the_users_frames(form: Any) -> None:
    def inner() -> None:
        raise AWAY("refused")

    with pytest.raises(AWAY) as caught:
        await form(inner, max_retries=1, initial_delay=0)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == "inner"
    own = [frame for frame in frames if "/trax_otel/retry/" in frame.filename]
    assert len(own) <= 3, own


# --- What is retried ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [ValueError("bad"), KeyError("mine"), MemoryError(), RecursionError(), NetworkError("no", retryable=False)]
)
async def test_what_will_not_pass_is_not_retried(form: Any, failing: Any, error: Exception) -> None:
    work = failing(*[error] * 3)
    with pytest.raises(type(error)):
        await form(work, max_retries=3)
    assert work.calls == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError(), GeneratorExit()])
async def test_what_is_no_exception_is_never_retried(form: Any, failing: Any, error: BaseException) -> None:
    work = failing(error)
    with pytest.raises(type(error)) as caught:
        await form(work, max_retries=3, retry_on=lambda _: True)
    assert (work.calls, caught.value) == (1, error)


@pytest.mark.parametrize("error", [MemoryError(), RecursionError()])
async def test_nobody_can_ask_for_what_is_never_retried(form: Any, failing: Any, error: Exception) -> None:
    work = failing(error)
    with pytest.raises(type(error)):
        await form(work, max_retries=3, retry_on=lambda _: True)
    assert work.calls == 1


@pytest.mark.parametrize("condition", [LookupError, (OSError, LookupError), lambda error: "mine" in str(error)])
async def test_by_class_and_by_predicate(form: Any, failing: Any, condition: Any) -> None:
    work = failing(KeyError("mine"))
    assert await form(work, max_retries=1, initial_delay=0, retry_on=condition) == "fine"
    other = failing(ValueError("other"))
    with pytest.raises(ValueError, match="other"):
        await form(other, max_retries=1, initial_delay=0, retry_on=condition)


async def test_a_class_of_ours_matches_what_classifies_as_it(form: Any, failing: Any) -> None:
    assert await form(failing(AWAY("refused")), max_retries=1, initial_delay=0, retry_on=NetworkError) == "fine"


async def test_by_result(form: Any) -> None:
    answers = iter(["busy", "busy", "done"])
    assert await form(lambda: next(answers), max_retries=3, initial_delay=0,
                      retry_on_result=lambda value: value == "busy") == "done"  # fmt: skip


async def test_a_result_that_is_still_refused_is_returned(form: Any) -> None:
    assert await form(lambda: "busy", max_retries=1, initial_delay=0, retry_on_result=lambda value: True) == "busy"


async def test_a_wrapped_error_keeps_its_retryability(form: Any) -> None:
    calls = []

    def work() -> str:
        calls.append(1)
        try:
            raise AWAY("refused")
        except AWAY as error:
            if len(calls) < 3:
                raise create_api_error("the service failed", original_error=error) from error
            raise create_api_error("not acceptable", original_error=ValueError("bad")) from None

    with pytest.raises(APIError, match="not acceptable"):
        await form(work, max_retries=5, initial_delay=0)
    assert len(calls) == 3


async def test_no_retries_at_all(form: Any, failing: Any) -> None:
    work = failing(AWAY("refused"))
    with pytest.raises(AWAY):
        await form(work, max_retries=0)
    assert work.calls == 1


async def test_disabled_makes_every_call_once(form: Any, failing: Any, time: FakeClock) -> None:
    work = failing(AWAY("refused"))
    with disabled(), pytest.raises(AWAY):
        await form(work, max_retries=3)
    assert (work.calls, time.sleeps) == (1, [])


async def test_a_classifier_that_names_a_class_says_what_is_retried(form: Any, failing: Any) -> None:
    from trax_otel.errors import ServiceUnavailableError, ValidationError, register_classifier

    class Warehouse(Exception):
        pass

    for kind, calls in ((ServiceUnavailableError, 3), (ValidationError, 1)):
        unregister = register_classifier(Warehouse, lambda error, kind=kind: kind)
        work = failing(*[Warehouse("full")] * 9)
        try:
            with pytest.raises(Warehouse):
                await form(work, max_retries=2, initial_delay=0)
        finally:
            unregister()
        assert work.calls == calls


# --- Nothing is kept ------------------------------------------------------------------------------


class Payload:
    """Something that frames hold."""


async def test_no_reference_cycle_keeps_frames_alive(form: Any) -> None:
    kept: list[weakref.ref[Payload]] = []

    def work() -> None:
        payload = Payload()
        kept.append(weakref.ref(payload))
        raise AWAY("refused")

    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(AWAY):
            await form(work, max_retries=2, initial_delay=0)
        assert [reference() for reference in kept] == [None, None, None]
    finally:
        gc.enable()


async def test_inside_the_function_no_exception_is_being_handled(form: Any) -> None:
    seen: list[Any] = []

    def work() -> None:
        seen.append(sys.exc_info()[1])
        if len(seen) < 3:
            raise AWAY("refused")

    await form(work, max_retries=3, initial_delay=0)
    assert seen == [None, None, None]


# --- Functions of every kind ----------------------------------------------------------------------


def test_decorated_functions_keep_their_face() -> None:
    @retry
    def documented(number: int, *, word: str = "x") -> str:
        """Doc."""
        return word * number

    assert (documented.__name__, documented.__doc__, documented(2, word="ab")) == ("documented", "Doc.", "abab")
    assert documented.__wrapped__(1) == "x"  # type: ignore[attr-defined]


def test_methods_of_all_kinds() -> None:
    class Client:
        calls = 0

        def _once(self) -> str:
            type(self).calls += 1
            if type(self).calls % 2:
                raise AWAY("refused")
            return "fine"

        @retry(max_retries=1, initial_delay=0)
        def method(self) -> str:
            return self._once()

        @classmethod
        @retry(max_retries=1, initial_delay=0)
        def of_class(cls) -> str:
            return cls()._once()

        @retry(max_retries=1, initial_delay=0)
        @staticmethod
        def static() -> str:
            return Client()._once()

    assert [Client().method(), Client.of_class(), Client.static(), Client().static()] == ["fine"] * 4


def test_partials_and_objects(failing: Any) -> None:
    work = failing(AWAY("refused"))
    assert retry(max_retries=1, initial_delay=0)(functools.partial(work))() == "fine"
    work = failing(AWAY("refused"))
    assert retrying(max_retries=1, initial_delay=0).call(work) == "fine"


async def test_a_plain_function_that_returns_an_awaitable(failing: Any) -> None:
    work = failing(AWAY("refused"))

    async def coroutine() -> Any:
        return work()

    assert await async_retry(max_retries=1, initial_delay=0)(lambda: coroutine())() == "fine"


def test_an_awaitable_where_nobody_can_await_is_an_error() -> None:
    async def coroutine() -> None: ...

    with pytest.raises(TypeError, match="has to be awaited: use the async form"):
        retrying(max_retries=1, retry_on_result=lambda value: False).call(lambda: coroutine())


def test_what_cannot_be_retried_is_refused_at_decoration() -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    for decorate in (retry, async_retry, retry(max_retries=1), retrying().call):
        for wrong in (generator, async_generator):
            with pytest.raises(TypeError, match="generator function"):
                decorate(wrong)
        with pytest.raises(TypeError, match="is a class"):
            decorate(Payload)


async def test_calls_are_apart_in_threads_tasks_and_recursion() -> None:
    @retry(max_retries=3, initial_delay=0)
    def countdown(number: int, failures: list[int]) -> int:
        if failures[number]:
            failures[number] -= 1
            raise AWAY(str(number))
        return number if number == 0 else countdown(number - 1, failures)

    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(countdown(3, [1, 2, 3, 0]))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0] * 16

    @async_retry(max_retries=2, initial_delay=0)
    async def work(left: list[int]) -> str:
        await asyncio.sleep(0)
        if left[0]:
            left[0] -= 1
            raise AWAY("refused")
        return "fine"

    assert await asyncio.gather(*(work([2]) for _ in range(50))) == ["fine"] * 50


def test_a_config_may_be_changed_by_keywords() -> None:
    config = RetryConfig(max_retries=1, initial_delay=0)
    work = retry(config, max_retries=0)
    calls = []

    @work
    def once() -> None:
        calls.append(1)
        raise AWAY("refused")

    with pytest.raises(AWAY):
        once()
    assert len(calls) == 1
