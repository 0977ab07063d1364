"""An operation and its alternatives: who answers, what is raised, what is told."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import pickle
import sys

import pytest

from trax_otel import config, semconv
from trax_otel.errors import InvalidConfigError, NetworkError, RecoveryError, is_retryable_error
from trax_otel.recovery import (
    NO_ANSWER,
    FallbackStrategy,
    RecoveryContext,
    RecoveryManager,
    create_fallback_strategy,
)
from trax_otel.testing import Delayed, fake_clock

SHOWN = (semconv.RECOVERY_STRATEGY, semconv.RECOVERY_FALLBACK, semconv.RECOVERY_OUTCOME, semconv.OUTCOME)


def strategy(caller, *outcomes, **options) -> FallbackStrategy:
    """The first outcome is the primary's, the others are those of alternatives a, b, c…"""
    primary, *others = outcomes
    alternatives = [caller.scripted(one, name=name) for one, name in zip(others, "abcdefgh", strict=False)]
    return FallbackStrategy(caller.scripted(primary, name="transcribe"), alternatives, **options)


# --- Who answers ----------------------------------------------------------------------------------------------------------


async def test_the_operation_itself_answers_while_it_works(caller):
    assert await caller.execute(strategy(caller, "own", "other")) == "own"


async def test_alternatives_are_asked_in_order_with_the_same_arguments(caller):
    asked = []

    def note(name, outcome):
        def play(*args, **kwargs):
            asked.append((name, args, kwargs))
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return play

    primary = caller.scripted(note("primary", ConnectionError("down")))
    first, second, third = (caller.scripted(note(n, o)) for n, o in [("a", LookupError("no")), ("b", "ok"), ("c", 0)])
    chain = FallbackStrategy(primary, [first, second, third])
    assert await caller.execute(chain, "a.wav", language="en") == "ok"
    assert asked == [(name, ("a.wav",), {"language": "en"}) for name in ("primary", "a", "b")]


async def test_none_is_an_answer_and_no_answer_is_none(caller):
    assert await caller.execute(strategy(caller, OSError("down"), NO_ANSWER, None, "late")) is None


async def test_the_specification_creates_one_for_a_recovery_manager(caller):
    made = await create_fallback_strategy(
        primary_operation=caller.scripted(OSError("down"), name="whisper_transcribe"),
        fallback_operations=[caller.scripted(LookupError("no")), caller.scripted("cached")],
    )
    manager = RecoveryManager(strategies=[made])
    context = RecoveryContext("whisper_transcribe", OSError("down"), (("a.wav",), {}))
    if caller.asynchronous:
        assert await manager.attempt_recovery(context) == "cached"
    else:
        assert manager.attempt_recovery_sync(context) == "cached"
    assert made.name == "whisper_transcribe_fallback"
    assert made.fallbacks == ("scripted", "scripted-2")


async def test_plain_functions_serve_an_asynchronous_caller():
    chain = FallbackStrategy(lambda: 1 / 0, [lambda: "plain"])
    assert await chain.execute() == "plain"


def test_what_must_be_awaited_fails_for_a_synchronous_caller_and_the_next_one_is_asked():
    async def never_awaited():
        return "x"

    chain = FallbackStrategy(lambda: 1 / 0, [never_awaited, lambda: "plain"])
    assert chain.execute_sync() == "plain"


# --- What is raised -------------------------------------------------------------------------------------------------------


async def test_when_nothing_answers_every_cause_is_in_one_error(caller):
    first, second = ConnectionError("refused"), LookupError("nothing kept")
    with pytest.raises(RecoveryError) as raised:
        await caller.execute(strategy(caller, first, second, NO_ANSWER))
    error = raised.value
    assert error.error_code == "TRAX-007"
    assert error.original_error is first
    assert [type(cause) for cause in error.causes] == [ConnectionError, LookupError]
    assert error.__cause__.exceptions == (first, second)
    assert "a: LookupError: nothing kept; b had no answer" in str(error)
    assert is_retryable_error(error)  # as the operation's own error is


async def test_an_error_that_says_so_is_not_fallen_back_from_once_more(caller):
    chain = strategy(caller, OSError("down"), OSError("a"))
    with pytest.raises(RecoveryError) as raised:
        await caller.execute(chain)
    assert not chain.applies(RecoveryContext("transcribe", raised.value))
    assert strategy(caller, 1, 2).applies(RecoveryContext("transcribe", raised.value))
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError(), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr
)
async def test_what_must_not_be_swallowed_goes_on(caller, error):
    with pytest.raises(type(error)) as raised:
        await caller.execute(strategy(caller, error, "other"))
    assert raised.value is error
    with pytest.raises(type(error)) as raised:
        await caller.execute(strategy(caller, OSError("down"), error, "other"))
    assert raised.value is error


