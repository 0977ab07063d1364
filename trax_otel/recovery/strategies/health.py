"""`HealthCheckRecovery`: look after what an application needs, and recover it when it stays broken."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ... import clock, lifecycle
from ...config import Section
from ...errors import InvalidConfigError
from ...errors.awaiting import is_coroutine_function
from ...signals.stacktrace import exc_info
from ..base import RecoveryContext

if TYPE_CHECKING:
    import asyncio

    from typing_extensions import Self

    from ..manager import RecoveryManager
    from .watching import Watched

Recover = Callable[[RecoveryContext], Any]

JOIN_SECONDS: Final = 0.5
THREAD_NAME: Final = "trax-health-recovery"

_logger = logging.getLogger(__name__)


class HealthStatus(Section):
    """What is known of a check. `failed` and `passed` count results in a row; `detail` is what the last one said."""

    name: str
    healthy: bool
    failed: int
    passed: int
    detail: str | None


class HealthCheckRecovery:
    """Runs checks every `interval` seconds in the background and recovers what fails again and again.

    `recover` is a RecoveryManager, or a function of the RecoveryContext, plain or a coroutine function; a check may have one
    of its own. It is called, outside the round of checks, when a check becomes unhealthy and again after each further
    `failures` failed ones. The context's operation is the check's name, its error what the check raised or a
    ServiceUnavailableError, and `metadata` has `check`, `failed` and `detail`.

    Started inside a running event loop, coroutine functions run on that loop, else on one of their own; plain functions run
    on threads, never on the loop (a manager's plain strategies run where its coroutines do). The results are the gauge
    `trax.health.check.status` and a part of `metrics.health()`. It ends with the process, and goes on in a forked child.
    `with` and `async with` start and stop it.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    def __init__(
        self,
        recover: RecoveryManager | Recover | None = None,
        *,
        interval: float = 30.0,
        on_change: Callable[[HealthStatus], object] | None = None,
    ) -> None:
        self._recover = _recoverer(recover)
        self._interval = _seconds("interval", interval)
        if on_change is not None and not callable(on_change):
            raise InvalidConfigError(f"on_change={on_change!r}: a function of the status is needed")
        if is_coroutine_function(on_change):
            raise InvalidConfigError(f"on_change={on_change!r} is a coroutine function; it is called, not awaited")
        self._on_change = on_change
        self._watched: dict[str, Watched] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- Checks --------------------------------------------------------------------------------------------------------

    def add_check(
        self,
        name: str,
        check: Callable[[], Any],
        *,
        failures: int = 3,
        successes: int = 2,
        timeout: float = 5.0,
        recover: RecoveryManager | Recover | None = None,
    ) -> Callable[[], None]:
        """Check `name` from the next round on; returns the function that ends it. A name taken is replaced.

        `check()` passes unless it returns False, raises, or takes longer than `timeout` seconds; it may return
        `(passed, detail)`. Unhealthy after `failures` in a row that failed, healthy after `successes` that passed.
        """
        from ...metrics.health import add_health_check
        from .streaks import Streak
        from .watching import Watched

        if not isinstance(name, str) or not name:
            raise InvalidConfigError(f"name={name!r}: a text is needed")
        if not callable(check):
            raise InvalidConfigError(f"check={check!r}: a function is needed")
        for argument, value in (("failures", failures), ("successes", successes)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidConfigError(f"{argument}={value!r}: a whole number from 1 on is needed")
        own = self._recover if recover is None else _recoverer(recover)
        watched = Watched(name, check, _seconds("timeout", timeout), own, Streak(failures, successes))
        unregister = add_health_check(name, lambda: (watched.streak.healthy, watched.detail))
        self._watched[name] = watched

        def remove() -> None:
            if self._watched.get(name) is watched:
                del self._watched[name]
            unregister()

        return remove

    def status(self) -> dict[str, HealthStatus]:
        """How every check stands, by name."""
        return {name: watched.status() for name, watched in list(self._watched.items())}

    @property
    def healthy(self) -> bool:
        """Whether every check is healthy."""
        return all(watched.streak.healthy for watched in list(self._watched.values()))

    # --- Running -------------------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Check now and then every interval; nothing happens where it runs already."""
        if self.running:
            return
        self._loop = _running_loop()
        self._launch()
        _running.add(self)

    def stop(self) -> None:
        """End the checking; waits a moment for a round in progress. Recoveries under way go on."""
        _running.discard(self)
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread() and _running_loop() is None:
            thread.join(JOIN_SECONDS)  # never on a loop: a check may be waiting for it

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        import asyncio

        thread = self._thread
        self.stop()
        if thread is not None:  # its last round may need the loop
            await asyncio.get_running_loop().run_in_executor(None, thread.join, JOIN_SECONDS)

    def survive_fork(self) -> None:
        """In a forked child: threads and loops are its parent's, so begin with new ones."""
        self._loop = None
        for watched in self._watched.values():
            watched.checking = watched.recovering = None
        self._launch()

    def _launch(self) -> None:
        self._stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(self._stop,), name=THREAD_NAME, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no thread can be started any more
            lifecycle.report(f"health checks cannot start: {error}")
            return
        self._thread = thread

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.check_now()
            except Exception as error:  # no thread can be started, say: one round that fails is no reason to stop
                _logger.error("a round of health checks failed: %s", error, exc_info=exc_info(error))
            if not clock.current().tick(self._interval, stop):
                return

    def check_now(self) -> None:
        """One round, here and now: all checks side by side, each within its limit. Not for the event loop's thread."""
        from .watching import one_round

        one_round(list(self._watched.values()), self._loop, self._on_change)


def _recoverer(recover: Any) -> Recover | None:
    from ..manager import RecoveryManager

    if isinstance(recover, RecoveryManager):
        return recover.attempt_recovery
    if recover is not None and not callable(recover):
        raise InvalidConfigError(f"recover={recover!r}: a RecoveryManager or a function of the context is needed")
    return recover  # type: ignore[no-any-return]


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise InvalidConfigError(f"{name}={value!r}: a number of seconds above 0 is needed")
    return float(value)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    asyncio = sys.modules.get("asyncio")  # who has not imported it runs no loop
    return None if asyncio is None else asyncio._get_running_loop()


# --- The ends of the process --------------------------------------------------------------------------------------------

_running: set[HealthCheckRecovery] = set()


def _stop_all(_: object) -> None:
    for health in list(_running):
        health.stop()


def _go_on() -> None:
    for health in list(_running):
        health.survive_fork()


lifecycle.register(
    lifecycle.Participant("health recovery", lifecycle.ORDER_PRODUCERS, shutdown=_stop_all, after_fork_in_child=_go_on)
)
