"""What traces, metrics and the log tell of a recovery."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from trax_otel import config, semconv
from trax_otel.errors import RecoveryError
from trax_otel.metrics import timing_context
from trax_otel.recovery import PREPARED, RecoveryContext, RecoveryManager
from trax_otel.signals import is_told
from trax_otel.testing import fake_clock

SHOWN = (semconv.RECOVERY_STRATEGY, semconv.RECOVERY_OUTCOME, semconv.OUTCOME)


@pytest.fixture(autouse=True)
def clock():
    with fake_clock() as clock:
        yield clock


def manager(world, *strategies, **options) -> RecoveryManager:
    made = RecoveryManager(**options)
    for function in strategies:
        made.strategy(name=function.__name__)(world.function(function))
    return made


def cache(context):
    raise LookupError("empty")


def backup(context):
    return "from the backup"


def clean(context):
    return PREPARED


def attempts(telemetry) -> dict[tuple[str, str], float]:
    return {
        (point.attributes[semconv.RECOVERY_STRATEGY], point.attributes[semconv.RECOVERY_OUTCOME]): point.value
        for point in telemetry.metrics[semconv.RECOVERY_ATTEMPTS.name]
    }


# --- Traces ---------------------------------------------------------------------------------------------------------------

ANSWERED = """\
transcribe trax.outcome=success
  - trax.recovery.finished
  recover trax.outcome=success trax.recovery.outcome=recovered trax.recovery.strategy=backup
    - exception ConnectionError: no route
    - INFO recovered transcribe by backup after 0.000 s
    strategy trax.outcome=success trax.recovery.outcome=prepared trax.recovery.strategy=clean
    strategy [error TRAX-017] trax.outcome=failure trax.recovery.outcome=failed trax.recovery.strategy=cache
      - exception LookupError: empty
    strategy trax.outcome=success trax.recovery.outcome=recovered trax.recovery.strategy=backup"""

FAILED = """\
transcribe trax.outcome=success
  - trax.recovery.finished
  recover [error TRAX-007] trax.outcome=failure trax.recovery.outcome=failed
    - exception ConnectionError: no route
    - exception trax_otel.errors.RecoveryError: recovery of 'transcribe' failed: cache: LookupError: empty
    - WARN recovery of 'transcribe' failed: cache: LookupError: empty (after 0.000 s)
    strategy [error TRAX-017] trax.outcome=failure trax.recovery.outcome=failed trax.recovery.strategy=cache
      - exception LookupError: empty"""

TIMED_OUT = """\
recover [error TRAX-007] trax.outcome=failure trax.recovery.outcome=timeout
  strategy [error TRAX-017] trax.outcome=failure trax.recovery.outcome=timeout trax.recovery.strategy=slow"""

CANCELLED = """\
recover trax.outcome=cancelled trax.recovery.outcome=cancelled
  strategy trax.outcome=cancelled trax.recovery.outcome=cancelled trax.recovery.strategy=endless"""


def spans_only(tree: str) -> str:
    return "\n".join(line for line in tree.splitlines() if not line.lstrip().startswith("- "))


async def test_the_second_strategy_answers(world, context, trax_telemetry, caplog):
    caplog.set_level(logging.INFO, "trax_otel.recovery")
    with timing_context("transcribe"):
        await world.attempt(manager(world, clean, cache, backup), context)
    assert trax_telemetry.tree(SHOWN) == ANSWERED
    finished = trax_telemetry.event(semconv.RECOVERY_EVENT)
    assert finished.attributes == {semconv.RECOVERY_OUTCOME: "recovered", semconv.RECOVERY_STRATEGY: "backup"}
    assert trax_telemetry.span("recover").attributes[semconv.OPERATION_NAME] == "transcribe"


async def test_all_fail(world, context, trax_telemetry):
    with timing_context("transcribe"), pytest.raises(RecoveryError):
        await world.attempt(manager(world, cache), context)
    assert trax_telemetry.tree(SHOWN) == FAILED
    assert trax_telemetry.event(semconv.RECOVERY_EVENT).attributes == {semconv.RECOVERY_OUTCOME: "failed"}


async def test_the_time_is_over(world, context, trax_telemetry, clock):
    def slow(context):
        clock.advance(31.0)
        raise LookupError("late")

    with pytest.raises(RecoveryError):
        await world.attempt(manager(world, slow, backup), context)
    assert spans_only(trax_telemetry.tree(SHOWN)) == TIMED_OUT


async def test_cancelled(context, trax_telemetry):
    async def endless(context):
        await asyncio.sleep(60)

    recovering = RecoveryManager()
    recovering.strategy()(endless)
    task = asyncio.get_running_loop().create_task(recovering.attempt_recovery(context))
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert spans_only(trax_telemetry.tree(SHOWN)) == CANCELLED
    assert trax_telemetry.span("recover").status == "unset"
    assert attempts(trax_telemetry)["endless", "cancelled"] == 1


def test_interrupted(context, trax_telemetry):
    def endless(context):
        raise KeyboardInterrupt

    recovering = RecoveryManager()
    recovering.strategy()(endless)
    with pytest.raises(KeyboardInterrupt):
        recovering.attempt_recovery_sync(context)
    assert spans_only(trax_telemetry.tree(SHOWN)) == CANCELLED


async def test_what_a_strategy_does_nests_under_it(world, context, trax_telemetry):
    def backup(context):
        with timing_context("copy"):
            return 1

    await world.attempt(manager(world, backup), context)
    assert [child.name for child in trax_telemetry.children(trax_telemetry.span("strategy"))] == ["copy"]


async def test_an_error_that_was_recorded_before_is_not_recorded_again(world, trax_telemetry):
    caught = None
    with timing_context("request"):
        with pytest.raises(ConnectionError) as raised, timing_context("transcribe"):
            raise ConnectionError("no route")
        caught = raised.value
        assert is_told(caught)
        await world.attempt(manager(world, backup), RecoveryContext("transcribe", caught))
    recover = trax_telemetry.span("recover")
    assert [event.name for event in recover.events if event.name == semconv.EXCEPTION_EVENT] == []
    assert recover.attributes[semconv.ERROR_CODE] == "TRAX-001"


# --- Figures --------------------------------------------------------------------------------------------------------------


async def test_every_strategy_tried_is_counted(world, context, trax_telemetry):
    await world.attempt(manager(world, cache, backup), context)
    counted = attempts(trax_telemetry)
    assert {key for key, value in counted.items() if value} == {("cache", "failed"), ("backup", "recovered")}
    assert counted["backup", "failed"] == 0  # there before the first failure, else an alert sees no increase


async def test_the_duration_bears_the_strategy_that_answered(world, context, trax_telemetry, clock):
    def slow(context):
        clock.advance(2.0)
        return 1

    await world.attempt(manager(world, slow), context)
    point = trax_telemetry.metric(semconv.RECOVERY_DURATION.name)
    assert (point.count, point.sum) == (1, 2.0)
    assert point.attributes == {
        semconv.OPERATION_NAME: "transcribe",
        semconv.RECOVERY_STRATEGY: "slow",
        semconv.RECOVERY_OUTCOME: "recovered",
    }


def test_operations_named_beforehand_are_counted_from_zero(world, trax_telemetry):
    made = RecoveryManager(operations=["transcribe"])
    made.strategy()(backup)
    points = trax_telemetry.metrics[semconv.RECOVERY_ATTEMPTS.name]
    assert {point.attributes[semconv.OPERATION_NAME] for point in points} == {"transcribe"}
    assert {point.value for point in points} == {0}


async def test_switched_off_nothing_is_told(world, context, trax_telemetry):
    with pytest.raises(ConnectionError):
        await world.attempt(manager(world, backup, enabled=False), context)
    assert trax_telemetry.spans == []
    assert semconv.RECOVERY_DURATION.name not in trax_telemetry.metrics


# --- The log --------------------------------------------------------------------------------------------------------------


async def test_debug_mode_tells_of_every_strategy(world, context, caplog):
    caplog.set_level(logging.DEBUG, "trax_otel.recovery")
    recovering = manager(world, clean, cache, backup)
    recovering.strategy(on=KeyError, priority=1, name="other")(backup)
    config.set_debug(True)
    try:
        await world.attempt(recovering, context)
    finally:
        config.set_debug(None)
    assert [record.getMessage() for record in caplog.records] == [
        "recovery of transcribe: strategy other skipped: it does not apply",
        "recovery of transcribe: strategy clean prepared",
        "recovery of transcribe: strategy cache failed: LookupError: empty",
        "recovery of transcribe: strategy backup recovered",
        "recovered transcribe by backup after 0.000 s",
    ]


async def test_without_debug_mode_one_line_is_enough(world, context, caplog):
    caplog.set_level(logging.DEBUG, "trax_otel.recovery")
    await world.attempt(manager(world, cache, backup), context)
    with pytest.raises(RecoveryError):
        await world.attempt(manager(world, cache), context)
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]


# --- Errors as they are raised --------------------------------------------------------------------------------------------


async def test_no_error_has_another_strategys_as_context(world):
    try:
        raise ConnectionError("no route")
    except ConnectionError as error:
        with pytest.raises(RecoveryError) as raised:
            await world.attempt(manager(world, cache, failing_again), RecoveryContext("transcribe", error))
    original, first, second = raised.value.causes
    assert original.__context__ is None
    assert first.__context__ is None
    assert second.__context__ is None
    assert raised.value.__suppress_context__


def failing_again(context):
    raise ValueError("no backup")


async def test_no_reference_cycle_is_left(world):
    """What a recovery held is freed when it ends, without the collector."""

    class Kept:
        pass

    async def one() -> None:
        kept = Kept()
        try:
            await world.attempt(
                manager(world, lambda context: fail_with(kept)),
                RecoveryContext("transcribe", ConnectionError("no route")),
            )
        except RecoveryError:
            return

    await one()
    gc.collect()
    gc.disable()
    try:
        await one()
        assert not [found for found in gc.get_objects() if isinstance(found, Kept)]
    finally:
        gc.enable()


def fail_with(kept):
    raise LookupError("no")
