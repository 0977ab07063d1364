# ruff: noqa: PT012  (what raises is the end of a block that does something)
"""An operation that failed goes on where its saved state ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trax_otel.errors import InvalidConfigError, RecoveryError
from trax_otel.recovery import (
    CallableStrategy,
    MemoryStorage,
    OperationBusyError,
    OperationDeadError,
    OperationNotFoundError,
    RecoveryContext,
    RecoveryManager,
    StateError,
    StateRecoveryManager,
    StateRecoveryStrategy,
    operation_state_context,
)

ID = "transcription_123"


@pytest.fixture
def states() -> Iterator[StateRecoveryManager]:
    manager = StateRecoveryManager(MemoryStorage())
    yield manager
    manager.sync.close()


class Interrupted(BaseException):
    """What a killed process looks like to the block, without the kill."""


def run_until(states: StateRecoveryManager, error: BaseException) -> list[str]:
    """Run the operation until its second step raises; returns the steps that ran."""
    ran: list[str] = []
    with pytest.raises(type(error)), operation_state_context(states, ID, "corr_456", "transcription") as state:
        state.step("load", ran.append, "load")
        raise error
    return ran


@pytest.fixture
def resumed(world, states) -> list[str]:
    """Registers a recovery function; the steps that it really ran."""
    ran: list[str] = []

    async def resume_async(state):
        await state.step("load", ran.append, "load")
        return await state.step("write", lambda: ran.append("write") or "text")

    def resume(state):
        state.step("load", ran.append, "load")
        return state.step("write", lambda: ran.append("write") or "text")

    states.register_recovery("transcription", resume_async if world.asynchronous else resume)
    return ran


def context(**metadata: object) -> RecoveryContext:
    return RecoveryContext("transcribe", ConnectionError("no route"), metadata=metadata)


@pytest.mark.parametrize("error", [LookupError("no"), Interrupted()], ids=["failed", "interrupted"])
async def test_recorded_steps_are_not_run_again(world, states, resumed, error):
    assert run_until(states, error) == ["load"]
    manager = RecoveryManager(strategies=[StateRecoveryStrategy(states)])
    assert await world.attempt(manager, context(operation_id=ID)) == "text"
    assert resumed == ["write"]
    assert states.sync.get_operation(ID).status == "completed"


async def test_what_is_completed_answers_at_once(world, states, resumed):
    with operation_state_context(states, ID, None, "transcription") as state:
        state.set_result("done before")
    manager = RecoveryManager(strategies=[StateRecoveryStrategy(states)])
    assert await world.attempt(manager, context(operation_id=ID)) == "done before"
    assert resumed == []


async def test_without_an_operation_id_it_does_not_apply(world, states):
    manager = RecoveryManager(
        strategies=[StateRecoveryStrategy(states), CallableStrategy(lambda context: "other", name="other")]
    )
    assert await world.attempt(manager, context()) == "other"


async def failure(world, states, **options) -> BaseException:
    manager = RecoveryManager(strategies=[StateRecoveryStrategy(states, **options)])
    with pytest.raises(RecoveryError) as raised:
        await world.attempt(manager, context(operation_id=ID))
    return raised.value.causes[1]


async def test_an_unknown_operation_is_a_failure(world, states):
    assert isinstance(await failure(world, states), OperationNotFoundError)


async def test_a_type_without_recovery_function_is_named(world, states):
    run_until(states, LookupError("no"))
    found = await failure(world, states)
    assert isinstance(found, StateError)
    assert "no recovery function for 'transcription'" in str(found)
    assert states.sync.get_operation(ID).status == "failed"


async def test_what_somebody_runs_now_is_left_alone(world, states, resumed):
    with operation_state_context(states, ID, None, "transcription"):
        assert isinstance(await failure(world, states), OperationBusyError)
    assert resumed == []


async def test_failed_operations_may_be_left_alone(world, states, resumed):
    run_until(states, LookupError("no"))
    assert "resume_failed is False" in str(await failure(world, states, resume_failed=False))
    assert resumed == []


async def test_a_recovery_that_raises_is_a_failed_strategy(world, states):
    run_until(states, LookupError("no"))

    def broken(state):
        raise OSError("disk is gone")

    states.register_recovery("transcription", world.function(broken))
    assert isinstance(await failure(world, states), OSError)


async def test_a_dead_operation_stays_dead(world):
    states = StateRecoveryManager(MemoryStorage(), max_recoveries=1)

    def broken(state):
        raise LookupError("no")

    states.register_recovery("transcription", broken)
    run_until(states, Interrupted())
    with pytest.raises(LookupError):
        states.sync.recover_operation(ID)
    assert states.sync.get_operation(ID).status == "dead"
    assert isinstance(await failure(world, states), OperationDeadError)
    states.sync.close()


def test_a_state_manager_is_needed():
    with pytest.raises(InvalidConfigError, match="state_manager=3"):
        StateRecoveryStrategy(3)  # type: ignore[arg-type]
