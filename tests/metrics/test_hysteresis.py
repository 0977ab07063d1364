from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel.metrics.hysteresis import Hysteresis, Limits

numbers = st.floats(-10, 10)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    low, clear_above, clear_below, high = sorted(draw(st.lists(numbers, min_size=4, max_size=4, unique=True)))
    sides = draw(st.sampled_from(["above", "below", "both"]))
    above = high if sides != "below" else None
    below = low if sides != "above" else None
    return Limits(
        above=above,
        below=below,
        clear_below=draw(st.sampled_from([None, clear_below])) if above is not None else None,
        clear_above=draw(st.sampled_from([None, clear_above])) if below is not None else None,
        for_seconds=draw(st.sampled_from([0.0, 1.0, 3.0])),
    )


steps = st.lists(st.tuples(st.floats(0, 2), numbers), max_size=60)


@given(limits(), steps)
def test_changes_alternate_and_each_has_its_reason(limits, steps):
    state = Hysteresis(limits)
    now, beyond_since = 0.0, None
    crossed = False
    for pause, value in steps:
        now += pause
        change = state.observe(value, now)
        beyond = limits.crossed_by(value) is not None
        beyond_since = (now if beyond_since is None else beyond_since) if beyond else None
        if change == "crossed":
            assert not crossed
            assert beyond
            assert now - beyond_since >= limits.for_seconds
        elif change == "cleared":
            assert crossed
            assert limits.cleared_by(value)
            beyond_since = None
        elif crossed:
            assert not limits.cleared_by(value)
        else:
            assert not beyond or now - beyond_since < limits.for_seconds
        crossed = crossed if change is None else change == "crossed"
        assert state.crossed == crossed


@given(limits(), numbers)
def test_no_value_is_both_beyond_and_clear(limits, value):
    assert not (limits.crossed_by(value) is not None and limits.cleared_by(value))


def test_between_the_limits_the_state_stays():
    state = Hysteresis(Limits(above=90, clear_below=80))
    seen = [state.observe(value, 0) for value in (85, 91, 95, 85, 80, 79, 85, 91)]
    assert seen == [None, "crossed", None, None, None, "cleared", None, "crossed"]


def test_a_short_peak_is_not_a_crossing():
    state = Hysteresis(Limits(above=1, for_seconds=10))
    assert [state.observe(value, now) for now, value in [(0, 2), (9, 2), (9.5, 0), (10, 2), (19, 2), (20, 2)]] == [
        None, None, None, None, None, "crossed",
    ]  # fmt: skip


def test_nan_says_nothing():
    state = Hysteresis(Limits(below=1))
    assert state.observe(math.nan, 0) is None
    assert state.observe(0, 0) == "crossed"
    assert state.observe(math.nan, 0) is None


def test_the_limit_that_was_crossed_is_kept():
    state = Hysteresis(Limits(above=9, below=1))
    state.observe(0, 0)
    assert state.limit == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "needs above=… or below=…"),
        ({"above": "high"}, "above must be a number"),
        ({"above": True}, "above must be a number"),
        ({"above": math.inf}, "above must be finite"),
        ({"above": 1, "below": 2}, "must be less than above"),
        ({"above": 1, "clear_below": 2}, "must not exceed it"),
        ({"below": 1, "clear_below": 0}, "needs above=…"),
        ({"below": 2, "clear_above": 1}, "must not be less than it"),
        ({"above": 1, "for_seconds": -1}, "must not be negative"),
    ],
)
def test_limits_that_make_no_sense_are_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        Limits(**arguments)
