"""Which strategies are tried, against a plain model; and managers that threads share."""

from __future__ import annotations

import asyncio
import threading
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel.errors import RecoveryError
from trax_otel.recovery import PREPARED, CallableStrategy, RecoveryContext, RecoveryManager

KINDS = ("answers", "fails", "prepares", "not for this")


class Planned(NamedTuple):
    kind: str
    priority: int


def strategy(number: int, planned: Planned, tried: list[int]) -> CallableStrategy:
    def recover(context):
        tried.append(number)
        if planned.kind == "fails":
            raise LookupError(number)
        return PREPARED if planned.kind == "prepares" else number

    on = KeyError if planned.kind == "not for this" else None
    return CallableStrategy(recover, on=on, priority=planned.priority, name=f"s{number}")


def model(planned: list[Planned], most: int) -> tuple[list[int], object]:
    """Whom it tries, and what comes of it: an answer, "nothing" or "failed"."""
    tried: list[int] = []
    failures = prepared = 0
    for number in sorted(range(len(planned)), key=lambda number: (planned[number].priority, number)):
        if failures == most:
            return tried, "failed"
        kind = planned[number].kind
        if kind == "not for this":
            continue
        tried.append(number)
        if kind == "answers":
            return tried, number
        failures += kind == "fails"
        prepared += kind == "prepares"
    return tried, "nothing" if prepared and not failures else "failed"


@given(
    st.lists(st.builds(Planned, st.sampled_from(KINDS), st.integers(1, 3)), max_size=7),
    st.integers(0, 4),
    st.booleans(),
)
def test_it_tries_whom_the_model_tries(planned, most, asynchronous):
    tried: list[int] = []
    manager = RecoveryManager(
        max_fallbacks=most, strategies=[strategy(number, one, tried) for number, one in enumerate(planned)]
    )
    context = RecoveryContext("a", ConnectionError("no route"))
    expected, ending = model(planned, most)
    if asynchronous:
        attempt = lambda: asyncio.run(manager.attempt_recovery(context))  # noqa: E731
    else:
        attempt = lambda: manager.attempt_recovery_sync(context)  # noqa: E731
    if ending == "failed":
        with pytest.raises(RecoveryError) as raised:
            attempt()
        assert len(raised.value.causes) == 1 + sum(planned[number].kind == "fails" for number in tried)
    else:
        assert attempt() == (None if ending == "nothing" else ending)
    assert tried == expected


def test_a_recovery_under_way_keeps_the_strategies_that_it_began_with(context):
    manager = RecoveryManager()

    @manager.strategy()
    def first(context):
        manager.remove_strategy("second")
        raise LookupError("no")

    manager.strategy(name="second")(lambda context: "second")
    assert manager.attempt_recovery_sync(context) == "second"
    assert [known.name for known in manager.strategies] == ["first"]


def test_threads_may_share_a_manager(context):
    manager = RecoveryManager(strategies=[CallableStrategy(lambda context: "ok", name="ok")])
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _ in range(50):
                manager.add_strategy(CallableStrategy(lambda context: "other", name=name, priority=200))
                assert manager.attempt_recovery_sync(context) == "ok"
                assert manager.remove_strategy(name)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [known.name for known in manager.strategies] == ["ok"]
