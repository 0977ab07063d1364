"""The health monitor: a thread that looks at the process, the checks and the thresholds every so many seconds."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final

from .. import clock, config, lifecycle, originals
from .health import run_health_checks
from .health_metrics import publish_health_metrics
from .thresholds import configure_thresholds, evaluate_thresholds

if TYPE_CHECKING:
    from typing_extensions import Self

_logger = logging.getLogger(__name__)
_JOIN_SECONDS: Final = 0.5


class MonitorState:
    """What starting and stopping return. It may be awaited and need not be; `running` says whether the monitor runs."""

    __slots__ = ("running",)

    def __init__(self, running: bool) -> None:
        self.running = running

    def __await__(self) -> Generator[Any, None, Self]:
        yield from ()
        return self

    def __repr__(self) -> str:
        return f"<health monitor: {'running' if self.running else 'not running'}>"


def start_health_monitoring(interval_seconds: float | None = None) -> MonitorState:
    """Look after the process from now on; `await` it or not.

    Every `interval_seconds` (None: TRAX_HEALTH_MONITOR_INTERVAL) a daemon thread runs the health checks and evaluates
    the thresholds; the `process.*` and `system.*` metrics are published meanwhile. Started twice, it runs once, with
    the later interval. It goes on in forked children. With `metrics.enabled` false it does not start. Raises
    ValueError for an interval that is no positive number.
    """
    metrics = config.settings().metrics
    interval = metrics.health_monitor_interval if interval_seconds is None else interval_seconds
    if isinstance(interval, bool) or not isinstance(interval, (int, float)) or not 0 < interval < math.inf:
        raise ValueError(f"interval_seconds must be a positive number, not {interval!r}")
    if metrics.enabled:
        _monitor.start(float(interval))
    return MonitorState(_monitor.running)


def stop_health_monitoring() -> MonitorState:
    """End what `start_health_monitoring` began; `await` it or not. Nothing happens where it does not run."""
    _monitor.stop()
    return MonitorState(_monitor.running)


class Monitor:
    """The thread and what it needs. There is one for the process."""

    def __init__(self) -> None:
        self._lock = originals.allocate_lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._interval = 0.0
        self._unpublish: Callable[[], None] | None = None
        self._complained: set[str] = set()

    @property
    def running(self) -> bool:
        """Whether its thread lives."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self, interval: float) -> None:
        """Start, or go on with another interval (seconds)."""
        with self._lock:
            if self.running and interval == self._interval:
                return
            self._stop.set()
            self._interval = interval
            if self._unpublish is None:
                self._unpublish = publish_health_metrics()
        self._launch()  # outside of the lock: in a program of greenlets a start lets another one run

    def stop(self) -> None:
        """Stop; waits a moment for a look in progress."""
        with self._lock:
            self._stop.set()
            thread, self._thread = self._thread, None
            unpublish, self._unpublish = self._unpublish, None
        if unpublish is not None:
            unpublish()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_SECONDS)

    def _launch(self) -> None:
        self._stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(self._stop, self._interval), name="trax-health", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no thread can be started any more
            lifecycle.report(f"health monitoring cannot start: {error}")
            return
        self._thread = thread

    def _run(self, stop: threading.Event, interval: float) -> None:
        while True:
            for part in (_load_thresholds, _sample, run_health_checks, evaluate_thresholds):
                if stop.is_set():
                    return
                self._look(part)
            if not clock.current().tick(interval, stop):
                return

    def _look(self, part: Callable[[], object]) -> None:
        try:
            part()
        except Exception as error:  # one look that fails is no reason to stop looking
            if part.__name__ not in self._complained:
                self._complained.add(part.__name__)
                _logger.warning("health monitoring: %s raised %s", part.__name__, error, exc_info=True)

    def survive_fork(self) -> None:
        """In a forked child: threads are not inherited, so run a new one where there was one."""
        self._lock = originals.allocate_lock()
        if self._thread is not None:
            self._launch()


def _load_thresholds() -> None:
    configure_thresholds(config.settings().metrics.thresholds)


def _sample() -> None:
    from .resources import sample  # and with it psutil, which is not for those who only import

    sample()


_monitor = Monitor()
lifecycle.register(
    lifecycle.Participant(
        "health monitor",
        lifecycle.ORDER_PRODUCERS,
        shutdown=lambda _: _monitor.stop(),
        after_fork_in_child=_monitor.survive_fork,
    )
)
