"""What libraries steer by passes everything: it is not retried, answered, counted or told, unless it is named."""

from __future__ import annotations

import asyncio
import bdb
import concurrent.futures
import sys
import unittest
from pathlib import Path
from typing import Any

import _pytest.outcomes
import aiohttp.web
import click
import psycopg
import pytest
import werkzeug.routing

from trax_otel import semconv
from trax_otel.errors import InvalidConfigError, error_handler, register_control_flow
from trax_otel.errors.control_flow import LIMITS, STEERING, is_control_flow, leaves, never_retried, steers
from trax_otel.metrics import timing_context
from trax_otel.recovery import FallbackManager, RecoveryContext, RecoveryManager, stale_while_error
from trax_otel.retry import CircuitBreaker, retrying
from trax_otel.retry.telemetry import tally
from trax_otel.testing import CapturedTelemetry


def foreign(module: str, name: str, base: type[BaseException] = Exception) -> type[BaseException]:
    """A class as that library has it (most are not installed here)."""
    return type(name, (base,), {"__module__": module})


LIMITED: list[type[BaseException]] = [
    foreign("billiard.exceptions", "SoftTimeLimitExceeded"),
    foreign("rq.timeouts", "JobTimeoutException", foreign("rq.timeouts", "BaseTimeoutException")),
    foreign("huey.exceptions", "TaskTimeout"),
]
STEERED: list[type[BaseException]] = [
    foreign("celery.exceptions", "Retry"),
    foreign("arq.worker", "Retry", RuntimeError),
    foreign("dramatiq.errors", "Retry"),
    foreign("huey.exceptions", "CancelExecution"),
    foreign("tornado.web", "Finish"),
    foreign("scrapy.exceptions", "IgnoreRequest"),
    foreign("falcon.http_status", "HTTPStatus"),
    click.Abort, click.exceptions.Exit, _pytest.outcomes.Exit, bdb.BdbQuit, unittest.SkipTest,
    concurrent.futures.CancelledError, psycopg.Rollback, werkzeug.routing.RequestRedirect, aiohttp.web.HTTPFound,
    StopIteration, StopAsyncIteration,
]  # fmt: skip


def raised(kind: type[BaseException]) -> BaseException:
    arguments: tuple[Any, ...] = ()
    if kind is click.exceptions.Exit:
        arguments = (3,)
    elif kind in {_pytest.outcomes.Exit, werkzeug.routing.RequestRedirect, aiohttp.web.HTTPFound}:
        arguments = ("/elsewhere",)
    return kind(*arguments)


