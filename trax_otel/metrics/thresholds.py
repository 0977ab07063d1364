"""Thresholds: say once that a metric crossed its limit, and once that it came back.

A threshold watches any metric of this process by its telemetry name: health metrics, a user's own, operations. It is
evaluated at every tick of the health monitor (`start_health_monitoring`), and by `evaluate_thresholds()`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from .. import clock, lifecycle, semconv
from ..signals import Series, counter, emit_event, snapshot
from .hysteresis import Change, Hysteresis, Limits
from .readings import DEFAULT_STATISTICS, STATISTICS, Figure, Key, Statistic, figures, value_of

_logger = logging.getLogger(__name__)
_crossings = counter(semconv.THRESHOLD_CROSSINGS)

MAX_SERIES: Final = 2_000
"""Series that one threshold keeps the state of; those beyond are not watched."""


class ThresholdChange:
    """What a callback is told: `value` of `metric` crossed `limit`, or came back. Units are the metric's (s, By, 1)."""

    __slots__ = ("attributes", "limit", "metric", "state", "statistic", "time_ns", "value")

    def __init__(
        self, metric: str, state: Change, value: float, limit: float, statistic: Statistic,
        attributes: Mapping[str, Any], time_ns: int,
    ) -> None:  # fmt: skip
        self.metric = metric
        self.state = state
        self.value = value
        self.limit = limit
        self.statistic = statistic
        self.attributes = attributes
        self.time_ns = time_ns

    def __repr__(self) -> str:
        return f"<{self.metric} ({self.statistic}) {self.state} {self.limit:g}: {self.value:g} {dict(self.attributes)}>"


Callback = Callable[[ThresholdChange], object]


class Threshold:
    """One watched metric with the state of each of its series."""

    def __init__(
        self, metric: str, limits: Limits, statistic: Statistic | None, attributes: Mapping[str, Any],
        callback: Callback | None,
    ) -> None:  # fmt: skip
        self.metric = metric
        self.limits = limits
        self.statistic: Statistic | None = statistic
        self.attributes = dict(attributes)
        self.callback = callback
        self.callback_failed = False
        self._states: dict[Key, Hysteresis] = {}
        self._before: dict[Key, tuple[Figure, float]] = {}

    def evaluate(self, series: Iterable[Series], now: float) -> list[ThresholdChange]:
        """Take the metric's figures in; the changes they bring. `now`: monotonic seconds."""
        changes = []
        for key, figure in figures(self.metric, series, self.attributes).items():
            before = self._before.get(key)
            if before is None and len(self._before) >= MAX_SERIES:
                continue
            self._before[key] = (figure, now)
            statistic = self.statistic or DEFAULT_STATISTICS[figure.kind]
            value = value_of(figure, statistic, before, now)
            state = self._states.setdefault(key, Hysteresis(self.limits))
            change = None if value is None else state.observe(value, now)
            if change is not None and value is not None and state.limit is not None:
                changes.append(
                    ThresholdChange(
                        self.metric, change, value, state.limit, statistic, dict(key), clock.current().time_ns()
                    )
                )
        return changes

    @property
    def crossed(self) -> list[dict[str, Any]]:
        """The attributes of the series that are beyond the limit now."""
        return [dict(key) for key, state in self._states.items() if state.crossed]


_thresholds: list[Threshold] = []
_lock = lifecycle.ForkSafeLock()


