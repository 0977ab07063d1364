"""Every cell of the table in docs/resilience.md: what holds for each primitive however its caller fares.

Each form is one object used in both worlds: a plain function and a coroutine function that run `work` under it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import greenlet
import pytest
from opentelemetry.trace import INVALID_SPAN, get_current_span

from trax_otel import clock, semconv
from trax_otel.errors import NetworkError, error_handler
from trax_otel.metrics import async_timing_context, timing_context, timing_decorator
from trax_otel.recovery import (
    FallbackManager,
    RecoveryContext,
    RecoveryManager,
    fallback_context,
    fallback_point,
)
from trax_otel.recovery.fallbacks import ambient
from trax_otel.retry import CircuitBreaker, RetryContext, async_retry, retry, retrying
from trax_otel.retry.budget import UNBOUNDED, in_force
from trax_otel.testing import CapturedTelemetry

PAGE = Path(__file__, "../../../docs/resilience.md").resolve()
OPTIONS: dict[str, Any] = {"max_retries": 3, "initial_delay": 30, "jitter": None, "deadline": 600, "name": "cell"}

Work = Callable[[], Any]


class Form(NamedTuple):
    """One way to use a primitive; `breaker` is what counts, where it is one."""

    plain: Callable[[Work], Any]
    coroutine: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
    breaker: CircuitBreaker | None = None


# --- The forms ------------------------------------------------------------------------------------


def retry_decorator() -> Form:
    async def coroutine(work: Any) -> Any:
        return await work()

    return Form(retry(**OPTIONS)(lambda work: work()), retry(**OPTIONS)(coroutine))


def retry_async_decorator() -> Form:
    async def coroutine(work: Any) -> Any:
        return await work()

    return Form(retry(**OPTIONS)(lambda work: work()), async_retry(**OPTIONS)(coroutine))


def retry_context() -> Form:
    def plain(work: Work) -> Any:
        with RetryContext(**OPTIONS) as retries:
            return retries.execute(work)

    async def coroutine(work: Any) -> Any:
        async with RetryContext(**OPTIONS) as retries:
            return await retries.execute(work)

    return Form(plain, coroutine)


def retry_call() -> Form:
    retries = retrying(**OPTIONS)
    return Form(lambda work: retries.call(work), lambda work: retries.acall(work))


def retry_loop() -> Form:
    def plain(work: Work) -> Any:
        for attempt in retrying(**OPTIONS):
            with attempt:
                return work()
        return None

    async def coroutine(work: Any) -> Any:
        async for attempt in retrying(**OPTIONS):
            with attempt:
                return await work()
        return None

    return Form(plain, coroutine)


def fresh_breaker() -> CircuitBreaker:
    breaker = CircuitBreaker(failure_threshold=1, name="cell")
    breaker.calls.zero()
    return breaker


def breaker_decorator() -> Form:
    breaker = fresh_breaker()

    async def coroutine(work: Any) -> Any:
        return await work()

    return Form(breaker(lambda work: work()), breaker(coroutine), breaker)


def breaker_block() -> Form:
    breaker = fresh_breaker()

    def plain(work: Work) -> Any:
        with breaker:
            return work()

    async def coroutine(work: Any) -> Any:
        async with breaker:
            return await work()

    return Form(plain, coroutine, breaker)


def breaker_call() -> Form:
    breaker = fresh_breaker()
    return Form(lambda work: breaker.call(work), lambda work: breaker.acall(work), breaker)


def breaker_permit() -> Form:
    breaker = fresh_breaker()

    def plain(work: Work) -> Any:
        permit = breaker.acquire()
        try:
            value = work()
        except BaseException as error:
            permit.record(error)
            raise
        permit.record()
        return value

    async def coroutine(work: Any) -> Any:
        permit = breaker.acquire()
        try:
            value = await work()
        except BaseException as error:
            permit.record(error)
            raise
        permit.record()
        return value

    return Form(plain, coroutine, breaker)


def fallback_call() -> Form:
    manager = FallbackManager(on=NetworkError)
    manager.add_fallback(lambda: "instead")
    return Form(manager.execute_with_fallbacks_sync, manager.execute_with_fallbacks)


def fallback_block() -> Form:
    manager = FallbackManager(on=NetworkError)
    manager.add_fallback(lambda work: "instead")

    @fallback_point
    def point(work: Work) -> Any:
        return work()

    @fallback_point
    async def async_point(work: Any) -> Any:
        return await work()

    def plain(work: Work) -> Any:
        with fallback_context(manager):
            return point(work)

    async def coroutine(work: Any) -> Any:
        async with fallback_context(manager):
            return await async_point(work)

    return Form(plain, coroutine)


def recovery() -> Form:
    manager = RecoveryManager()

    @manager.strategy()
    def redo(context: RecoveryContext) -> Any:
        return context.metadata["work"]()

    def context(work: Any) -> RecoveryContext:
        return RecoveryContext("cell", ConnectionError("refused"), metadata={"work": work})

    return Form(
        lambda work: manager.attempt_recovery_sync(context(work)), lambda work: manager.attempt_recovery(context(work))
    )


def timing_block() -> Form:
    def plain(work: Work) -> Any:
        with timing_context("cell"):
            return work()

    async def coroutine(work: Any) -> Any:
        async with async_timing_context("cell"):
            return await work()

    return Form(plain, coroutine)


def timing_of_functions() -> Form:
    @timing_decorator("cell")
    def plain(work: Work) -> Any:
        return work()

    @timing_decorator("cell")
    async def coroutine(work: Any) -> Any:
        return await work()

    return Form(plain, coroutine)


def handler() -> Form:
    @error_handler
    def plain(work: Work) -> Any:
        return work()

    @error_handler
    async def coroutine(work: Any) -> Any:
        return await work()

    return Form(plain, coroutine)


FORMS: dict[str, Callable[[], Form]] = {
    "`@retry`": retry_decorator,
    "`@async_retry`": retry_async_decorator,
    "`RetryContext`": retry_context,
    "`retrying(…).call`, `acall`": retry_call,
    "`for attempt in retrying(…)`": retry_loop,
    "`@breaker`": breaker_decorator,
    "`with breaker`": breaker_block,
    "`breaker.call`, `acall`": breaker_call,
    "`breaker.acquire()`": breaker_permit,
    "`execute_with_fallbacks`": fallback_call,
    "`fallback_context`": fallback_block,
    "`attempt_recovery`": recovery,
    "`timing_context`": timing_block,
    "`@timing_decorator`": timing_of_functions,
    "`@error_handler`": handler,
}
RETRIES = [name for name in FORMS if "retry" in name.lower()]
BREAKERS = [name for name in FORMS if "breaker" in name]

# --- What holds afterwards ------------------------------------------------------------------------


def nothing_is_in_force() -> bool:
    return in_force() is UNBOUNDED and get_current_span() is INVALID_SPAN and ambient.current() is None


class Cell:
    """A form with what it has told."""

    def __init__(self, form: Form, telemetry: CapturedTelemetry, caplog: pytest.LogCaptureFixture) -> None:
        self.form = form
        self.telemetry = telemetry
        self.caplog = caplog
        self._active_before = self._active()  # another test's may have been left on purpose

    def _active(self) -> float:
        return sum(point.value or 0 for point in self.telemetry.metrics.get(semconv.OPERATION_ACTIVE.name, []))

    def was_left_early(self) -> None:
        """Nothing holds on, and no telemetry calls it an error or a success."""
        self.has_let_go()
        for span in self.telemetry.spans:
            if span.name == "recover":  # which records what is recovered from
                continue
            assert span.status != "error", span
            assert span.attributes.get(semconv.OUTCOME, "cancelled") == "cancelled", span
        assert [record for record in self.caplog.records if record.levelname in {"WARNING", "ERROR"}] == []
        if self.form.breaker is not None:
            assert counts(self.form.breaker) == {"cancelled": 1}

    def has_let_go(self) -> None:
        assert nothing_is_in_force()
        assert self._active() == self._active_before
        if self.form.breaker is not None:
            assert self.form.breaker.state == "closed"
            assert len(self.form.breaker.blocks) == 0


def counts(breaker: CircuitBreaker) -> dict[str, int]:
    return {outcome: count for outcome, count in breaker.calls.by_outcome().items() if count}


@pytest.fixture(params=FORMS)
def cell(request: pytest.FixtureRequest, trax_telemetry: CapturedTelemetry, caplog: pytest.LogCaptureFixture) -> Cell:
    return Cell(FORMS[request.param](), trax_telemetry, caplog)


def cells(names: list[str]) -> Any:
    return pytest.mark.parametrize("cell", names, indirect=True)


@pytest.fixture
def real_time() -> Iterator[None]:
    with clock.use(clock.SystemClock()):
        yield


class Hanging:
    """Work that never ends by itself."""

    def __init__(self) -> None:
        self.calls = 0
        self.began = asyncio.Event()

    async def __call__(self) -> None:
        self.calls += 1
        self.began.set()
        await asyncio.sleep(3600)


# --- cancelled ------------------------------------------------------------------------------------


async def test_cancelled(cell: Cell) -> None:
    work = Hanging()
    task = asyncio.ensure_future(cell.form.coroutine(work))
    await work.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (task.cancelled(), work.calls) == (True, 1)
    cell.was_left_early()


@cells(RETRIES)
@pytest.mark.usefixtures("real_time")
async def test_cancelled_while_it_waits(cell: Cell) -> None:
    failed = asyncio.Event()

    async def work() -> None:
        failed.set()
        raise ConnectionError("refused")

    task = asyncio.ensure_future(cell.form.coroutine(work))
    await failed.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cell.telemetry.span("cell").attributes[semconv.OUTCOME] == "cancelled"
    cell.has_let_go()


@cells(BREAKERS)
async def test_a_cancelled_probe_frees_its_place(cell: Cell, time: Any) -> None:
    breaker = cell.form.breaker
    assert breaker is not None
    breaker.open()
    time.advance(61)
    work = Hanging()
    task = asyncio.ensure_future(cell.form.coroutine(work))
    await work.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breaker.state == "half_open"
    assert await cell.form.coroutine(lambda: asyncio.sleep(0, "fine")) == "fine"
    assert breaker.state == "closed"


# --- times out ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("real_time")
async def test_times_out(cell: Cell) -> None:
    work = Hanging()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(cell.form.coroutine(work), 0.02)
    assert work.calls == 1
    cell.was_left_early()


# --- is left --------------------------------------------------------------------------------------


def block_of(name: str) -> Any:
    """A function that gives a fresh block of the form; None where the form has none."""
    breaker = fresh_breaker()
    return {
        "`RetryContext`": lambda: RetryContext(**OPTIONS),
        "`for attempt in retrying(…)`": lambda: next(held(iter(retrying(**OPTIONS)))),
        "`with breaker`": lambda: breaker,
        "`fallback_context`": lambda: fallback_context(FallbackManager()),
        "`timing_context`": lambda: timing_context("cell"),
    }.get(name)


_held: list[Any] = []


def held(iterator: Any) -> Any:
    _held[:] = [iterator]
    return iterator


BLOCKS = [name for name in FORMS if block_of(name)]


@pytest.mark.parametrize("how", ["break", "return", "an error of its own", "a closed generator"])
@pytest.mark.parametrize("name", BLOCKS)
def test_is_left(name: str, how: str, trax_telemetry: CapturedTelemetry) -> None:
    make = block_of(name)

    def leave() -> None:
        while True:
            with make():
                if how == "break":
                    break
                if how == "return":
                    return
                raise ZeroDivisionError("its own")

    def generator() -> Iterator[int]:
        with make():
            yield 1

    if how == "an error of its own":
        with pytest.raises(ZeroDivisionError):
            leave()
    elif how == "a closed generator":
        values = generator()
        next(values)
        values.close()
    else:
        leave()
    _held.clear()
    assert nothing_is_in_force()
    outcome = {"a closed generator": "cancelled", "an error of its own": "failure"}.get(how, "success")
    for span in trax_telemetry.spans:
        if span.name == "cell":
            assert span.attributes[semconv.OUTCOME] == outcome


@pytest.mark.parametrize("decorate", [retry(**OPTIONS), async_retry(**OPTIONS), fresh_breaker(), fallback_point])
def test_generator_functions_are_refused(decorate: Any) -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    for function in (generator, async_generator):
        with pytest.raises(TypeError, match="generator function"):
            decorate(function)


@pytest.mark.parametrize("decorate", [timing_decorator("cell"), error_handler], ids=["timing", "error_handler"])
async def test_a_decorated_generator_is_left(decorate: Any, trax_telemetry: CapturedTelemetry, caplog: Any) -> None:
    @decorate
    def generator() -> Iterator[int]:
        yield 1
        yield 2

    @decorate
    async def async_generator() -> AsyncIterator[int]:
        yield 1
        yield 2

    values = generator()
    next(values)
    assert nothing_is_in_force()
    values.close()
    async_values = async_generator()
    await async_values.__anext__()
    assert nothing_is_in_force()
    await async_values.aclose()  # type: ignore[attr-defined]
    assert nothing_is_in_force()
    assert [span.attributes[semconv.OUTCOME] for span in trax_telemetry.spans] in ([], ["cancelled"] * 2)
    assert caplog.records == []


# --- is interrupted by a signal that raises -------------------------------------------------------


class Alarm(BaseException):
    """What the handler raises."""


@pytest.fixture
def alarm() -> Iterator[None]:
    def handler(*_: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_interrupted_by_a_signal(cell: Cell) -> None:
    def work() -> None:
        signal.raise_signal(signal.SIGALRM)
        pytest.fail("the handler raises")

    with pytest.raises(Alarm):
        cell.form.plain(work)
    cell.was_left_early()


@cells(RETRIES)
@pytest.mark.usefixtures("alarm", "real_time")
def test_interrupted_by_a_signal_while_it_waits(cell: Cell) -> None:
    def work() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        raise ConnectionError("refused")

    with pytest.raises(Alarm):
        cell.form.plain(work)
    assert cell.telemetry.span("cell").attributes[semconv.OUTCOME] == "cancelled"
    cell.has_let_go()


# --- runs in threads, tasks, greenlets, a forked child, other loops -------------------------------


def own_span(seen: list[Any]) -> None:
    seen.append(get_current_span().get_span_context().span_id)


def test_in_threads(cell: Cell) -> None:
    seen: list[Any] = []
    results: list[Any] = []
    together = threading.Barrier(4)

    def work() -> str:
        together.wait(30)
        own_span(seen)
        return "fine"

    def body() -> None:
        results.append((cell.form.plain(work), nothing_is_in_force()))

    threads = [threading.Thread(target=body) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [("fine", True)] * 4
    spans_are_ones_own(seen, 4)
    cell.has_let_go()
    if cell.form.breaker is not None:
        assert counts(cell.form.breaker) == {"success": 4}


async def test_in_tasks(cell: Cell) -> None:
    seen: list[Any] = []

    async def work() -> str:
        await asyncio.sleep(0)
        own_span(seen)
        return "fine"

    async def body() -> tuple[Any, bool]:
        return await cell.form.coroutine(work), nothing_is_in_force()

    assert await asyncio.gather(*[body() for _ in range(10)]) == [("fine", True)] * 10
    spans_are_ones_own(seen, 10)
    cell.has_let_go()
    if cell.form.breaker is not None:
        assert counts(cell.form.breaker) == {"success": 10}


def spans_are_ones_own(seen: list[Any], number: int) -> None:
    """Each call has its own span current, or none has one (a breaker and error_handler open none)."""
    assert len(seen) == number
    assert len(set(seen)) in ({number} if any(seen) else {1})


def test_in_greenlets_that_end_in_another_order(cell: Cell) -> None:
    hub = greenlet.getcurrent()
    seen: list[Any] = []
    results: list[Any] = []

    def work() -> str:
        inside = get_current_span()
        own_span(seen)
        hub.switch()
        assert get_current_span() is inside
        return "fine"

    def body() -> None:
        results.append((cell.form.plain(work), nothing_is_in_force()))

    running = [greenlet.greenlet(body) for _ in range(3)]
    for one in (*running, *running):  # all begin; then the first that began ends first
        one.switch()
        assert nothing_is_in_force()
    assert results == [("fine", True)] * 3
    spans_are_ones_own(seen, 3)
    cell.has_let_go()
    if cell.form.breaker is not None:
        assert counts(cell.form.breaker) == {"success": 3}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_in_a_forked_child(cell: Cell) -> None:
    """The process forks inside the call: the child leaves it as the parent does, and uses the same object anew."""
    children: list[int] = []

    def work() -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, where there are threads
            children.append(os.fork())
        return "fine"

    try:
        value = cell.form.plain(work)
        if children == [0]:
            again = cell.form.plain(lambda: "again")
            right = (value, again, nothing_is_in_force()) == ("fine", "again", True)
            if cell.form.breaker is not None:
                right = right and cell.form.breaker.state == "closed"
            os._exit(0 if right else 1)
    except BaseException:
        if children == [0]:
            os._exit(2)
        raise
    _, status = os.waitpid(children[0], 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert value == "fine"
    cell.has_let_go()


def test_on_other_event_loops(cell: Cell) -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return "fine"

    async def body() -> Any:
        return await cell.form.coroutine(work)

    results = [asyncio.run(body())]
    threads = [threading.Thread(target=lambda: results.append(asyncio.run(body()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == ["fine"] * 4
    cell.has_let_go()


def test_the_page_has_a_row_for_each_form() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`(?:, `[^|]+`)*) \|", page, re.MULTILINE)
    assert set(FORMS) <= set(rows), set(FORMS) - set(rows)
