"""An answer and what follows from it in its trace are one failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trax_otel.signals import told


@pytest.fixture(autouse=True)
def _nothing_told() -> Iterator[None]:
    told.forget()
    yield
    told.forget()


def test_an_answer_stands_for_one_exception_of_its_code_and_trace() -> None:
    told.note_answer(1, "A")
    told.note_answer(1, "A")
    assert not told.follows_from_answer(1, "B")
    assert not told.follows_from_answer(2, "A")
    assert told.follows_from_answer(1, "A")
    assert told.follows_from_answer(1, "A")
    assert not told.follows_from_answer(1, "A")
    assert told.has_failed(1)
    assert not told.has_failed(2)


def test_only_the_newest_traces_are_remembered() -> None:
    for trace in range(3 * told.MAX_TRACES):
        told.note_answer(trace, "A")
    assert len(told._answers) == len(told._failed) == told.MAX_TRACES
    assert not told.has_failed(0)
    assert told.has_failed(3 * told.MAX_TRACES - 1)
