"""What the newest quarter of the time does differently."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.stored import MS, S, Stored, ns
from trax_otel.local.analysis.changes import (
    Change,
    changes,
    difference_of_ranks,
    difference_of_shares,
    median,
)
from trax_otel.local.model import Filter

WHOLE = 4_000.0
"""The time in milliseconds: the newest quarter begins at 3 s."""


def run(
    name: str, old: int, new: int, *, took: tuple[float, float] = (10, 10), failed: tuple[int, int] = (0, 0)
) -> list[S]:
    """So many spans before and in the newest quarter; durations vary by a tenth, some failed."""
    chance = random.Random(name)
    spans = []
    for side, (count, begin, length) in enumerate(((old, 0.0, WHOLE * 0.74), (new, WHOLE * 0.76, WHOLE * 0.24))):
        for place in range(count):
            number = chance.getrandbits(60)
            spans.append(
                S(number, name, None, begin + length * place / count, took[side] * chance.uniform(0.9, 1.1), number,
                  error="no" if place < failed[side] else None)
            )  # fmt: skip
    return spans


def found(stored: Stored, **wanted: Any) -> dict[str, Change]:
    stored.spans(S(1, "first", None, 0, 1, 1), S(2, "last", None, WHOLE, 1, 2))
    return {f"{one.operation} {one.what}": one for one in changes(stored.queries, Filter(**wanted))}


def test_an_empty_store_has_none(stored: Stored) -> None:
    assert changes(stored.queries, Filter()) == []


def test_what_stays_as_it_was_is_not_told(stored: Stored) -> None:
    assert found(stored.spans(*run("steady", 300, 100, failed=(6, 2)), *run("rare", 5, 5, took=(1, 900)))) == {}


def test_errors_speed_new_and_gone_are_told_with_their_figures(stored: Stored) -> None:
    stored.spans(*run("fails", 300, 100, failed=(3, 20)), *run("slows", 300, 100, took=(10, 20)))
    stored.spans(*run("speeds", 90, 30, took=(40, 10)), *run("heals", 300, 100, failed=(90, 0)))
    stored.spans(*run("appears", 0, 20), *run("goes", 80, 0), *run("few", 79, 0), *run("little", 0, 19))
    told = found(stored)
    assert set(told) == {
        "fails more errors", "slows slower", "speeds faster", "heals fewer errors", "appears new", "goes gone",
    }  # fmt: skip
    fails = told["fails more errors"]
    assert (fails.before, fails.now, fails.before_count, fails.now_count) == (0.01, 0.2, 300, 100)
    assert abs(fails.since_ns - ns(WHOLE * 3 / 4)) < WHOLE / 100 * MS
    slows = told["slows slower"]
    assert slows.before == pytest.approx(10 * MS, rel=0.05)
    assert slows.now == pytest.approx(20 * MS, rel=0.05)
    assert slows.deviations > 10
    assert told["speeds faster"].deviations < -3.5
    assert (told["appears new"].before_count, told["appears new"].now_count, told["appears new"].deviations) == (
        0,
        20,
        0,
    )
    assert list(told)[-2:] == ["goes gone", "appears new"]
    assert list(found(stored, operation="slows")) == ["slows slower"]
    assert len(found(stored, limit=2)) == 2


def test_a_significant_difference_that_is_small_is_not_told(stored: Stored) -> None:
    stored.spans(*run("a little", 600, 200, took=(10, 11.5)))
    assert found(stored) == {}


def test_durations_that_went_back_or_are_equal_do_no_harm(stored: Stored) -> None:
    stored.spans(*run("back", 100, 50, took=(-5, -5)), *run("nothing", 100, 50, took=(0, 0)))
    assert found(stored) == {}


def test_all_at_one_moment_has_nothing_newer(stored: Stored) -> None:
    stored.spans(*(S(number, "once", None, 0, 1, number) for number in range(1, 200)))
    assert changes(stored.queries, Filter()) == []


def test_the_figures_behind_it() -> None:
    """By hand: pooled share 3/20, √(0.15 · 0.85 · 2/10) = 0.15969; ranks: U = 9 of 9, (9 − 4.5) / √(9 · 7 / 12)."""
    assert difference_of_shares(1, 10, 2, 10) == pytest.approx(0.1 / 0.159687, rel=1e-4)
    assert difference_of_shares(0, 10, 0, 10) == difference_of_shares(5, 5, 5, 5) == 0.0
    assert difference_of_ranks([1, 2, 3], [4, 5, 6]) == pytest.approx(4.5 / 2.291288, rel=1e-5)
    assert difference_of_ranks([4, 5, 6], [1, 2, 3]) == -difference_of_ranks([1, 2, 3], [4, 5, 6])
    assert difference_of_ranks([1, 1], [1, 1]) == 0.0
    assert (median([3, 1, 2]), median([4, 1, 2, 3])) == (2, 2.5)


def test_chance_alone_is_hardly_ever_a_change(stored: Stored) -> None:
    """A hundred operations whose two sides are drawn from one distribution."""
    for number in range(100):
        stored.spans(*run(f"op{number}", 60, 20))
    assert len(found(stored)) <= 1
