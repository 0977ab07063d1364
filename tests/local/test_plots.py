"""Metrics as plots: names of lines, limits of axes, what is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trax_otel.local.model import MetricPoint, MetricSeries
from trax_otel.local.web.plots import BOTTOM, HEIGHT, LEFT, MAX_LINES, RIGHT, TOP, WIDTH, figures, names, plots

SECOND = 10**9


def series(
    *values: float, name: str = "m", unit: str = "1", monotonic: bool = False, instance: str = "i" * 32, service: str = "shop",
    **attributes: Any,
) -> MetricSeries:  # fmt: skip
    points = tuple(MetricPoint(at * SECOND, value) for at, value in enumerate(values, 1))
    return MetricSeries(
        name, unit, "sum" if monotonic else "gauge", service, instance, "cumulative", monotonic, attributes, points
    )


def test_lines_are_named_by_what_differs() -> None:
    assert names([series(route="/a", method="GET"), series(route="/b", method="GET")]) == ["route=/a", "route=/b"]
    assert names([series(method="GET")]) == ["method=GET"]
    assert names([series(), series(service="web")]) == ["shop", "web"]
    assert names([series(instance="a" * 32), series(instance="b" * 32)]) == [
        "shop, process aaaaaaaa",
        "shop, process bbbbbbbb",
    ]


def test_every_point_lies_within_the_axes() -> None:
    (plot,) = plots([series(-5.0, 12.0, 3.5), series(1e12, 0.0, 7.0)])
    for line in plot.lines:
        for x, y in line.dots:
            assert LEFT <= x <= WIDTH - RIGHT
            assert TOP <= y <= HEIGHT - BOTTOM
    assert 3 <= len(plot.levels) <= 7


@pytest.mark.parametrize("value", [0.0, 1e-300, 5.0, -3.0, 1e300])
def test_one_point_and_odd_values_are_drawn(value: float) -> None:
    (plot,) = plots([series(value)])
    assert len(plot.lines[0].dots) == 1
    assert plot.lines[0].path == ""
    assert len(plot.levels) < 12


def test_values_too_far_apart_for_any_axis_are_left_to_the_table() -> None:
    assert plots([series(-1.7e308, 1.7e308)]) == []


def test_shares_and_cpu_time_are_percent_bytes_have_binary_steps() -> None:
    (plot,) = plots([series(0.25, 0.5, name="system.cpu.utilization")])
    assert plot.lines[0].latest == "50 %"
    (plot,) = plots([series(1.0, 1.5, name="process.cpu.time", unit="s", monotonic=True)])
    assert plot.lines[0].latest == "50 %"
    (plot,) = plots([series(100 * 2.0**20, unit="By")])
    assert [text for _, text in plot.levels] == ["0 B", "32 MiB", "64 MiB", "96 MiB", "128 MiB"]


def test_counters_are_drawn_by_second() -> None:
    (plot,) = plots([series(10.0, 12.0, unit="{error}", monotonic=True)])
    assert (plot.title, plot.lines[0].latest) == ("per second", "12 errors, 2 errors/s")


def test_of_many_lines_the_highest_are_drawn() -> None:
    (plot,) = plots([series(float(number), float(number), number=number) for number in range(20)])
    assert [line.label for line in plot.lines] == [f"number={number}" for number in range(19, 19 - MAX_LINES, -1)]
    assert plot.hidden == 20 - MAX_LINES


def test_a_long_series_is_thinned() -> None:
    (plot,) = plots([series(*map(float, range(5_000)))])
    assert plot.lines[0].path.count("L") < 250
    assert len(plot.lines[0].dots) == 1, "the latest"


def test_nothing_stored_draws_nothing() -> None:
    assert plots([]) == []
    assert plots([series()]) == []
    assert figures([series()])[0].latest == "–"


def test_percentiles_stay_within_what_was_observed() -> None:
    point = MetricPoint(SECOND, None, 4, 4.4, (1.0, 2.5), (0, 4, 0), minimum=1.05, maximum=1.2)
    spread = MetricSeries("m", "s", "histogram", "shop", "i", "cumulative", False, {}, (point,))
    assert figures([spread])[0].percentiles == ("1.2 s", "1.2 s", "1.2 s")
    (plot,) = plots([spread])
    assert [line.label for line in plot.lines] == ["p50", "p95", "p99"]


@pytest.mark.parametrize("values", [(7.0,), (7.0, 7.0, 7.0)])
def test_a_counter_tells_its_total_where_a_rate_says_nothing(values: tuple[float, ...]) -> None:
    (plot,) = plots([series(*values, unit="{error}", monotonic=True)])
    assert (plot.title, plot.lines[0].latest) == ("in all", "7 errors")
    assert figures([series(*values, unit="{error}", monotonic=True)])[0].latest == "7 errors"


def test_a_total_goes_on_over_a_restart() -> None:
    assert figures([series(5.0, 9.0, 2.0, unit="{error}", monotonic=True)])[0].latest == "11 errors"


def test_series_of_two_scopes_are_told_apart() -> None:
    one, other = series(1.0), replace(series(2.0), scope="b")
    assert names([one, other]) == ["shop, by ", "shop, by b"]
