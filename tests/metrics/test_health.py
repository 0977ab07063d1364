from __future__ import annotations

import gc
import logging
import threading
import warnings
from collections.abc import Iterator

import psutil
import pytest

from trax_otel import config, lifecycle, semconv
from trax_otel.metrics import (
    ThresholdChange,
    add_health_check,
    add_threshold,
    create_gauge,
    health,
    publish_health_metrics,
    start_health_monitoring,
    stop_health_monitoring,
)
from trax_otel.metrics import monitor as room
from trax_otel.metrics.thresholds import configure_thresholds, thresholds


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    yield
    stop_health_monitoring()
    configure_thresholds(())


@pytest.fixture
def metrics_settings():
    """Puts other settings of the section `metrics` in force."""
    settings = config.settings()

    def use(**changes: object):
        return config.use_settings(settings.replace(metrics=settings.metrics.replace(**changes)))

    return use


def monitors() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "trax-health"]


# --- Starting and stopping -------------------------------------------------------------------------------------------


def test_it_need_not_be_awaited(still):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert start_health_monitoring(interval_seconds=60).running
        assert not stop_health_monitoring().running
        gc.collect()


async def test_it_may_be_awaited(still):
    assert (await start_health_monitoring(interval_seconds=60)).running
    assert not (await stop_health_monitoring()).running


def test_started_twice_it_runs_once(still):
    start_health_monitoring(60)
    (thread,) = monitors()
    start_health_monitoring(60)
    assert monitors() == [thread]
    assert thread.daemon
    stop_health_monitoring()
    stop_health_monitoring()
    assert not monitors()


def test_the_later_interval_holds(still):
    calls: list[float] = []
    remove = add_health_check("interval", lambda: calls.append(still.elapsed))
    start_health_monitoring(60)
    still.wait_for_tick()
    start_health_monitoring(10)
    for _ in range(200):
        if len(calls) == 2:
            break
        threading.Event().wait(0.01)
    still.wait_for_tick()
    still.advance(20)
    remove()
    assert calls == [0, 0, 10, 20]


def test_the_interval_comes_from_the_settings(still, metrics_settings):
    calls: list[float] = []
    remove = add_health_check("settings", lambda: calls.append(still.elapsed))
    with metrics_settings(health_monitor_interval=15):
        start_health_monitoring()
        still.wait_for_tick()
        still.advance(30)
    remove()
    assert calls == [0, 15, 30]


def test_disabled_it_does_not_start(metrics_settings):
    with metrics_settings(enabled=False):
        assert not start_health_monitoring(1).running
    assert not monitors()


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf"), "60", True])
def test_an_interval_must_be_a_positive_number(interval):
    with pytest.raises(ValueError, match="interval_seconds must be a positive number"):
        start_health_monitoring(interval)


def test_it_goes_on_in_a_forked_child(still, forked):
    start_health_monitoring(60)
    still.wait_for_tick()
    assert forked(lambda: (room.start_health_monitoring(60).running, len(monitors()))) == "(True, 1)"


def test_a_child_of_a_stopped_monitor_has_none(forked):
    assert forked(lambda: len(monitors())) == "0"


def test_the_end_of_the_process_stops_it(still):
    start_health_monitoring(60)
    (participant,) = [entry for entry in lifecycle.participants.participants() if entry.name == "health monitor"]
    participant.shutdown(lifecycle.Deadline(1))
    assert not monitors()


def test_a_look_that_fails_is_named_once_and_the_others_go_on(still, monkeypatch, caplog):
    def broken() -> None:
        raise OSError("sampling")

    calls: list[float] = []
    remove = add_health_check("after", lambda: calls.append(still.elapsed))
    monkeypatch.setattr(room, "_sample", broken)
    with caplog.at_level(logging.WARNING):
        start_health_monitoring(10)
        still.wait_for_tick()
        still.advance(20)
    remove()
    assert len(calls) == 3
    assert caplog.text.count("health monitoring: broken raised sampling") == 1


# --- What it does ----------------------------------------------------------------------------------------------------


