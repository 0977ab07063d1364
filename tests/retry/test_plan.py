"""The engine as a script: outcomes are sent by hand, with neither clock nor loop nor function."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel import clock
from trax_otel.retry import RetryConfig
from trax_otel.retry.plan import Call, Outcome, Sleep
from trax_otel.retry.policy import Policy
from trax_otel.testing import FakeClock

AWAY = Outcome(None, ConnectionError("refused"))
BAD = Outcome(None, ValueError("bad"))
FINE = Outcome("fine")


def script(config: RetryConfig, outcomes: list[Outcome], time: FakeClock) -> tuple[int, list[float], Outcome | None]:
    """Play it: the calls that were asked for, the sleeps, and the outcome of the whole (None: the script was too short)."""
    plan = Policy(config, "scripted").plan(lambda: None, None)
    calls, sleeps = 0, []
    effect = next(plan)
    left = list(outcomes)
    while True:
        if isinstance(effect, Sleep):
            sleeps.append(effect.seconds)
            time.advance(effect.seconds)
            answer = Outcome(True)
        else:
            assert isinstance(effect, Call)
            if not left:
                plan.close()
                return calls, sleeps, None
            calls += 1
            answer = left.pop(0)
        try:
            effect = plan.send(answer)
        except StopIteration as done:
            ended: Outcome = done.value
            return calls, sleeps, ended


OUTCOME = st.sampled_from([AWAY, AWAY, AWAY, BAD, FINE])
CONFIG: Any = st.fixed_dictionaries(
    {
        "max_retries": st.integers(0, 6),
        "initial_delay": st.floats(0, 5),
        "max_delay": st.floats(5, 20),
        "wait": st.sampled_from(["exponential", "linear", "constant", "fibonacci"]),
        "jitter": st.sampled_from([None, 0.1, "full", "equal", "decorrelated"]),
        "deadline": st.sampled_from([None, 1.0, 10.0, 100.0]),
    }
)


@given(CONFIG, st.lists(OUTCOME, max_size=9))
def test_whatever_happens_the_bounds_hold(options: dict[str, Any], outcomes: list[Outcome]) -> None:
    with clock.use(FakeClock()) as time:
        assert isinstance(time, FakeClock)
        calls, sleeps, ended = script(RetryConfig(**options), outcomes, time)
    assert calls <= options["max_retries"] + 1
    assert all(0 < seconds <= options["max_delay"] for seconds in sleeps)
    assert len(sleeps) <= max(0, calls - (ended is not None)) + (ended is None)
    if options["deadline"] is not None:
        assert sum(sleeps) <= options["deadline"] + 1e-9
    if ended is None:
        assert all(outcome is AWAY for outcome in outcomes)
    else:
        assert ended is outcomes[calls - 1]
        assert all(outcome is AWAY for outcome in outcomes[: calls - 1])


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()])
def test_a_sleep_that_is_interrupted_is_the_end(error: BaseException) -> None:
    plan = Policy(RetryConfig(max_retries=3), "scripted").plan(lambda: None, None)
    assert isinstance(next(plan), Call)
    assert isinstance(plan.send(AWAY), Sleep)
    with pytest.raises(StopIteration) as done:
        plan.send(Outcome(None, error))
    assert done.value.value.error is error


def test_a_sleep_that_is_cut_short_is_giving_up() -> None:
    plan = Policy(RetryConfig(max_retries=3), "scripted").plan(lambda: None, None)
    next(plan)
    plan.send(AWAY)
    with pytest.raises(StopIteration) as done:
        plan.send(Outcome(False))
    assert done.value.value is AWAY


def test_effects_are_values() -> None:
    assert Sleep(1.0) == Sleep(1.0) != Sleep(2.0)
    assert repr(Outcome("fine")) == "Outcome(error=None, value='fine')"
