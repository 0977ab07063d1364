"""Checks in the background, and the recovery of what stays broken."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from trax_otel import semconv
from trax_otel.errors import InvalidConfigError, ServiceUnavailableError
from trax_otel.metrics import health, publish_health_metrics
from trax_otel.recovery import CallableStrategy, HealthCheckRecovery, HealthStatus, RecoveryManager
from trax_otel.recovery.strategies.health import THREAD_NAME


class Service:
    """Something that is up or down, checked by a plain function or a coroutine function."""

    def __init__(self, asynchronous: bool) -> None:
        self.up = True
        self.checked = 0
        self.recovered = threading.Event()
        self.contexts = []
        if asynchronous:
            self.check, self.recover = self._check_async, self._recover_async
        else:
            self.check, self.recover = self._check, self._recover

    def _check(self) -> bool:
        self.checked += 1
        return self.up

    async def _check_async(self) -> bool:
        return self._check()

    def _recover(self, context) -> None:
        self.contexts.append(context)
        self.up = True
        self.recovered.set()

    async def _recover_async(self, context) -> None:
        self._recover(context)


@pytest.fixture(params=["plain", "coroutine"])
def service(request: pytest.FixtureRequest) -> Service:
    return Service(request.param == "coroutine")


def stood(name: str, healthy: bool, failed: int, passed: int, detail: str | None) -> HealthStatus:
    return HealthStatus(name=name, healthy=healthy, failed=failed, passed=passed, detail=detail)


# --- Rounds ---------------------------------------------------------------------------------------------------------------


def test_it_checks_at_once_and_then_every_interval(still, made, service):
    checks = made(interval=10)
    checks.add_check("database", service.check)
    checks.start()
    still.wait_for_tick()
    assert service.checked == 1
    still.advance(30)
    assert service.checked == 4
    checks.stop()
    assert not checks.running


def test_what_stays_broken_is_recovered(still, made, service):
    checks = made(service.recover, interval=10)
    checks.add_check("database", service.check, failures=3, successes=2)
    service.up = False
    checks.start()
    still.wait_for_tick()
    still.advance(10)
    assert checks.healthy
    assert not service.recovered.is_set()
    still.advance(10)
    assert service.recovered.wait(5)
    (context,) = service.contexts
    assert context.operation == "database"
    assert isinstance(context.error, ServiceUnavailableError)
    assert context.metadata == {"check": "database", "failed": 3, "detail": None}
    assert not checks.healthy
    still.advance(10)
    assert not checks.healthy
    still.advance(10)
    assert checks.healthy


def test_it_is_tried_again_as_long_as_it_does_not_help(still, made):
    tried: list[int] = []
    checks = made(lambda context: tried.append(context.metadata["failed"]), interval=1)
    checks.add_check("database", lambda: False, failures=2)
    checks.start()
    still.wait_for_tick()
    for _ in range(5):
        still.advance(1)
        settle()
    assert tried == [2, 4, 6]


def settle() -> None:
    """Let recoveries end."""
    end = time.monotonic() + 5
    while any(thread.name.endswith("-recovery") and thread.name != THREAD_NAME for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_manager_recovers_with_all_its_telemetry(still, made, trax_telemetry):
    async def reconnect(context):
        return "connected"

    checks = made(RecoveryManager(strategies=[CallableStrategy(reconnect)]), interval=10)
    checks.add_check("database", lambda: 1 / 0, failures=1)
    checks.check_now()
    settle()
    assert trax_telemetry.span("recover").attributes[semconv.OPERATION_NAME] == "database"
    assert trax_telemetry.span("strategy").attributes[semconv.RECOVERY_STRATEGY] == "reconnect"


def test_a_check_may_have_a_recovery_of_its_own(made):
    tried: list[str] = []
    checks = made(lambda context: tried.append("all"))
    checks.add_check("one", lambda: False, failures=1, recover=lambda context: tried.append("own"))
    checks.check_now()
    settle()
    assert tried == ["own"]


def test_a_recovery_that_fails_is_logged(made, service, caplog):
    def broken(context):
        raise OSError("no")

    checks = made(broken)
    checks.add_check("one", lambda: False, failures=1)
    checks.check_now()
    settle()
    assert "recovery after health check one failed: OSError: no" in caplog.text


def test_what_a_check_says_is_its_status(made):
    checks = made()
    checks.add_check("tuple", lambda: (False, "3 of 5 replicas"), failures=1)
    checks.add_check("nothing", lambda: None)
    checks.add_check("raises", lambda: 1 / 0)
    checks.add_check("exits", lambda: exec("raise SystemExit(3)"), failures=1)
    checks.check_now()
    status = checks.status()
    assert status["tuple"] == stood("tuple", False, 1, 0, "3 of 5 replicas")
    assert status["nothing"] == stood("nothing", True, 0, 1, None)
    assert status["raises"] == stood("raises", True, 1, 0, "ZeroDivisionError: division by zero")
    assert status["exits"] == stood("exits", False, 1, 0, "SystemExit: 3")
    assert not checks.healthy


def test_changes_are_told_once(made, caplog):
    caplog.set_level(logging.INFO, "trax_otel.recovery")
    changes: list[bool] = []
    up = False
    checks = made(on_change=lambda status: changes.append(status.healthy) or 1 / 0)
    checks.add_check("one", lambda: up, failures=1, successes=1)
    for up in (False, False, True, True):
        checks.check_now()
    assert changes == [False, True]
    said = [record.getMessage() for record in caplog.records if "on_change" not in record.getMessage()]
    assert said == [
        "health check one failed 1 times in a row: None",
        "health check one failed 2 times in a row: None",
        "health check one passes again",
    ]


def test_a_check_taken_out_is_not_made(made, service):
    checks = made()
    remove = checks.add_check("one", service.check)
    remove()
    checks.check_now()
    assert service.checked == 0
    assert checks.status() == {}


# --- Time limits ----------------------------------------------------------------------------------------------------------


def test_a_check_that_hangs_fails_and_holds_up_no_other(made, service):
    released = threading.Event()
    checks = made()
    checks.add_check("hangs", lambda: released.wait(30), timeout=0.05)
    checks.add_check("other", service.check)
    began = time.monotonic()
    checks.check_now()
    checks.check_now()
    assert time.monotonic() - began < 5
    assert checks.status()["hangs"].failed == 2
    assert checks.status()["hangs"].detail == "the check before still runs after its 0.05 s"
    assert service.checked == 2
    released.set()


def test_a_coroutine_that_hangs_is_cancelled(made):
    cancelled = threading.Event()

    async def hangs() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    checks = made()
    checks.add_check("hangs", hangs, timeout=0.1)
    checks.check_now()
    assert cancelled.wait(5)
    assert "no answer within" in (checks.status()["hangs"].detail or "")


# --- What is told ---------------------------------------------------------------------------------------------------------


def test_the_state_is_a_gauge_and_a_part_of_health(made, trax_telemetry):
    end = publish_health_metrics()
    checks = made()
    checks.add_check("database", lambda: (False, "down"), failures=2)
    checks.check_now()
    assert trax_telemetry.metric(semconv.HEALTH_CHECKS.name, {semconv.HEALTH_CHECK_NAME: "database"}).value == 1
    checks.check_now()
    assert trax_telemetry.metric(semconv.HEALTH_CHECKS.name, {semconv.HEALTH_CHECK_NAME: "database"}).value == 0
    assert health()["checks"]["database"] == {"healthy": False, "detail": "down"}
    end()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"interval": 0}, "interval=0"), ({"recover": 3}, "recover=3"), ({"on_change": 3}, "on_change=3")],
)
def test_a_wrong_argument_is_named(wrong, named):
    with pytest.raises(InvalidConfigError, match=named):
        HealthCheckRecovery(**wrong)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"name": ""}, "name=''"),
        ({"check": 3}, "check=3"),
        ({"failures": 0}, "failures=0"),
        ({"successes": 1.5}, "successes=1.5"),
        ({"timeout": -1}, "timeout=-1"),
        ({"recover": "no"}, "recover='no'"),
    ],
)
def test_a_wrong_check_is_refused(wrong, named):
    with pytest.raises(InvalidConfigError, match=named):
        HealthCheckRecovery().add_check(**{"name": "one", "check": lambda: True, **wrong})
