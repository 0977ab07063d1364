"""One round of health checks: who is asked, what the answers mean, and what follows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ... import clock
from ...errors import ServiceUnavailableError
from ...metrics.health import CheckResult, report_health_check
from ...signals.stacktrace import describe, exc_info
from ..base import RecoveryContext
from .bounded import BoundedCall
from .health import THREAD_NAME, HealthStatus, Recover

if TYPE_CHECKING:
    import asyncio

    from .streaks import Change, Streak

_logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a check said; `error` is what it raised."""

    passed: bool
    detail: str | None = None
    error: Exception | None = None


class Watched:
    """One check, its streak and what runs for it now."""

    def __init__(
        self, name: str, check: Callable[[], Any], timeout: float, recover: Recover | None, streak: Streak
    ) -> None:
        self.name = name
        self.check = check
        self.timeout = timeout
        self.recover = recover
        self.streak = streak
        self.detail: str | None = None
        self.checking: BoundedCall | None = None
        self.recovering: BoundedCall | None = None

    def status(self) -> HealthStatus:
        """As it stands."""
        streak = self.streak
        return HealthStatus(
            name=self.name, healthy=streak.healthy, failed=streak.failed, passed=streak.passed, detail=self.detail
        )

    def take(self, answer: Answer, loop: asyncio.AbstractEventLoop | None) -> Change | None:
        """Take an answer in, and begin a recovery where that is due; the change it brings."""
        self.detail = answer.detail
        change = self.streak.take(answer.passed)
        report_health_check(self.name, CheckResult(self.streak.healthy, self.detail))
        if change is not None and change != "healthy" and self.recover is not None:
            self._begin_recovery(self.recover, answer.error, loop)
        return change

    def _begin_recovery(
        self, recover: Recover, error: Exception | None, loop: asyncio.AbstractEventLoop | None
    ) -> None:
        if self.recovering is not None and self.recovering.running:
            return
        said = self.detail or "it said so"
        reason = ServiceUnavailableError(f"health check {self.name!r} failed: {said}") if error is None else error
        metadata = {"check": self.name, "failed": self.streak.failed, "detail": self.detail}
        function = _contained(recover, RecoveryContext(self.name, reason, metadata=metadata))
        self.recovering = BoundedCall(f"{THREAD_NAME}-{self.name}-recovery", function, loop)


def one_round(
    checks: Sequence[Watched],
    loop: asyncio.AbstractEventLoop | None,
    on_change: Callable[[HealthStatus], object] | None,
) -> None:
    """Ask all at once, wait for each within its limit, take the answers in."""
    late = [watched for watched in checks if watched.checking is not None and watched.checking.running]
    asked = [watched for watched in checks if watched not in late]
    began = clock.current().monotonic()
    for watched in asked:
        watched.checking = BoundedCall(f"{THREAD_NAME}-{watched.name}", watched.check, loop)
    for watched in late:
        told = f"the check before still runs after its {watched.timeout:g} s"
        _tell(watched, watched.take(Answer(False, told), loop), on_change)
    for watched in asked:
        left = watched.timeout - (clock.current().monotonic() - began)
        _tell(watched, watched.take(_answer(watched.checking, left), loop), on_change)


def _tell(watched: Watched, change: Change | None, on_change: Callable[[HealthStatus], object] | None) -> None:
    if change is None:
        return
    status = watched.status()
    if change == "healthy":
        _logger.info("health check %s passes again", status.name)
    else:
        _logger.warning("health check %s failed %d times in a row: %s", status.name, status.failed, status.detail)
    if on_change is None or change == "still_unhealthy":
        return
    try:
        on_change(status)
    except Exception as failure:
        _logger.error(
            "on_change of the health checks raised, which changes nothing: %s", failure, exc_info=exc_info(failure)
        )


def _answer(call: BoundedCall | None, seconds: float) -> Answer:
    assert call is not None
    try:
        value = call.result(seconds)
    except Exception as error:
        return Answer(False, describe(error), error)
    except BaseException as error:  # a check that asks to exit, or was cancelled, has failed too
        return Answer(False, describe(error))
    if isinstance(value, tuple) and len(value) == 2:
        passed, detail = value
        return Answer(bool(passed), None if detail is None else str(detail))
    return Answer(value is None or bool(value))


def _contained(recover: Recover, context: RecoveryContext) -> Callable[[], Any]:
    """The recovery as a call whose failure is logged."""

    def told(failure: Exception) -> None:
        _logger.error("recovery after health check %s failed: %s", context.operation, describe(failure))

    async def awaited(value: Any) -> None:
        try:
            await value
        except Exception as failure:
            told(failure)

    def call() -> Any:
        try:
            value = recover(context)
        except Exception as failure:
            told(failure)
            return None
        return awaited(value) if hasattr(value, "__await__") else None

    return call