@pytest.fixture(params=STEERED + LIMITED, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def kind(request: pytest.FixtureRequest) -> type[BaseException]:
    return request.param  # type: ignore[no-any-return]


class Work:
    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    def __call__(self, *_: object) -> None:
        self.calls += 1
        raise self.error


def test_it_is_retried_only_where_its_own_type_is_named(kind: type[BaseException]) -> None:
    for condition in (None, Exception, (Exception, ValueError), lambda error: True):
        work = Work(raised(kind))
        with pytest.raises(kind):
            retrying(max_retries=3, initial_delay=0, retry_on=condition).call(work)
        assert work.calls == 1, condition
    named = Work(raised(kind))
    with pytest.raises(kind):
        retrying(max_retries=3, initial_delay=0, retry_on=(kind, ValueError)).call(named)  # type: ignore[arg-type]
    assert named.calls == 4


def test_a_breaker_counts_it_only_where_its_own_type_is_named(kind: type[BaseException]) -> None:
    for condition in (None, Exception, lambda error: True):
        breaker = CircuitBreaker(failure_threshold=1, expected_exception=condition)
        with pytest.raises(kind):
            breaker.call(Work(raised(kind)))
        assert breaker.state == "closed"
    breaker = CircuitBreaker(failure_threshold=1, expected_exception=kind)
    with pytest.raises(kind):
        breaker.call(Work(raised(kind)))
    assert breaker.state == "open"


def test_no_fallback_answers_it_unless_its_own_type_is_named(kind: type[BaseException]) -> None:
    for condition, answer in ((None, None), (Exception, None), (lambda error: True, None), (kind, "instead")):
        manager = FallbackManager(on=condition)
        manager.add_fallback(lambda: "instead")
        if answer is None:
            with pytest.raises(kind):
                manager.execute_with_fallbacks_sync(Work(raised(kind)))
        else:
            assert manager.execute_with_fallbacks_sync(Work(raised(kind))) == answer
    with pytest.raises(kind):
        RecoveryManager().attempt_recovery_sync(RecoveryContext("work", raised(kind)))


def test_no_cached_answer_stands_in_for_it(kind: type[BaseException]) -> None:
    answers: list[Any] = ["kept"]

    @stale_while_error(stale_for=60)
    def work() -> Any:
        if answers:
            return answers.pop()
        raise raised(kind)

    assert work() == "kept"
    with pytest.raises(kind):
        work()


def test_the_error_handler_does_not_answer_it_and_tells_of_time_limits_alone(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture, trax_telemetry: CapturedTelemetry
) -> None:
    with pytest.raises(kind):
        error_handler(reraise=False, default="instead")(Work(raised(kind)).__call__)()
    told = kind in LIMITED
    assert len(caplog.records) == told
    assert len(trax_telemetry.metrics.get(semconv.ERRORS.name, [])) == told


@pytest.mark.parametrize("kind", LIMITED, ids=lambda kind: kind.__qualname__)
def test_an_operation_that_a_time_limit_ends_has_failed(
    kind: type[BaseException], trax_telemetry: CapturedTelemetry
) -> None:
    with pytest.raises(kind), timing_context("work"):
        raise kind
    with pytest.raises(kind):
        retrying(name="limited", retry_on=Exception).call(Work(kind()))
    for name in ("work", "limited"):
        span = trax_telemetry.span(name)
        assert (span.status, span.attributes[semconv.ERROR_CODE]) == ("error", "TRAX-005")
        assert span.attributes[semconv.ERROR_RETRYABLE] is False


@pytest.mark.parametrize("kind", STEERED, ids=lambda kind: kind.__qualname__)
def test_an_operation_that_it_ends_was_cancelled(kind: type[BaseException], trax_telemetry: CapturedTelemetry) -> None:
    with pytest.raises(kind), timing_context("work"):
        raise raised(kind)
    before = tally("steered").ends()["cancelled"]
    with pytest.raises(kind):
        retrying(name="steered").call(Work(raised(kind)))
    assert tally("steered").ends()["cancelled"] == before + 1
    for name in ("work", "steered"):
        span = trax_telemetry.span(name)
        assert (span.attributes[semconv.OUTCOME], span.status) == ("cancelled", "unset")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups came with Python 3.11")
def test_a_group_that_holds_it_passes_too(kind: type[BaseException]) -> None:
    group: Any = ExceptionGroup("g", [ConnectionError(), ExceptionGroup("h", [raised(kind)])])  # type: ignore[name-defined,type-var,list-item,unused-ignore]  # noqa: F821
    assert never_retried(group)
    work = Work(group)
    with pytest.raises(type(group)):
        retrying(max_retries=3, initial_delay=0, retry_on=Exception).call(work)
    assert work.calls == 1


def test_what_is_fatal_cannot_be_asked_for() -> None:
    for fatal in (MemoryError, RecursionError, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit):
        with pytest.raises(InvalidConfigError, match="never retried"):
            retrying(retry_on=fatal)


def test_users_register_their_own() -> None:
    class Stop(Exception):
        pass

    class StopNow(Stop):
        pass

    work = Work(StopNow())
    with pytest.raises(StopNow):
        retrying(max_retries=1, initial_delay=0, retry_on=Exception).call(work)
    assert work.calls == 2
    unregister = register_control_flow(Stop)
    try:
        assert steers(StopNow)
        assert is_control_flow(Stop)
        with pytest.raises(StopNow):
            retrying(max_retries=1, initial_delay=0, retry_on=Exception).call(work)
        assert work.calls == 3
    finally:
        unregister()
    assert not steers(StopNow)
    for wrong in (Exception, BaseException, ValueError(), "Stop"):
        with pytest.raises(TypeError):
            register_control_flow(wrong)  # type: ignore[arg-type]


def test_the_documentation_names_every_class() -> None:
    page = Path(__file__, "../../../docs/resilience.md").resolve().read_text(encoding="utf-8")
    for names in (*STEERING.values(), *LIMITS.values()):
        for name in names:
            assert f"`{name}`" in page, name


def test_leaves_come_once_however_they_are_nested() -> None:
    error = ValueError()
    assert list(leaves(error)) == [error]
