"""Breakers by name, and those that nobody holds any more."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator

import pytest

from trax_otel.retry import CircuitBreaker, circuit_breaker, circuit_breakers
from trax_otel.retry.breaker.telemetry import living


def works() -> str:
    return "fine"


def test_breakers_by_name() -> None:
    breaker = circuit_breaker("by name", failure_threshold=7)
    assert circuit_breaker("by name") is breaker
    assert breaker.rules.failure_threshold == 7
    made = CircuitBreaker(name="made elsewhere")
    assert circuit_breaker("made elsewhere") is made
    assert {"by name", "made elsewhere"} <= {one.name for one in circuit_breakers()}


def test_a_breaker_without_a_name_takes_the_functions() -> None:
    breaker = CircuitBreaker()
    breaker(works)
    assert breaker.name == "works"
    nameless = CircuitBreaker()
    assert nameless.name == f"breaker-{nameless.number}"


def test_a_dropped_breaker_is_gone() -> None:
    CircuitBreaker(name="short-lived")
    gc.collect()
    assert "short-lived" not in {one.name for one in circuit_breakers()}


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_they_can_be_listed_while_others_are_made() -> None:
    made: list[CircuitBreaker] = []

    def make() -> None:
        made.extend(CircuitBreaker(name="made meanwhile") for _ in range(500))

    thread = threading.Thread(target=make)
    thread.start()
    while thread.is_alive():
        living()
    thread.join()
    assert set(made) <= set(living())


@pytest.mark.usefixtures("hasty")
def test_threads_that_ask_for_a_name_get_one_breaker() -> None:
    found: list[CircuitBreaker] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(circuit_breaker("asked for at once"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
