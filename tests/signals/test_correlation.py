"""The correlation id and bound fields: merged, restored, carried by the context, and validated at the border."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel import semconv
from trax_otel.signals import attach_correlation, current_correlation, detach, new_correlation_id, valid_correlation_id


def test_inner_blocks_add_to_outer_ones_and_leave_them_as_they_were() -> None:
    outer = attach_correlation(id="req-1", fields={"user": "ada"})
    inner = attach_correlation(fields={"job": 7, "user": "bob"})
    assert current_correlation().id == "req-1"
    assert dict(current_correlation().fields) == {"user": "bob", "job": 7}
    assert current_correlation().attributes[semconv.CORRELATION_ID] == "req-1"
    detach(inner)
    assert dict(current_correlation().fields) == {"user": "ada"}
    detach(outer)
    assert not current_correlation()


async def test_tasks_and_copied_contexts_carry_it_and_other_threads_do_not() -> None:
    token = attach_correlation(id="req-2")
    found: list[str | None] = []

    async def task() -> str | None:
        return current_correlation().id

    assert await asyncio.create_task(task()) == "req-2"
    context = contextvars.copy_context()
    for target in (
        lambda: found.append(current_correlation().id),
        lambda: context.run(lambda: found.append(current_correlation().id)),
    ):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    assert found == [None, "req-2"]
    detach(token)


def test_detach_in_another_context_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    token = contextvars.copy_context().run(lambda: attach_correlation(id="x"))
    detach(token)
    assert caplog.records == []


def test_a_correlation_cannot_be_changed() -> None:
    token = attach_correlation(fields={"user": "ada"})
    with pytest.raises(TypeError):
        current_correlation().fields["user"] = "eve"  # type: ignore[index]
    with pytest.raises(TypeError):
        current_correlation().attributes["user"] = "eve"  # type: ignore[index]
    detach(token)


@pytest.mark.parametrize(
    "good", ["req-123", "a", "A" * 128, "550e8400-e29b-41d4-a716-446655440000", "corr_456", "a:b/c=+@"]
)
def test_ids_that_are_taken(good: str) -> None:
    assert valid_correlation_id(good) == good


@pytest.mark.parametrize("bad", ["", "-x", "a b", "a\r\nSet-Cookie: x", "ü", "A" * 129, None, 7, b"x", "x\n"])
def test_ids_that_are_refused(bad: object) -> None:
    assert valid_correlation_id(bad) is None


@given(st.text())
def test_no_valid_id_can_break_a_line_or_a_header(text: str) -> None:
    if valid_correlation_id(text) is not None:
        assert text.isascii()
        assert text.isprintable()


def test_new_ids_are_valid_and_differ() -> None:
    ids = {new_correlation_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(valid_correlation_id(one) for one in ids)