def test_it_evaluates_thresholds_at_every_tick(still):
    changes: list[ThresholdChange] = []
    depth = create_gauge("test.monitored")
    depth.set(1)
    remove = add_threshold("test.monitored", above=10, callback=changes.append)
    start_health_monitoring(60)
    still.wait_for_tick()
    depth.set(20)
    still.advance(59)
    assert not changes
    still.advance(121)
    remove()
    assert [change.state for change in changes] == ["crossed"]


def test_thresholds_of_the_settings_are_in_force(still, metrics_settings):
    wanted = ({"metric": semconv.SYSTEM_MEMORY_UTILIZATION.name, "above": 0.0001},)
    with metrics_settings(thresholds=wanted):
        start_health_monitoring(60)
        still.wait_for_tick()
    (threshold,) = thresholds()
    assert len(threshold.crossed) == 2
    assert health()["status"] == "degraded"
    assert health()["thresholds_crossed"][0]["metric"] == semconv.SYSTEM_MEMORY_UTILIZATION.name


# --- Metrics ---------------------------------------------------------------------------------------------------------


def test_health_is_published_under_standard_names(captured):
    end = publish_health_metrics()
    try:
        assert captured.point("process.memory.usage").value > 1_000_000
        assert captured.point("process.thread.count").value >= 1
        assert captured.point("process.unix.file_descriptor.count").value >= 3
        assert captured.point("process.cpu.time", "user").value > 0
        assert captured.point("system.memory.usage", "used").value > 0
        assert 0 <= captured.point("system.cpu.utilization").value <= 1
        assert 0 <= captured.point("system.filesystem.utilization").value <= 1
    finally:
        end()
    assert not captured.points("process.memory.usage")


def test_published_twice_it_is_there_once_until_the_last_ends(captured):
    first, second = publish_health_metrics(), publish_health_metrics()
    assert len(captured.points("process.uptime")) == 1
    first()
    first()
    assert captured.points("process.uptime")
    second()
    assert not captured.points("process.uptime")


def test_the_monitor_publishes_while_it_runs(still, captured):
    start_health_monitoring(60)
    assert captured.points("process.uptime")
    stop_health_monitoring()
    assert not captured.points("process.uptime")


# --- Users' checks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "healthy", "detail"),
    [(None, True, None), (True, True, None), (False, False, None), ((True, "3 ms"), True, "3 ms"),
     ((False, "slow"), False, "slow"), (0, False, None), ("", False, None)],
)  # fmt: skip
def test_a_check_passes_unless_it_says_no(answer, healthy, detail):
    remove = add_health_check("db", lambda: answer)
    found = health()
    remove()
    assert found["checks"] == {"db": {"healthy": healthy, "detail": detail}}
    assert found["status"] == ("healthy" if healthy else "unhealthy")
    assert health()["checks"] == {}


def test_a_check_that_raises_fails_with_its_reason():
    def check() -> None:
        raise ConnectionError("refused")

    remove = add_health_check("db", check)
    found = health()
    remove()
    assert found["checks"]["db"] == {"healthy": False, "detail": "ConnectionError: refused"}


def test_results_are_a_gauge(still, captured):
    answers = iter([True, False])
    remove = add_health_check("cache", lambda: next(answers))
    start_health_monitoring(60)
    still.wait_for_tick()
    assert captured.point(semconv.HEALTH_CHECKS.name, "cache").value == 1
    still.advance(60)
    assert captured.point(semconv.HEALTH_CHECKS.name, "cache").value == 0
    remove()
    assert not captured.points(semconv.HEALTH_CHECKS.name)


def test_a_check_of_the_same_name_replaces_the_first():
    add_health_check("twice", lambda: False)
    remove = add_health_check("twice", lambda: True)
    assert health()["checks"]["twice"]["healthy"]
    remove()


async def later() -> None: ...


@pytest.mark.parametrize("check", [3, None, later])
def test_what_is_no_plain_function_is_refused(check):
    with pytest.raises(TypeError, match="plain function"):
        add_health_check("x", check)


def test_the_snapshot_has_the_units_it_says():
    found = health()
    assert found["process"]["memory_mb"] == pytest.approx(psutil.Process().memory_info().rss / 1048576, rel=0.3)
    assert found["system"]["memory_total_mb"] == psutil.virtual_memory().total / 1048576
    assert 0 <= found["system"]["disk_percent"] <= 100
    assert found["process"]["threads"] >= 1
