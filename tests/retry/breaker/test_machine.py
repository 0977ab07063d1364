"""The states against a plain model, in any order of calls, outcomes, pauses and hands that meddle."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from trax_otel.retry.breaker.machine import Machine
from trax_otel.retry.breaker.rules import Rules
from trax_otel.retry.breaker.windows import BUCKETS, CountWindow, TimeWindow

THRESHOLD, TIMEOUT, PROBES, PROBE_TIMEOUT, GROWTH, LONGEST = 3, 10.0, 2, 12.0, 2.0, 25.0
PLAIN: dict[str, Any] = {
    "failure_threshold": THRESHOLD, "timeout": TIMEOUT, "failure_rate": None, "slow_call_rate": None,
    "slow_call_seconds": None, "window_calls": 100, "window_seconds": None, "minimum_calls": 10,
    "half_open_calls": PROBES, "probe_timeout": PROBE_TIMEOUT, "timeout_growth": GROWTH, "max_timeout": LONGEST,
}  # fmt: skip


class Model:
    """The same in the plainest words: which period a call belongs to, and who is inside."""

    def __init__(self) -> None:
        self.state, self.period, self.now = "closed", 0, 0.0
        self.failures = self.trips = self.successes = 0
        self.until = 0.0
        self.inside: dict[object, float] = {}

    def enter(self, state: str, by_hand: bool = False) -> None:
        self.state, self.period = state, self.period + 1
        self.failures = self.successes = 0
        self.inside = {}
        if state == "open":
            self.trips = max(self.trips, 1) if by_hand else self.trips + 1
            self.until = self.now + min(TIMEOUT * GROWTH ** (self.trips - 1), LONGEST)
        if state == "closed":
            self.trips = 0

    def acquire(self, call: object) -> bool:
        if self.state == "open" and self.now >= self.until:
            self.enter("half_open")
        if self.state == "half_open":
            if len(self.inside) + self.successes >= PROBES:
                self.inside = {one: since for one, since in self.inside.items() if self.now < since + PROBE_TIMEOUT}
            if len(self.inside) + self.successes >= PROBES:
                return False
            self.inside[call] = self.now
        return self.state in {"closed", "half_open"}

    def record(self, call: object, period: int, outcome: str) -> None:
        if period != self.period:
            return
        if self.state == "closed" and outcome in {"success", "failure"}:
            self.failures = self.failures + 1 if outcome == "failure" else 0
            if self.failures >= THRESHOLD:
                self.enter("open")
        elif self.state == "half_open" and self.inside.pop(call, None) is not None:
            if outcome == "failure":
                self.enter("open")
            elif outcome == "success":
                self.successes += 1
                if self.successes >= PROBES:
                    self.enter("closed")


class BreakerMachine(RuleBasedStateMachine):
    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(Rules(**PLAIN), lambda: None)
        self.model = Model()

    @rule(target=calls)
    def acquire(self) -> Any:
        call = object()
        allowed = self.model.acquire(call)
        epoch, probe, _ = self.machine.acquire(self.model.now)
        assert (epoch > 0) == allowed
        return (call, self.model.period, epoch, probe) if allowed else multiple()

    @rule(call=consumes(calls), outcome=st.sampled_from(["success", "success", "failure", "ignored", "cancelled"]))
    def record(self, call: Any, outcome: Any) -> None:
        self.model.record(call[0], call[1], outcome)
        self.machine.record(call[2], call[3], outcome, False, self.model.now)

    @rule(call=consumes(calls))
    def drop(self, call: Any) -> None:
        self.model.record(call[0], call[1], "cancelled")
        self.machine.forget(call[3])

    @rule(seconds=st.sampled_from([0.5, 4.9, 5.0, 9.9, 10.0, 12.0, 20.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.model.now += seconds

    @precondition(lambda self: self.model.state == "open")
    @rule()
    def wait_until_it_may_probe(self) -> None:
        self.model.now = max(self.model.now, self.model.until)

    @rule(state=st.sampled_from(["open", "closed", "isolated"]))
    def by_hand(self, state: Any) -> None:
        changed = self.machine.force(state, self.model.now)
        if state == self.model.state and state in {"closed", "isolated"}:
            assert changed is None
            self.model.failures = 0
        else:
            self.model.enter(state, by_hand=True)

    @rule()
    def reset(self) -> None:
        self.machine.force("closed", self.model.now, anew=True)
        self.model.enter("closed")

    @invariant()
    def they_agree(self) -> None:
        assert self.machine.state == self.model.state
        assert self.machine.failures == self.model.failures
        assert bool(self.machine.closed_epoch) == (self.model.state == "closed")
        if self.model.state == "open":
            assert self.machine.retry_after(self.model.now) == max(0.0, self.model.until - self.model.now)


def test_a_probe_that_has_succeeded_keeps_its_place() -> None:
    """Else a slow stream of probes would never be enough, or more than so many would go."""
    machine = Machine(Rules(**PLAIN), lambda: None)
    machine.force("open", 0.0)
    first, second = machine.acquire(TIMEOUT), machine.acquire(TIMEOUT)
    machine.record(first[0], first[1], "success", False, TIMEOUT)
    assert machine.acquire(TIMEOUT)[0] == 0
    machine.record(second[0], second[1], "success", False, TIMEOUT)
    assert machine.state == "closed"


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=150, stateful_step_count=40)


CALLS = st.lists(st.tuples(st.booleans(), st.booleans()))
SHARES = st.sampled_from([0.07, 0.3, 0.5, 0.55, 1.0])


@given(CALLS, st.integers(1, 12), st.integers(1, 12), SHARES, SHARES)
def test_it_opens_as_soon_as_a_rate_reaches_its_share(
    calls: list[tuple[bool, bool]], size: int, least: int, failed_share: float, slow_share: float
) -> None:
    rules = Rules(**PLAIN | {
        "failure_threshold": None, "failure_rate": failed_share, "slow_call_rate": slow_share, "slow_call_seconds": 1.0,
        "window_calls": size, "minimum_calls": min(least, size),
    })  # fmt: skip
    machine = Machine(rules, lambda: None)
    for number, (failed, slow) in enumerate(calls, 1):
        change = machine.record(machine.epoch, 0, "failure" if failed else "success", slow, 0.0)
        last = calls[max(0, number - size) : number]
        enough = len(last) >= min(least, size)
        failed_enough = enough and Fraction(sum(one[0] for one in last), len(last)) >= exact(failed_share)
        slow_enough = enough and Fraction(sum(one[1] for one in last), len(last)) >= exact(slow_share)
        assert (machine.state == "open") == (failed_enough or slow_enough)
        if change is not None:
            assert change.reason == ("failure_rate" if failed_enough else "slow_call_rate")
            return


def exact(share: float) -> Fraction:
    """The number as it is written: 0.55 is 55 in 100."""
    return Fraction(str(share))


def test_55_of_100_are_a_rate_of_0_55() -> None:
    window = CountWindow(100)
    for number in range(100):
        window.add(number >= 45, False, 0.0)
    assert Rules(**PLAIN | {"failure_threshold": None, "failure_rate": 0.55}).tripped(0, window) == "failure_rate"


@given(CALLS, st.integers(1, 12))
def test_a_window_over_counts_knows_the_last_ones(calls: list[tuple[bool, bool]], size: int) -> None:
    window = CountWindow(size)
    for failed, slow in calls:
        window.add(failed, slow, 0.0)
    last = calls[-size:]
    assert (window.calls, window.failures, window.slow) == (
        len(last), sum(failed for failed, _ in last), sum(slow for _, slow in last),
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 5)), max_size=60), st.sampled_from([1.0, 10.0, 60.0])
)
def test_a_window_over_time_forgets_by_tenths(calls: list[tuple[bool, bool, float]], seconds: float) -> None:
    window, now, seen = TimeWindow(seconds), 0.0, []
    width = seconds / BUCKETS
    for failed, slow, pause in calls:
        now += pause
        seen.append((failed, slow, int(now // width)))
        window.add(failed, slow, now)
        kept = [one for one in seen if one[2] > int(now // width) - BUCKETS]
        assert (window.calls, window.failures, window.slow) == (
            len(kept), sum(one[0] for one in kept), sum(one[1] for one in kept),
        )  # fmt: skip
