"""What returns an awaitable without being a coroutine function; and what must not have to be awaited."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from trax_otel import semconv
from trax_otel.errors import InvalidConfigError, NotAwaitedError
from trax_otel.retry import CircuitBreaker, RetryContext, async_retry, retry, retrying
from trax_otel.retry.telemetry import tally
from trax_otel.testing import CapturedTelemetry, FakeClock

AWAY = ConnectionError


class Awaitable:
    """Awaitable, and nothing else."""

    def __init__(self, work: Any) -> None:
        self.work = work

    def __await__(self) -> Any:
        return self.work().__await__()


class Request(Awaitable):
    """What `session.get(…)` of some clients gives: for `await` and for `async with`."""

    async def __aenter__(self) -> Any:
        return await self.work()

    async def __aexit__(self, *_: object) -> None:
        return


def plain_decorator(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


KINDS = {
    "lambda": lambda work: lambda: work(),
    "under a plain decorator": plain_decorator,
    "task": lambda work: lambda: asyncio.ensure_future(work()),
    "awaitable": lambda work: lambda: Awaitable(work),
}


@pytest.fixture(params=KINDS.values(), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def coroutine_of(failing: Any) -> Any:
    async def work() -> Any:
        await asyncio.sleep(0)
        return failing()

    return work


@pytest.mark.parametrize("options", [{}, {"deadline": 60}, {"budget": "awaitables"}], ids=str)
@pytest.mark.parametrize("decorate", [retry, async_retry])
async def test_what_is_handed_back_is_the_call(
    kind: Any, decorate: Any, options: Any, failing: Any, time: FakeClock, trax_telemetry: CapturedTelemetry
) -> None:
    work = failing(AWAY("one"), AWAY("two"))
    name = f"handed back {decorate.__name__} {options}"
    function = decorate(max_retries=3, initial_delay=1, jitter=None, name=name, **options)(kind(coroutine_of(work)))
    before = tally(name).ends()["succeeded_with_retry"]
    assert await function() == "fine"
    assert (work.calls, time.sleeps) == (3, [1, 2])
    assert tally(name).ends()["succeeded_with_retry"] == before + 1
    span = trax_telemetry.span(name)
    assert span.attributes[semconv.RETRY_COUNT] == 2
    assert [child.attributes[semconv.RETRY_ATTEMPT] for child in trax_telemetry.children(span)] == [1, 2, 3]


async def test_the_callers_error_is_the_last_one(kind: Any, failing: Any) -> None:
    work = failing(*[AWAY(str(number)) for number in range(9)])
    with pytest.raises(AWAY, match="2") as caught:
        await retry(max_retries=2, initial_delay=0)(kind(coroutine_of(work)))()
    assert len(caught.value.attempts) == 3  # type: ignore[attr-defined]


async def test_a_task_stays_something_that_can_be_cancelled() -> None:
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        await asyncio.sleep(3600)

    task = retry()(lambda: asyncio.ensure_future(work()))()
    await began.wait()
    assert isinstance(task, asyncio.Task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("options", [{}, {"deadline": 60}], ids=str)
async def test_nothing_is_current_between_the_call_and_its_awaiting(
    options: Any, trax_telemetry: CapturedTelemetry
) -> None:
    from trax_otel.retry.budget import UNBOUNDED, in_force
    from trax_otel.signals import start_span

    async def work() -> str:
        return "fine"

    pending = retry(name="fetch", **options)(lambda: work())()
    assert in_force() is UNBOUNDED
    start_span("unrelated").end("success")
    assert await pending == "fine"
    assert trax_telemetry.span("unrelated").parent_id is None


@pytest.mark.parametrize("options", [{}, {"deadline": 60}], ids=str)
async def test_what_nothing_can_stand_in_for_is_refused(options: Any) -> None:
    async def work() -> str:
        return "fine"

    with pytest.raises(NotAwaitedError, match="wrap a coroutine function"):
        retry(**options)(lambda: Request(work))()
    breaker = CircuitBreaker(failure_threshold=1)
    with pytest.raises(NotAwaitedError, match="wrap a coroutine function"):
        breaker(lambda: Request(work))()
    assert breaker.state == "closed"


@pytest.mark.parametrize("condition", [None, Exception, lambda error: True])
def test_a_plain_caller_is_told_at_once_and_once(condition: Any) -> None:
    calls: list[int] = []

    async def work() -> None: ...

    def function() -> Any:
        calls.append(1)
        return work()

    with pytest.raises(TypeError, match="has to be awaited: use the async form"):
        retrying(max_retries=3, initial_delay=0, retry_on=condition).call(function)
    retries = RetryContext(max_retries=3, initial_delay=0, retry_on=condition)
    with retries, pytest.raises(TypeError, match="function returned coroutine, which has to be awaited"):
        retries.execute(function)
    assert len(calls) == 2


def test_a_result_whose_attributes_raise_is_a_result() -> None:
    class Odd:
        def __getattr__(self, name: str) -> Any:
            raise ZeroDivisionError

    odd = Odd()
    assert retry(lambda: odd)() is odd
    assert retry(deadline=60)(lambda: odd)() is odd
    assert retrying().call(lambda: odd) is odd
    assert CircuitBreaker().call(lambda: odd) is odd


# --- Breakers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["decorated", "call"])
async def test_a_breaker_counts_when_it_is_known_how_it_ended(kind: Any, way: str, failing: Any) -> None:
    breaker = CircuitBreaker(failure_threshold=1, name=f"awaitables {way}")
    function = kind(coroutine_of(failing(AWAY("refused"))))
    pending = breaker(function)() if way == "decorated" else breaker.call(function)
    before = breaker.calls.by_outcome()
    with pytest.raises(AWAY):
        await pending
    await asyncio.sleep(0)
    after = breaker.calls.by_outcome()
    assert (after["success"] - before["success"], after["failure"] - before["failure"]) == (0, 1)
    assert breaker.state == "open"


async def test_a_breaker_hands_the_future_itself_back_and_asyncio_still_tells_of_its_error(failing: Any) -> None:
    told: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    breaker = CircuitBreaker(failure_threshold=1)
    future = loop.create_future()
    handed: list[Any] = [future]
    assert breaker.call(lambda: handed[0]) is future
    future.set_exception(error := AWAY("refused"))
    await asyncio.sleep(0)
    assert breaker.state == "open"
    handed.clear()
    del future
    assert told == [error]
    cancelled = loop.create_future()
    assert CircuitBreaker(name="cancelled future").call(lambda: cancelled) is cancelled
    cancelled.cancel()
    await asyncio.sleep(0)


# --- What must not have to be awaited -------------------------------------------------------------


async def asks(*_: Any) -> bool:
    return True


class Asking:
    async def __call__(self, *_: Any) -> bool:
        return True


@pytest.mark.parametrize(
    "function", [asks, functools.partial(asks, 1), Asking()], ids=["function", "partial", "object"]
)
@pytest.mark.parametrize(
    "option", ["retry_on", "retry_on_result", "before_attempt", "before_sleep", "on_success", "on_give_up", "wait"]
)
def test_coroutine_functions_are_refused_where_they_are_only_called(option: str, function: Any) -> None:
    with pytest.raises(InvalidConfigError, match=option if option != "wait" else "only called"):
        retrying(**{option: function})


def test_breakers_and_fallbacks_refuse_them_too() -> None:
    from trax_otel.errors import error_handler, register_classifier
    from trax_otel.recovery import CallableStrategy, FallbackManager

    with pytest.raises(InvalidConfigError, match=r"expected_exception.*coroutine function"):
        CircuitBreaker(expected_exception=asks)  # type: ignore[arg-type]
    with pytest.raises(InvalidConfigError, match=r"listener.*coroutine function"):
        CircuitBreaker().on_state_change(asks)
    with pytest.raises(InvalidConfigError, match=r"on: .*coroutine function"):
        FallbackManager().add_fallback(lambda: 1, on=asks)  # type: ignore[arg-type]
    with pytest.raises(InvalidConfigError, match=r"on: .*coroutine function"):
        CallableStrategy(lambda context: 1, on=asks)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"on_error.*coroutine function"):
        error_handler(on_error=asks)(lambda: 1)
    with pytest.raises(TypeError, match="coroutine function"):
        register_classifier(AWAY, asks)  # type: ignore[arg-type]


def test_health_checks_and_caches_refuse_them_too() -> None:
    from trax_otel.recovery import HealthCheckRecovery, stale_while_error

    with pytest.raises(InvalidConfigError, match=r"on_change.*coroutine function"):
        HealthCheckRecovery(on_change=asks)
    with pytest.raises(NotAwaitedError):
        stale_while_error(key=asks)(lambda: 1)()


async def test_a_degradable_function_counts_what_it_hands_back_when_it_fails() -> None:
    from trax_otel.recovery import Feature, degradable

    async def work() -> None:
        raise AWAY("refused")

    for make in (work, lambda: asyncio.ensure_future(work())):
        search = Feature("search", failure_threshold=1)
        pending = degradable(search)(lambda make=make: make())()
        with pytest.raises(AWAY):
            await pending
        await asyncio.sleep(0)
        assert search.degradation == 1


async def test_timing_lasts_until_what_was_handed_back_has_ended(trax_telemetry: CapturedTelemetry) -> None:
    from opentelemetry.trace import INVALID_SPAN, get_current_span

    from trax_otel.metrics import timing_decorator

    inside: list[Any] = []

    async def work() -> None:
        inside.append(get_current_span() is INVALID_SPAN)
        raise AWAY("refused")

    pending = timing_decorator("timed")(lambda: work())()
    assert get_current_span() is INVALID_SPAN
    with pytest.raises(AWAY):
        await pending
    assert inside == [False]
    assert trax_telemetry.span("timed").status == "error"
    request = Request(work)
    assert timing_decorator("request")(lambda: request)() is request
    assert trax_telemetry.span("request").attributes[semconv.OUTCOME] == "success"
    task = asyncio.ensure_future(work())
    assert timing_decorator("task")(lambda: task)() is task
    with pytest.raises(AWAY):
        await task
    await asyncio.sleep(0)
    assert trax_telemetry.span("task").attributes[semconv.OUTCOME] == "failure"


def test_a_predicate_that_turns_out_to_need_awaiting_is_told_once_and_is_false(
    failing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def lazily(error: Any) -> Any:
        return asks(error)

    work = failing(*[AWAY("refused")] * 9)
    for _ in range(2):
        with pytest.raises(AWAY):
            retrying(retry_on=lazily, initial_delay=0).call(work)
    assert work.calls == 2
    assert [record.getMessage().count("lazily") > 0 for record in caplog.records] == [True]
    breaker = CircuitBreaker(failure_threshold=1, expected_exception=lazily)
    with pytest.raises(AWAY):
        breaker.call(failing(AWAY("refused")))
    assert breaker.state == "closed"
