"""What traces, metrics and the log tell of a retry."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import pytest

from trax_otel import config, semconv
from trax_otel.retry import RetryBudget, async_retry, retry, retrying
from trax_otel.retry.telemetry import tally
from trax_otel.signals import start_span
from trax_otel.testing import CapturedTelemetry, FakeClock

AWAY = ConnectionError
SHOWN = (
    semconv.OUTCOME, semconv.RETRY_ATTEMPT, semconv.RETRY_BACKDATED, semconv.RETRY_COUNT, semconv.RETRY_STOP_REASON,
)  # fmt: skip
OPTIONS: dict[str, Any] = {"max_retries": 3, "initial_delay": 1.0, "jitter": None, "name": "fetch"}

AT_ONCE = """\
fetch trax.outcome=success
  HTTP GET"""

THIRD = """\
fetch trax.outcome=success trax.retry.count=2
  - trax.retry.scheduled
  - trax.retry.scheduled
  HTTP GET
  attempt [error TRAX-001] trax.outcome=failure trax.retry.attempt=1 trax.retry.backdated=True
    - exception ConnectionError: 1
  attempt [error TRAX-001] trax.outcome=failure trax.retry.attempt=2
    - exception ConnectionError: 2
    HTTP GET
  attempt trax.outcome=success trax.retry.attempt=3
    HTTP GET"""

ALWAYS = """\
fetch trax.outcome=success trax.retry.count=1
  - trax.retry.scheduled
  attempt [error TRAX-001] trax.outcome=failure trax.retry.attempt=1
    - exception ConnectionError: 1
    HTTP GET
  attempt trax.outcome=success trax.retry.attempt=2
    HTTP GET"""

EXHAUSTED = """\
fetch [error TRAX-001] trax.outcome=failure trax.retry.count=1 trax.retry.stop.reason=attempts
  - trax.retry.scheduled
  - trax.retry.exhausted
  HTTP GET
  attempt [error TRAX-001] trax.outcome=failure trax.retry.attempt=1 trax.retry.backdated=True
    - exception ConnectionError: 1
  attempt [error TRAX-001] trax.outcome=failure trax.retry.attempt=2
    - exception ConnectionError: 2
    HTTP GET"""

NOT_RETRYABLE = """\
fetch [error TRAX-004] trax.outcome=failure trax.retry.count=0 trax.retry.stop.reason=not_retryable
  - trax.retry.exhausted
  HTTP GET
  attempt [error TRAX-004] trax.outcome=failure trax.retry.attempt=1 trax.retry.backdated=True
    - exception ValueError: bad"""

CANCELLED = """\
fetch trax.outcome=cancelled trax.retry.count=1
  - trax.retry.scheduled
  HTTP GET
  attempt [error TRAX-001] trax.outcome=failure trax.retry.attempt=1 trax.retry.backdated=True
    - exception ConnectionError: 1
  attempt trax.outcome=cancelled trax.retry.attempt=2
    HTTP GET"""


def calling(*errors: BaseException) -> Any:
    """A function with a span of its own, as instrumented clients have; it fails so, then succeeds."""
    left = list(errors)

    def work() -> str:
        start_span("HTTP GET").end("success")
        if left:
            raise left.pop(0)
        return "fine"

    return work


def tree(telemetry: CapturedTelemetry) -> str:
    return telemetry.tree(attributes=SHOWN).replace("HTTP GET trax.outcome=success", "HTTP GET")


async def test_success_at_once_is_one_span(form: Any, trax_telemetry: CapturedTelemetry) -> None:
    await form(calling(), **OPTIONS)
    assert tree(trax_telemetry) == AT_ONCE


async def test_success_on_the_third_attempt(form: Any, trax_telemetry: CapturedTelemetry, time: FakeClock) -> None:
    await form(calling(AWAY("1"), AWAY("2")), **OPTIONS)
    assert tree(trax_telemetry) == THIRD
    first, second, third = (trax_telemetry.children(trax_telemetry.span("fetch"))[n] for n in _attempts(trax_telemetry))
    assert second.start_ns - first.end_ns == 1_000_000_000
    assert third.start_ns - second.end_ns == 2_000_000_000
    scheduled = [event.attributes for event in trax_telemetry.events(semconv.RETRY_SCHEDULED_EVENT)]
    assert scheduled == [
        {
            semconv.RETRY_ATTEMPT: number,
            semconv.RETRY_DELAY: float(number),
            semconv.RETRY_DELAY_SOURCE: "backoff",
            semconv.ERROR_CODE: "TRAX-001",
        }
        for number in (1, 2)
    ]


def _attempts(telemetry: CapturedTelemetry) -> list[int]:
    children = telemetry.children(telemetry.span("fetch"))
    return [index for index, child in enumerate(children) if child.name == semconv.RETRY_ATTEMPT_SPAN]


async def test_every_attempt_may_have_its_span_from_the_start(form: Any, trax_telemetry: CapturedTelemetry) -> None:
    await form(calling(AWAY("1")), **OPTIONS, attempt_spans="always")
    assert tree(trax_telemetry) == ALWAYS


async def test_exhaustion(form: Any, trax_telemetry: CapturedTelemetry) -> None:
    with pytest.raises(AWAY):
        await form(calling(*[AWAY(str(n)) for n in range(1, 9)]), **{**OPTIONS, "max_retries": 1})
    assert tree(trax_telemetry) == EXHAUSTED
    exhausted = trax_telemetry.event(semconv.RETRY_EXHAUSTED_EVENT).attributes
    assert exhausted == {
        semconv.RETRY_ATTEMPT: 2, semconv.RETRY_STOP_REASON: "attempts", semconv.ERROR_CODE: "TRAX-001",
    }  # fmt: skip
    assert trax_telemetry.total("trax.errors") == 2


async def test_not_retryable(form: Any, trax_telemetry: CapturedTelemetry) -> None:
    with pytest.raises(ValueError, match="bad"):
        await form(calling(ValueError("bad")), **OPTIONS)
    assert tree(trax_telemetry) == NOT_RETRYABLE


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"deadline": 0.5}, "deadline"),
        ({"budget": RetryBudget("empty", tokens=0, per_second=0)}, "budget"),
    ],
)
async def test_other_ends_say_why(
    options: dict[str, Any], reason: str, form: Any, trax_telemetry: CapturedTelemetry
) -> None:
    with pytest.raises(AWAY):
        await form(calling(AWAY("1"), AWAY("2")), **{**OPTIONS, **options})
    operation = trax_telemetry.span("fetch")
    assert operation.attributes[semconv.RETRY_STOP_REASON] == reason
    assert counted(trax_telemetry) == {reason: 1}


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt()])
async def test_cancelled_is_an_outcome_without_an_error(
    error: BaseException, form: Any, trax_telemetry: CapturedTelemetry
) -> None:
    with pytest.raises(type(error)):
        await form(calling(AWAY("1"), error), **OPTIONS)
    assert tree(trax_telemetry) == CANCELLED
    assert counted(trax_telemetry) == {"cancelled": 1}


async def test_a_task_cancelled_in_its_sleep_leaves_no_span_open(trax_telemetry: CapturedTelemetry) -> None:
    from trax_otel import clock

    @async_retry(max_retries=1, initial_delay=600, max_delay=600, name="fetch")
    async def work() -> None:
        raise AWAY("1")

    with clock.use(clock.SystemClock()):
        task = asyncio.create_task(work())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert trax_telemetry.span("fetch").outcome == "cancelled"


def test_a_loop_that_is_left_is_cancelled(trax_telemetry: CapturedTelemetry) -> None:
    for attempt in retrying(**OPTIONS):
        del attempt
        break
    assert trax_telemetry.span("fetch").outcome == "cancelled"


# --- Metrics --------------------------------------------------------------------------------------


def counted(telemetry: CapturedTelemetry, name: str = "fetch") -> dict[str, float]:
    """Operations by how they ended, where there were any."""
    return {
        str(point.attributes[semconv.RETRY_OUTCOME]): point.value
        for point in telemetry.metrics[semconv.RETRY_OPERATIONS.name]
        if point.attributes[semconv.OPERATION_NAME] == name and point.value
    }


async def test_operations_are_counted_by_how_they_end(form: Any, trax_telemetry: CapturedTelemetry) -> None:
    await form(calling(), **OPTIONS)
    await form(calling(AWAY("1")), **OPTIONS)
    for errors in ([ValueError("bad")], [AWAY("1")] * 9):
        with pytest.raises((ValueError, AWAY)):
            await form(calling(*errors), **OPTIONS)
    assert counted(trax_telemetry) == {
        "succeeded_without_retry": 1, "succeeded_with_retry": 1, "failed_without_retry": 1, "failed_with_retry": 1,
    }  # fmt: skip
    attempts = trax_telemetry.metric(semconv.RETRY_ATTEMPTS.name, {semconv.OPERATION_NAME: "fetch"}).value
    assert attempts == 1 + 2 + 1 + 4
    delays = trax_telemetry.metric(semconv.RETRY_DELAYS.name, {semconv.OPERATION_NAME: "fetch"})
    assert (delays.count, delays.sum) == (1 + 3, 1 + 1 + 2 + 4)


def test_all_ends_exist_at_zero_from_decoration(trax_telemetry: CapturedTelemetry) -> None:
    retry(name="untouched")(lambda: None)
    points = [
        point
        for point in trax_telemetry.metrics[semconv.RETRY_OPERATIONS.name]
        if point.attributes[semconv.OPERATION_NAME] == "untouched"
    ]
    assert [point.value for point in points] == [0] * 8


def test_a_budget_is_shown(trax_telemetry: CapturedTelemetry) -> None:
    from trax_otel.retry import retry_budget

    retry_budget("watched", tokens=5)
    gauge = trax_telemetry.metric(semconv.RETRY_BUDGET_TOKENS.name, {semconv.RETRY_BUDGET_NAME: "watched"})
    assert gauge.value == 5


# --- The log --------------------------------------------------------------------------------------


async def test_debug_mode_has_a_line_for_each_decision(form: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "trax_otel.retry")
    config.set_debug(True)
    try:
        with pytest.raises(AWAY):
            await form(calling(*[AWAY("1")] * 9), **{**OPTIONS, "max_retries": 1})
    finally:
        config.set_debug(None)
    assert [record.message for record in caplog.records if record.name.startswith("trax_otel.retry")] == [
        "fetch: attempt 1 failed (ConnectionError, TRAX-001), the next follows in 1.000 s (backoff)",
        "fetch: gave up after attempt 2 (attempts)",
    ]


async def test_otherwise_the_log_is_silent(
    form: Any, trax_telemetry: CapturedTelemetry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AWAY):
        await form(calling(*[AWAY("1")] * 9), **OPTIONS)
    assert [record for record in caplog.records if record.name.startswith("trax_otel.retry")] == []


# --- Exemplars and forks --------------------------------------------------------------------------


def test_waits_and_durations_lead_to_their_traces() -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    from trax_otel import signals

    reader = InMemoryMetricReader()
    meters, tracers = MeterProvider([reader], shutdown_on_exit=False), TracerProvider(shutdown_on_exit=False)
    restore = signals.use_providers(tracer_provider=tracers, meter_provider=meters)
    try:
        retrying(**OPTIONS).call(calling(AWAY("1")))
        data: Any = reader.get_metrics_data()
    finally:
        restore()
        meters.shutdown()
    metrics = {metric.name: metric for scope in data.resource_metrics[0].scope_metrics for metric in scope.metrics}
    for name in (semconv.RETRY_DELAYS.name, semconv.OPERATION_DURATION.name):
        (point,) = metrics[name].data.data_points
        (exemplar,) = point.exemplars
        assert exemplar.trace_id
        assert exemplar.span_id


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_counts_from_zero() -> None:
    work = retry(max_retries=1, initial_delay=0, name="forked")(lambda: None)
    work()
    counts = tally("forked")
    assert counts.attempts() >= 1
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0 if (counts.attempts(), counts.ends()["succeeded_without_retry"]) == (1, 1) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
