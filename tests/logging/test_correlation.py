"""One id and the bound fields on everything inside, in both worlds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from trax_otel import signals
from trax_otel.logging import (
    bind,
    bound_fields,
    correlation_context,
    correlation_id_from_headers,
    current_correlation_id,
    get_logger,
)

Lines = Callable[[], list[dict[str, Any]]]


def test_every_record_inside_bears_id_and_fields(json_lines: Lines) -> None:
    logger = get_logger("trax.tests.correlated")
    with correlation_context("req-1") as correlation_id, bind(user="ada", tenant=7):
        assert correlation_id == "req-1"
        logger.info("ours")
        with bind(user="grace", job="nightly"):
            logging.getLogger("trax.tests.plain").warning("plain")
        logger.info("outer again")
    logger.info("outside")
    ours, plain, again, outside = json_lines()
    assert (ours["correlation_id"], ours["user"], ours["tenant"]) == ("req-1", "ada", 7)
    assert (plain["correlation_id"], plain["user"], plain["tenant"], plain["job"]) == ("req-1", "grace", 7, "nightly")
    assert (again["user"], "job" in again) == ("ada", False)
    assert (outside["correlation_id"], "user" in outside) == (None, False)


def test_the_id_of_an_argument_wins(json_lines: Lines) -> None:
    with correlation_context("from-context"):
        get_logger("trax.tests.correlated").info("x", extra={"correlation_id": "req-123"})
    assert json_lines()[0]["correlation_id"] == "req-123"


def test_a_bound_field_named_as_a_records_attribute_is_kept(json_lines: Lines) -> None:
    with bind(name="n", module="m", line="l"):
        get_logger("trax.tests.correlated").info("x")
    (line,) = json_lines()
    assert (line["name_"], line["module_"], line["line_"]) == ("n", "m", "l")


def test_an_id_is_made_where_none_is_given() -> None:
    with correlation_context() as first, correlation_context() as second:
        assert first != second
        assert len(first) == 32
        assert current_correlation_id() == second
    assert current_correlation_id() is None


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Correlation-ID": "req-9", "X-Request-ID": "other"},
        {"x-request-id": "req-9"},
        {"HTTP_X_CORRELATION_ID": "req-9", "REQUEST_METHOD": "GET"},
        {"type": "http", "headers": [(b"host", b"x"), (b"x-correlation-id", b"req-9")]},
        [("X-Request-Id", "req-9")],
        [(b"X-REQUEST-ID", b" req-9 ")],
    ],
    ids=["dict", "lower", "wsgi", "asgi", "pairs", "bytes"],
)
def test_an_inbound_header_gives_the_id(headers: Any) -> None:
    assert correlation_id_from_headers(headers) == "req-9"
    with correlation_context(headers=headers) as correlation_id:
        assert correlation_id == "req-9"


@pytest.mark.parametrize("value", ["", "a b", "x\ny", "\x1b[2J", "é", "a" * 129, "-x", None, 5.5])
def test_an_id_that_is_none_is_not_taken_from_outside(value: Any) -> None:
    assert correlation_id_from_headers({"X-Correlation-ID": value}) is None
    with correlation_context(value) as made:
        assert made != value
        assert signals.valid_correlation_id(made)


@pytest.mark.parametrize("headers", [None, 5, "text", [1, 2], {"headers": 1}])
def test_headers_of_any_kind_do_not_raise(headers: Any) -> None:
    assert correlation_id_from_headers(headers) is None


async def test_tasks_keep_apart_and_inherit() -> None:
    async def work(name: str) -> tuple[str | None, Any]:
        async with correlation_context(name), bind(job=name):
            await asyncio.sleep(0)
            inner = await asyncio.create_task(asyncio.to_thread(current_correlation_id))
            assert inner == name
            return current_correlation_id(), bound_fields()["job"]

    assert await asyncio.gather(work("a"), work("b")) == [("a", "a"), ("b", "b")]
    assert current_correlation_id() is None


async def test_decorators_give_each_call_its_own() -> None:
    @correlation_context()
    @bind(job="sync")
    def sync() -> tuple[str | None, Any]:
        return current_correlation_id(), bound_fields()["job"]

    @correlation_context()
    async def asynchronous() -> str | None:
        await asyncio.sleep(0)
        return current_correlation_id()

    assert sync()[0] != sync()[0]
    assert sync()[1] == "sync"
    ids = await asyncio.gather(asynchronous(), asynchronous())
    assert len({*ids, None}) == 3


def test_a_generator_is_refused_clearly() -> None:
    with pytest.raises(TypeError, match="generator"):

        @bind(a=1)
        def generate() -> Any:
            yield 1


def test_spans_and_errors_inside_bear_it(captured: Any) -> None:
    from trax_otel.errors import create_network_error

    with correlation_context("req-5"), bind(user="ada"):
        error = create_network_error("down")
        with captured.tracer_provider.get_tracer("t").start_as_current_span("s"):
            get_logger("x")
    assert error.correlation_id == "req-5"
