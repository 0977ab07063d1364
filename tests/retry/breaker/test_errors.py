"""Errors come out of a breaker as if it had not stood between."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import pytest

from trax_otel.retry import CircuitBreaker, CircuitOpenError


def fails() -> None:
    raise Refused("refused")


class Refused(ConnectionError):
    """Can be referred to weakly."""


async def caught(breaker: CircuitBreaker, through: Any) -> weakref.ref[Exception]:
    try:
        await through(breaker, fails)
    except (Refused, CircuitOpenError) as error:
        return weakref.ref(error)
    raise AssertionError("no error")


@pytest.mark.parametrize("opened", [False, True], ids=["failure", "rejection"])
async def test_an_error_goes_as_soon_as_nobody_holds_it(through: Any, opened: bool) -> None:
    """No reference cycle through the frames: in an outage they would pile up."""
    breaker = CircuitBreaker(failure_threshold=2)
    if opened:
        breaker.open()
    gc.collect()
    gc.disable()
    try:
        assert (await caught(breaker, through))() is None
    finally:
        gc.enable()


def test_a_rejection_survives_pickling_and_copying() -> None:
    breaker = CircuitBreaker(name="rates")
    breaker.isolate()
    with pytest.raises(CircuitOpenError) as rejected:
        breaker.call(fails)
    for other in (pickle.loads(pickle.dumps(rejected.value)), copy.copy(rejected.value)):
        assert (other.breaker, other.retry_after, str(other)) == ("rates", None, str(rejected.value))
