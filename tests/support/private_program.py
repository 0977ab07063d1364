"""A program that uses all of us that leans on private names of OpenTelemetry, with some of them renamed.

`private_program.py "NAME …" ENDPOINT`: prints, as JSON, which of its steps raised, and whether the application's provider won.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

from support.renamed import hide_module, rename

for name in sys.argv[1].split():
    (hide_module if "." in name else rename)(name)

raised: dict[str, str] = {}


def step(act: Callable[[], Any]) -> Any:
    """Do one thing; what it raises is noted."""
    try:
        return act()
    except BaseException as error:
        raised[act.__name__] = f"{type(error).__name__}: {error}"
        return None


def before_the_set_up() -> None:
    """A library that makes its instrument as soon as it is imported."""
    from opentelemetry import metrics

    metrics.get_meter("library").create_counter("library.calls").add(1)


def set_up() -> Any:
    import trax_otel

    return trax_otel.configure(endpoint=sys.argv[2], service_name="renamed", log_level="INFO")


def timed() -> None:
    from trax_otel.metrics import timing_context

    with timing_context("timed"):
        pass


def tried_again() -> None:
    from trax_otel.retry import RetryConfig, retry

    left = [ConnectionError("once")]

    @retry(RetryConfig(max_retries=2, initial_delay=0.001))
    def call() -> None:
        if left:
            raise left.pop()

    call()


def ended_elsewhere() -> None:
    """An async generator that is closed in another context than it began in."""
    from trax_otel.metrics import timing_context

    async def values() -> AsyncIterator[int]:
        with timing_context("generator"):
            yield 1

    async def main() -> None:
        generator = values()
        await asyncio.ensure_future(anext(generator))
        await asyncio.ensure_future(generator.aclose())  # type: ignore[attr-defined]

    asyncio.run(main())


def logged() -> None:
    import logging

    from trax_otel.logging import bind
    from trax_otel.metrics import timing_context

    with timing_context("logs"), bind(user="ada"):
        logging.getLogger("app").info("logged")


def stored() -> None:
    """A step on SQLite, whose own statements are not to be traced."""
    import tempfile

    from trax_otel.recovery.state import SQLStorage, StateRecoveryManager, operation_state_context

    with tempfile.TemporaryDirectory() as folder:
        manager = StateRecoveryManager(SQLStorage(f"sqlite:///{folder}/state.db"))
        with operation_state_context(manager, "import 1") as state:
            state.step("read", lambda: 1)


def spans_of_others() -> None:
    from opentelemetry import trace

    with trace.get_tracer("other").start_as_current_span("other", attributes={"k": "v\udcff"}) as span:
        span.record_exception(ValueError("x"))


def forked() -> None:
    from opentelemetry import trace

    child = os.fork()
    if child == 0:
        status = 1
        try:
            timed()
            trace.get_tracer("child").start_span("in the child").end()
            handle.flush(5)
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("the child failed")


def propagated() -> None:
    from trax_otel.instrumentation.correlation import install_correlation

    install_correlation()


def given_way() -> None:
    """The application sets providers of its own after us."""
    from opentelemetry import _logs, metrics, trace
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    metrics.set_meter_provider(MeterProvider(shutdown_on_exit=False))
    _logs.set_logger_provider(LoggerProvider(shutdown_on_exit=False))
    raised_before = dict(raised)
    for act in (timed, tried_again, logged, spans_of_others):
        step(act)
    assert raised == raised_before


for act in (before_the_set_up, timed, logged):
    step(act)
handle = step(set_up)
for act in (timed, tried_again, ended_elsewhere, logged, stored, spans_of_others, propagated, forked):
    step(act)
if handle is not None:
    step(handle.flush)
step(given_way)
print(json.dumps(raised))