def add_threshold(
    metric: str,
    *,
    above: float | None = None,
    below: float | None = None,
    clear_below: float | None = None,
    clear_above: float | None = None,
    for_seconds: float = 0.0,
    statistic: Statistic | None = None,
    attributes: Mapping[str, Any] | None = None,
    callback: Callback | None = None,
) -> Callable[[], None]:
    """Watch a metric; returns the function that ends it.

    Each series of the metric is watched by itself (operations: each name); `attributes` narrows to those that have
    them. It is crossed when the value is above `above` or below `below` for `for_seconds`, and cleared when it is
    neither and also past `clear_below` or `clear_above`. Each crossing and each clearing emits one
    `trax.threshold.changed` event, adds 1 to `trax.threshold.crossings` and calls `callback` with a
    `ThresholdChange`, on the monitor's thread; a callback that raises is contained.

    Values are in the metric's own unit (seconds, bytes, shares from 0 to 1). `statistic` says what of it is watched:
    gauges `value`; counters `rate` (a second; or `value`, the total); histograms `p95` (or `mean`, `p50`, `p90`,
    `p99`, `rate`). Rates and percentiles are of the time since the evaluation before; while nothing happens the state
    stays as it is. `trax.operation.failure_rate` watches the share of an operation's runs that fail.

    Raises ValueError for limits that contradict each other and TypeError for a callback that is a coroutine function.
    """
    if not isinstance(metric, str) or not metric:
        raise ValueError(f"a threshold needs the name of a metric, not {metric!r}")
    if statistic is not None and statistic not in STATISTICS:
        raise ValueError(f"statistic={statistic!r} must be one of {', '.join(STATISTICS)}")
    if callback is not None and (not callable(callback) or inspect.iscoroutinefunction(callback)):
        raise TypeError(f"callback must be a plain function, called on the monitor's thread, not {callback!r}")
    limits = Limits(above, below, clear_below, clear_above, for_seconds)
    threshold = Threshold(metric, limits, statistic, attributes or {}, callback)
    _crossings.declare(*(_labels(metric, state) for state in ("crossed", "cleared")))
    with _lock:
        _thresholds.append(threshold)

    def remove() -> None:
        with _lock:
            if threshold in _thresholds:
                _thresholds.remove(threshold)

    return remove


def evaluate_thresholds() -> list[ThresholdChange]:
    """Look at all thresholds now, fire what changed and return it. The health monitor does this at every tick."""
    if not _thresholds:
        return []
    series = snapshot()
    now = clock.current().monotonic()
    with _lock:
        found = [(threshold, threshold.evaluate(series, now)) for threshold in _thresholds]
    for threshold, changes in found:  # without the lock: a callback may add or remove thresholds
        for change in changes:
            _fire(threshold, change)
    return [change for _, changes in found for change in changes]


def thresholds() -> list[Threshold]:
    """All thresholds in force."""
    with _lock:
        return list(_thresholds)


def _labels(metric: str, state: str) -> dict[str, Any]:
    return {semconv.THRESHOLD_METRIC: metric, semconv.THRESHOLD_STATE: state}


def _fire(threshold: Threshold, change: ThresholdChange) -> None:
    _crossings.add(1, _labels(change.metric, change.state))
    emit_event(
        semconv.THRESHOLD_EVENT,
        {
            **change.attributes,
            **_labels(change.metric, change.state),
            semconv.THRESHOLD_VALUE: change.value,
            semconv.THRESHOLD_LIMIT: change.limit,
            semconv.THRESHOLD_STATISTIC: change.statistic,
        },
        severity="WARN" if change.state == "crossed" else "INFO",
        body=f"{change.metric} ({change.statistic}) {change.state} {change.limit:g}: {change.value:g}",
    )
    if threshold.callback is None:
        return
    try:
        threshold.callback(change)
    except Exception:
        if not threshold.callback_failed:  # once: a callback that always fails is no news
            threshold.callback_failed = True
            _logger.warning("the callback of the threshold on %s raised", change.metric, exc_info=True)


# --- From the settings -----------------------------------------------------------------------------------------------

_KEYS: Final = ("metric", "above", "below", "clear_below", "clear_above", "for_seconds", "statistic", "attributes")
_configured: tuple[Mapping[str, Any], ...] = ()
_remove_configured: list[Callable[[], None]] = []


def configure_thresholds(entries: Iterable[Mapping[str, Any]]) -> None:
    """Put the thresholds of the JSON key `metrics.thresholds` in force, in place of those that it gave before.

    An entry has the arguments of `add_threshold` as keys, `metric` among them. A bad entry is named on stderr and
    left out.
    """
    global _configured
    wanted = tuple(entries)
    if wanted == _configured:
        return
    _configured = wanted
    while _remove_configured:
        _remove_configured.pop()()
    for entry in wanted:
        try:
            unknown = [key for key in entry if key not in _KEYS]
            if unknown:
                raise ValueError(f"unknown key {unknown[0]!r}; allowed are {', '.join(_KEYS)}")
            _remove_configured.append(
                add_threshold(entry.get("metric", ""), **{k: entry[k] for k in entry if k != "metric"})
            )
        except Exception as error:
            lifecycle.report(f"metrics.thresholds: {dict(entry)!r}: {error}")
