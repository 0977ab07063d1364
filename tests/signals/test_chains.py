"""Which exceptions are one failure."""

from __future__ import annotations

from typing import Any

import pytest

from trax_otel.signals.chains import MAX_JOINED, joined, note, noted, noted_of_joined


class Wrapper(Exception):
    """As SQLAlchemy's: it keeps the driver's error as `orig`."""

    orig: BaseException | None = None


def caught(action: Any) -> BaseException:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def by_cause() -> None:
    try:
        raise KeyError("inner")
    except KeyError as inner:
        raise RuntimeError("outer") from inner


def by_context() -> None:
    try:
        raise KeyError("inner")
    except KeyError:
        raise RuntimeError("outer")


def by_original() -> None:
    wrapper = Wrapper("outer")
    wrapper.orig = KeyError("inner")
    raise wrapper


@pytest.mark.parametrize("action", [by_cause, by_context, by_original])
def test_a_wrapper_and_what_it_wraps_are_one_failure(action: Any) -> None:
    outer, inner = joined(caught(action))
    assert (type(inner), outer is inner) == (KeyError, False)


def in_the_handler() -> None:
    try:
        raise KeyError("inner")
    except KeyError as inner:
        inner.absent  # type: ignore[attr-defined]


def apart() -> None:
    try:
        raise KeyError("inner")
    except KeyError:
        raise RuntimeError("outer") from None


@pytest.mark.parametrize("action", [in_the_handler, apart])
def test_a_defect_in_a_handler_and_what_is_said_to_be_apart_are_failures_of_their_own(action: Any) -> None:
    assert len(list(joined(caught(action)))) == 1


def test_circles_and_long_chains_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert list(joined(first)) == [first, second]
    last = ValueError("0")
    for number in range(2 * MAX_JOINED):
        following = ValueError(str(number))
        following.__cause__, last = last, following
    assert len(list(joined(last))) == MAX_JOINED


def test_what_is_noted_of_one_is_known_of_the_failure() -> None:
    outer = caught(by_cause)
    _, inner = joined(outer)
    note(inner, "__trax_test__", "said")
    assert noted(outer, "__trax_test__") is None
    assert noted_of_joined(outer, "__trax_test__") == "said"


def test_attributes_that_raise_are_passed_over() -> None:
    class Hostile(Exception):
        @property
        def orig(self) -> BaseException:
            raise OSError("no")

    error = Hostile()
    assert list(joined(error)) == [error]