async def test_the_condition_says_which_errors_are_fallen_back_from(caller):
    own = ValueError("bad input")
    with pytest.raises(ValueError, match="bad input") as raised:
        await caller.execute(strategy(caller, own, "other", on=NetworkError))
    assert raised.value is own
    assert raised.value.__context__ is None
    assert await caller.execute(strategy(caller, ConnectionError("down"), "other", on=NetworkError)) == "other"
    assert not strategy(caller, 1, 2, on=LookupError).applies(RecoveryContext("x", ValueError()))


async def test_a_condition_that_raises_lets_the_error_go_on_and_is_named_once(caller, caplog):
    def broken(error):
        raise RuntimeError("in the condition")

    chain = strategy(caller, OSError("own"), "other", on=broken, name=f"broken_{caller.asynchronous}")
    for _ in range(2):
        with pytest.raises(OSError, match="own"):
            await caller.execute(chain)
    assert len([record for record in caplog.records if "in the condition" in record.getMessage()]) == 1


async def test_no_more_than_max_fallbacks_fail(caller):
    chain = strategy(caller, OSError("down"), OSError("a"), OSError("b"), "never", max_fallbacks=2)
    with pytest.raises(RecoveryError, match="max_fallbacks=2 were tried; not tried: c"):
        await caller.execute(chain)


async def test_no_alternative_begins_after_the_deadline(caller):
    with fake_clock():
        chain = strategy(caller, OSError("down"), Delayed(11.0, OSError("slow")), "never", timeout=10.0)
        with pytest.raises(RecoveryError, match="the time limit of 10 s passed; not tried: b"):
            await caller.execute(chain)


async def test_a_coroutine_is_cancelled_when_the_time_is_over():
    async def hang():
        await asyncio.sleep(60)

    with pytest.raises(RecoveryError, match="time limit"):
        await FallbackStrategy(lambda: 1 / 0, [hang], timeout=0.05).execute()


async def test_settings_switch_fallbacks_off(caller):
    with pytest.raises(OSError, match="down"):
        await caller.execute(strategy(caller, OSError("down"), "other", enabled=False))


async def test_cancelling_the_task_ends_the_chain(trax_telemetry):
    began = asyncio.Event()

    async def hang():
        began.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(FallbackStrategy(lambda: 1 / 0, [hang, lambda: "never"], operation="work").execute())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [span.attributes[semconv.OUTCOME] for span in trax_telemetry.spans] == ["cancelled"] * 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((None, [len]), "primary_operation=None"),
        ((len, []), "at least one alternative"),
        ((len, [3]), "fallback=3"),
        ((dict, [len]), "primary_operation"),
    ],
)
def test_bad_arguments_are_named(arguments, told):
    with pytest.raises(InvalidConfigError, match=told):
        FallbackStrategy(*arguments)
    with pytest.raises(InvalidConfigError, match="max_fallbacks"):
        FallbackStrategy(len, [len], max_fallbacks=-1)
    with pytest.raises(InvalidConfigError, match="on: "):
        FallbackStrategy(len, [len], on=KeyboardInterrupt)


async def test_no_reference_cycle_keeps_the_errors(caller):
    chain = strategy(caller, OSError("down"), LookupError("no"))
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(one, RecoveryError) for one in gc.get_objects())
        with contextlib.suppress(RecoveryError):
            await caller.execute(chain)
        assert sys.exc_info() == (None, None, None)
        assert sum(isinstance(one, RecoveryError) for one in gc.get_objects()) == before
    finally:
        gc.enable()


# --- What is told ---------------------------------------------------------------------------------------------------------


