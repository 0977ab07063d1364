"""When a check counts as failed, against a plain model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trax_otel.recovery.strategies.streaks import Streak


def model(results: list[bool], failures: int, successes: int) -> list[str | None]:
    """The changes, told by looking back at the results instead of counting."""
    changes: list[str | None] = []
    healthy = True
    for at in range(1, len(results) + 1):
        run = 0
        while run < at and results[at - 1 - run] == results[at - 1]:
            run += 1
        change = None
        if results[at - 1]:
            if not healthy and run >= successes:
                healthy, change = True, "healthy"
        elif run % failures == 0:
            healthy, change = False, "unhealthy" if healthy else "still_unhealthy"
        changes.append(change)
    return changes


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_it_changes_when_the_model_does(results, failures, successes):
    streak = Streak(failures, successes)
    assert [streak.take(result) for result in results] == model(results, failures, successes)


def test_a_lone_failure_changes_nothing():
    streak = Streak(failures=2, successes=2)
    assert [streak.take(result) for result in (False, True, False, True)] == [None] * 4
    assert streak.healthy


def test_it_is_healthy_again_only_after_enough_successes():
    streak = Streak(failures=1, successes=2)
    assert streak.take(False) == "unhealthy"
    assert [streak.take(result) for result in (True, False, True, True)] == [None, "still_unhealthy", None, "healthy"]
