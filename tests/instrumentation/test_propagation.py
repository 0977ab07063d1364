"""Context crosses threads, executors and other processes; where there is none, none appears."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import gc
import multiprocessing
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.trace import get_current_span

from trax_otel.instrumentation import propagation
from trax_otel.logging import bind, correlation_context
from trax_otel.signals import current_correlation, start_span
from trax_otel.testing import CapturedTelemetry


@pytest.fixture(autouse=True)
def carried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", threading.Thread.start)
    begin = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]
    monkeypatch.setattr(threading.Thread, "_bootstrap_inner", begin)
    for name in ("__init__", "run"):
        item = concurrent.futures.thread._WorkItem
        monkeypatch.setattr(item, name, getattr(item, name))
    monkeypatch.setattr(ProcessPoolExecutor, "submit", ProcessPoolExecutor.submit)
    propagation.carry_context()
    propagation.carry_context()  # twice changes nothing


def seen() -> tuple[int, str | None, Any]:
    correlation = current_correlation()
    return get_current_span().get_span_context().span_id, correlation.id, correlation.fields.get("user")


def in_thread() -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(seen()))
    thread.start()
    thread.join()
    return found[0]


def in_subclass() -> Any:
    class Worker(threading.Thread):
        found: Any = None

        def run(self) -> None:
            self.found = seen()

    worker = Worker()
    worker.start()
    worker.join()
    assert "run" not in vars(worker)
    return worker.found


def in_timer() -> Any:
    found: list[Any] = []
    timer = threading.Timer(0, lambda: found.append(seen()))
    timer.start()
    timer.join()
    return found[0]


def in_pool() -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(seen).result()


def in_map() -> Any:
    with ThreadPoolExecutor(1) as pool:
        return next(iter(pool.map(lambda _: seen(), [1])))


def in_loop_executor() -> Any:
    async def main() -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, seen)

    return asyncio.run(main())


def in_to_thread() -> Any:
    async def main() -> Any:
        return await asyncio.to_thread(seen)

    return asyncio.run(main())


def in_task() -> Any:
    async def inner() -> Any:
        return seen()

    async def main() -> Any:
        return await asyncio.create_task(inner())

    return asyncio.run(main())


WAYS = [in_thread, in_subclass, in_timer, in_pool, in_map, in_loop_executor, in_to_thread, in_task]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_trace_correlation_and_fields_are_carried(way: Callable[[], Any], trax_telemetry: CapturedTelemetry) -> None:
    with correlation_context("req-1"), bind(user="ada"):
        scope = start_span("request")
        found = way()
        scope.end("success")
    assert found == (scope.span.get_span_context().span_id, "req-1", "ada")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_without_context_there_is_none(way: Callable[[], Any]) -> None:
    assert way() == (0, None, None)


def test_a_worker_does_not_keep_the_context_of_who_started_it() -> None:
    with ThreadPoolExecutor(1) as pool:
        with correlation_context("first"):
            assert pool.submit(seen).result()[1] == "first"
        assert pool.submit(seen).result()[1] is None
        with correlation_context("second"):
            assert pool.submit(seen).result()[1] == "second"


def test_results_errors_and_cancellation_are_the_executors_own() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(int, "7", base=8).result() == 7
        with pytest.raises(ValueError, match="invalid literal"):
            pool.submit(int, "x").result()


def test_a_thread_that_could_not_be_started_can_be_later(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(baggage.get_baggage("a")))
    token = context.attach(baggage.set_baggage("a", "b"))
    try:
        with monkeypatch.context() as patched:
            starter = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"

            def refuse(*_: Any, **__: Any) -> None:
                raise RuntimeError("can't start new thread")

            patched.setattr(threading, starter, refuse)
            with pytest.raises(RuntimeError, match="can't start"):
                thread.start()
        thread.start()
        thread.join()
    finally:
        context.detach(token)
    assert seen == ["b"]


def test_threads_are_not_kept_alive() -> None:
    with correlation_context("req"):
        thread = threading.Thread(target=seen)
        thread.start()
        thread.join()
    reference = weakref.ref(thread)
    del thread
    gc.collect()
    assert reference() is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_process_pools_carry_trace_and_correlation(method: str, trax_telemetry: CapturedTelemetry) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        assert pool.submit(seen).result()[1:] == (None, None)
        with correlation_context("req-1"), bind(user="ada"):
            scope = start_span("request")
            found = pool.submit(seen).result()
            scope.end("success")
    assert found == (scope.span.get_span_context().span_id, "req-1", "ada")