async def test_a_trace_tells_which_alternative_answered(caller, trax_telemetry, trax_clock):
    await caller.execute(strategy(caller, ConnectionError("refused"), LookupError("no"), "ok"))
    assert trax_telemetry.tree(SHOWN) == (
        "transcribe trax.outcome=success trax.recovery.fallback=b\n"
        "  - trax.recovery.fallback_used\n"
        "  - trax.recovery.finished\n"
        "  recover trax.outcome=success trax.recovery.outcome=recovered trax.recovery.strategy=transcribe_fallback\n"
        "    - exception ConnectionError: refused\n"
        "    - INFO recovered transcribe by transcribe_fallback after 0.000 s\n"
        "    fallback [error TRAX-017] trax.outcome=failure trax.recovery.fallback=a trax.recovery.outcome=failed\n"
        "      - exception LookupError: no\n"
        "    fallback trax.outcome=success trax.recovery.fallback=b trax.recovery.outcome=recovered"
    )
    event = trax_telemetry.event(semconv.FALLBACK_EVENT)
    assert event.attributes[semconv.RECOVERY_FALLBACK] == "b"
    assert event.attributes[semconv.ERROR_CODE] == "TRAX-001"


async def test_a_trace_tells_that_nothing_answered(caller, trax_telemetry, trax_clock):
    with pytest.raises(RecoveryError):
        await caller.execute(strategy(caller, ConnectionError("refused"), LookupError("no"), operation="work"))
    lines = [line for line in trax_telemetry.tree(SHOWN).splitlines() if " - WARN" not in line]
    assert lines == [
        "work [error TRAX-007] trax.outcome=failure",
        "  - trax.recovery.finished",
        "  recover [error TRAX-007] trax.outcome=failure trax.recovery.outcome=failed trax.recovery.strategy=work_fallback",
        "    - exception ConnectionError: refused",
        "    - exception trax_otel.errors.RecoveryError: recovery of 'work' failed: a: LookupError: no",
        "    fallback [error TRAX-017] trax.outcome=failure trax.recovery.fallback=a trax.recovery.outcome=failed",
        "      - exception LookupError: no",
    ]


async def test_inside_a_recovery_its_spans_nest_under_the_strategys(trax_telemetry, trax_clock):
    chain = FallbackStrategy(len, [lambda text: "ok"], name="chain")
    await RecoveryManager(strategies=[chain]).attempt_recovery(RecoveryContext("len", OSError("x"), (("a",), {})))
    assert trax_telemetry.tree((semconv.RECOVERY_STRATEGY,)).replace("<lambda>", "") == (
        "recover trax.recovery.strategy=chain\n"
        "  - exception OSError: x\n"
        "  - INFO recovered len by chain after 0.000 s\n"
        "  strategy trax.recovery.strategy=chain\n"
        "    - trax.recovery.fallback_used\n"
        "    fallback"
    )


async def test_success_costs_one_span_and_counters_exist_before_their_first_event(caller, trax_telemetry, trax_clock):
    chain = strategy(caller, "ok", "other", operation="fine")
    await caller.execute(chain)
    assert [span.name for span in trax_telemetry.spans] == ["fine"]
    labels = {semconv.OPERATION_NAME: "fine", semconv.RECOVERY_FALLBACK: "a"}
    assert trax_telemetry.metric(semconv.RECOVERY_FALLBACKS.name, labels).value == 0
    failing = strategy(caller, OSError("x"), "other", operation="not_fine")
    await caller.execute(failing)
    assert trax_telemetry.total(semconv.RECOVERY_FALLBACKS.name, {semconv.OPERATION_NAME: "not_fine"}) == 1
    attempts = {semconv.OPERATION_NAME: "not_fine", semconv.RECOVERY_OUTCOME: "recovered"}
    assert trax_telemetry.metric(semconv.RECOVERY_ATTEMPTS.name, attempts).value == 1


async def test_debug_mode_says_each_step(caller, caplog):
    caplog.set_level(logging.DEBUG, "trax_otel.recovery")
    config.set_debug(True)
    try:
        await caller.execute(strategy(caller, OSError("x"), LookupError("no"), "ok"))
    finally:
        config.set_debug(None)
    said = [record.getMessage() for record in caplog.records]
    assert "fallback of transcribe: a failed: LookupError: no" in said
    assert "fallback of transcribe: b recovered" in said


async def test_what_is_not_passed_comes_from_the_settings(caller):
    with config.use_settings(config.load({"recovery": {"max_fallbacks": 1}}, environ={})[0]):
        with pytest.raises(RecoveryError, match="max_fallbacks=1 were tried; not tried: b"):
            await caller.execute(strategy(caller, OSError("down"), OSError("a"), "never"))
        assert await caller.execute(strategy(caller, OSError("down"), OSError("a"), "b", max_fallbacks=2)) == "b"
