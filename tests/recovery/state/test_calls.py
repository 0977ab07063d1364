"""Which call a recorded result belongs to: failures, repetitions, loops, cancelled callers, other arguments."""

# ruff: noqa: PT012  (what raises is the end of a block that does something)
from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial

import pytest
import sqlalchemy as sa

from trax_otel.recovery.state import SQLStorage, StateError, operation_state_context, schema
from trax_otel.recovery.state.fingerprint import fingerprint, told_apart
from trax_otel.retry import retrying


class Interrupted(BaseException):
    """What a killed process looks like to the block, without the kill."""


class Sender:
    """Sends each item, failing for those named as often as said; remembers what was sent."""

    def __init__(self, **failures: int) -> None:
        self.sent: list[str] = []
        self._failures = failures

    def __call__(self, item: str = "") -> str:
        if self._failures.get(item, 0):
            self._failures[item] -= 1
            raise ConnectionError(item)
        self.sent.append(item)
        return f"sent {item}"


async def send_all(state, sender, items, *, repeats=0, by=lambda sender, item: (sender, item)):
    """A loop as people write it: repeat, then go on with the next."""
    got = {}
    for item in items:
        for _ in range(repeats + 1):
            try:
                got[item] = await state.step("send", *by(sender, item))
                break
            except ConnectionError:
                continue
    return got


def in_a_lambda(sender, item):
    return (lambda: sender(item),)


def in_a_default(sender, item):
    return (lambda it=item: sender(it),)


def in_a_partial(sender, item):
    return (partial(sender, item),)


WAYS = {"arguments": lambda sender, item: (sender, item), "lambda": in_a_lambda, "default": in_a_default,
        "partial": in_a_partial}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_a_failed_step_that_is_repeated_keeps_its_number(both, manager, way):
    by = WAYS[way]
    sender = Sender(b=1)
    with pytest.raises(Interrupted):
        async with both.operation(manager, "t1", None, "t") as state:
            await send_all(state, sender, "ab", repeats=2, by=by)
            raise Interrupted
    async with both.operation(manager, "t1", None, "t") as state:
        assert await send_all(state, sender, "abc", by=by) == {"a": "sent a", "b": "sent b", "c": "sent c"}
    assert sender.sent == ["a", "b", "c"]
    assert (await both.call(manager, "get_operation", "t1")).steps == {
        "send": "sent a", "send#2": "sent b", "send#3": "sent c",
    }  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_a_failed_step_that_is_passed_over_is_not_given_the_next_ones_result(both, manager, way):
    by = WAYS[way]
    with pytest.raises(Interrupted):
        async with both.operation(manager, "t1", None, "t") as state:
            assert await send_all(state, Sender(a=1), "abc", by=by) == {"b": "sent b", "c": "sent c"}
            raise Interrupted
    late = Sender()
    async with both.operation(manager, "t1", None, "t") as state:
        assert await send_all(state, late, "abcd", by=by) == {item: f"sent {item}" for item in "abcd"}
    assert late.sent == ["a", "d"]


def test_a_retried_step_is_recorded_once(manager):
    sender = Sender(**{"": 2})
    with pytest.raises(Interrupted), operation_state_context(manager, "t1") as state:
        retrying(max_retries=3, initial_delay=0).call(state.step, "charge", sender)
        raise Interrupted
    with operation_state_context(manager, "t1") as state:
        assert retrying(max_retries=3, initial_delay=0).call(state.step, "charge", sender) == "sent "
    assert sender.sent == [""]


async def test_what_cannot_be_stored_gives_its_number_back(both, manager):
    async with both.operation(manager, "t1", None, "t") as state:
        with pytest.raises(Exception, match="JSON cannot keep"):
            await state.step("load", lambda: object())
        assert await state.step("load", lambda: 1) == 1
    assert (await both.call(manager, "get_operation", "t1")).steps == {"load": 1}


async def test_recorded_calls_are_found_by_their_arguments_in_any_order(both, manager):
    with pytest.raises(Interrupted):
        async with both.operation(manager, "t1", None, "t") as state:
            await send_all(state, Sender(), "abc")
            raise Interrupted
    late = Sender()
    async with both.operation(manager, "t1", None, "t") as state:
        assert await send_all(state, late, "xcbay") == {item: f"sent {item}" for item in "xcbay"}
    assert late.sent == ["x", "y"]


async def test_where_one_call_is_recorded_order_tells_and_another_argument_is_warned_of(both, manager, caplog):
    with pytest.raises(Interrupted):
        async with both.operation(manager, "t1", None, "t") as state:
            await state.step("fetch", Sender(), "token-1")
            raise Interrupted
    async with both.operation(manager, "t1", None, "t") as state:
        assert await state.step("fetch", Sender(), "token-2") == "sent token-1"
    assert "step fetch is recorded, with other arguments than it is called with: it is not run again" in caplog.text


async def test_arguments_are_not_compared_where_that_is_said(both, manager):
    with pytest.raises(Interrupted):
        async with both.operation(manager, "t1", None, "t", arguments={"n": 1}, check_arguments=False) as state:
            await send_all(state, Sender(), "ab")
            raise Interrupted
    late = Sender()
    async with both.operation(manager, "t1", None, "t", arguments={"n": 2}, check_arguments=False) as state:
        assert await send_all(state, late, "xyz") == {"x": "sent a", "y": "sent b", "z": "sent z"}
    assert late.sent == ["z"]


@pytest.mark.parametrize("completed", [True, False])
async def test_an_operation_with_other_arguments_is_refused(both, manager, completed):
    try:
        async with both.operation(manager, "t1", None, "t", arguments={"order": 1, "secret": "s3cr3t"}) as state:
            await state.step("one", Sender())
            if not completed:
                raise Interrupted
    except Interrupted:
        pass
    with pytest.raises(
        StateError, match=r"begun with other arguments \('order', 'secret'\).*check_arguments=False"
    ) as caught:
        async with both.operation(manager, "t1", None, "t", arguments={"order": 2, "secret": "other"}):
            raise AssertionError
    assert "s3cr3t" not in str(caught.value)
    async with both.operation(manager, "t1", None, "t", arguments={"secret": "s3cr3t", "order": 1}) as state:
        assert await state.step("one", Sender()) == "sent "
    async with both.operation(manager, "t1", None, "t") as state:
        assert state.arguments["order"] == 1


async def test_a_claimed_operation_with_other_arguments_is_refused_and_stays_claimed(both, manager):
    with pytest.raises(Interrupted):
        async with both.operation(manager, "t1", None, "t", arguments={"n": 1}):
            raise Interrupted
    assert (await both.call(manager, "recover_operation", "t1")).status == "running"
    with pytest.raises(StateError, match="other arguments"):
        async with both.operation(manager, "t1", None, "t", arguments={"n": 2}):
            raise AssertionError
    async with both.operation(manager, "t1", None, "t", arguments={"n": 1}) as state:
        assert state.recoveries == 1


# --- Side by side --------------------------------------------------------------------------------------------------------


def test_steps_of_one_name_in_threads_get_their_own_results(manager):
    started = threading.Barrier(2)
    sender = Sender()

    def slow(item):
        started.wait(5)
        if item == "a":
            raise Interrupted
        return sender(item)

    with pytest.raises(Interrupted), operation_state_context(manager, "t1") as state, ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(state.step, "send", slow, item) for item in "ba"]:
            future.result()
    assert sender.sent == ["b"]
    with operation_state_context(manager, "t1") as state:
        assert [state.step("send", sender, item) for item in "ab"] == ["sent a", "sent b"]
    assert sender.sent == ["b", "a"]


async def test_a_step_cancelled_while_it_is_stored_is_not_run_again(manager):
    sender = Sender()

    async def send(item):
        task = asyncio.current_task()
        assert task is not None
        task.cancel()  # it arrives at the next wait, which is the store's
        return sender(item)

    async def again(item):
        return sender(item)

    async with operation_state_context(manager, "t1", operation_type="t") as state:
        with pytest.raises(asyncio.CancelledError):
            await state.step("send", send, "a")
        assert await state.step("send", again, "a") == "sent a"
        assert await state.step("send", again, "b") == "sent b"
    assert sender.sent == ["a", "b"]


async def test_a_step_cancelled_while_it_runs_gives_its_number_back(manager):
    async with operation_state_context(manager, "t1", operation_type="t") as state:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(state.step("wait", asyncio.sleep, 30), 0.05)
        assert await state.step("wait", asyncio.sleep, 0) is None
    assert list((await manager.get_operation("t1")).steps) == ["wait#2"], "another argument is another call"


# --- Records of an older version -----------------------------------------------------------------------------------------


def as_written_before(storage: SQLStorage, manager, *numbers: int) -> None:
    """An interrupted operation whose steps have no fingerprints, under these numbers."""
    with pytest.raises(Interrupted), operation_state_context(manager, "t1") as state:
        for item in "abc"[: len(numbers)]:
            state.step("send", Sender(), item)
        raise Interrupted

    def rewrite(transaction):
        connection = transaction._connection
        connection.execute(sa.update(schema.step).values(arguments=None, occurrence=schema.step.c.occurrence + 100))
        for before, number in enumerate(numbers, 101):
            connection.execute(
                sa.update(schema.step).where(schema.step.c.occurrence == before).values(occurrence=number)
            )

    storage.transact(rewrite)


def test_records_of_an_older_version_are_told_apart_by_their_order(database, make_manager):
    manager = make_manager(database)
    as_written_before(database, manager, 1, 2)
    sender = Sender()
    with operation_state_context(manager, "t1") as state:
        assert [state.step("send", sender, item) for item in "abc"] == ["sent a", "sent b", "sent c"]
    assert sender.sent == ["c"]


def test_records_of_an_older_version_that_lost_count_are_refused(database, make_manager):
    manager = make_manager(database)
    as_written_before(database, manager, 1, 3)
    with (
        pytest.raises(StateError, match=r"'send' was recorded by an older trax-otel, which lost count"),
        operation_state_context(manager, "t1") as state,
    ):
        state.step("send", Sender(), "a")


# --- Fingerprints --------------------------------------------------------------------------------------------------------


@dataclass
class Order:
    number: int
    lines: list[str]


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


SAME = [((1, "a", None), (1, "a", None)), (([1, {"b": 2, "a": 1}],), ([1, {"a": 1, "b": 2}],)), (({3, 1},), ({1, 3},)),
        ((date(2026, 1, 2),), (date(2026, 1, 2),)), ((Order(1, ["x"]),), (Order(1, ["x"]),)), ((b"a",), (b"a",))]  # fmt: skip
OTHER = [((1,), ("1",)), ((1,), (1.0,)), ((True,), (1,)), (("a", "b"), ("ab",)), ((["a"], []), ([], ["a"])),
         ((Order(1, []),), (Order(2, []),)), ((b"a",), ("a",)), (([1, 2],), ([2, 1],)), (("\ud800",), ("\ud801",))]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), SAME)
def test_equal_arguments_have_one_fingerprint(first, second):
    assert fingerprint(print, first, {}) == fingerprint(print, second, {})
    assert told_apart(fingerprint(print, first, {}))


@pytest.mark.parametrize(("first", "second"), OTHER)
def test_other_arguments_have_another_fingerprint(first, second):
    assert fingerprint(print, first, {}) != fingerprint(print, second, {})


def test_what_cannot_be_compared_is_told_apart_by_order_and_never_raises():
    cycle: list[object] = []
    cycle.append(cycle)
    wide: list[object] = []
    for _ in range(40):
        wide = [wide, wide]
    for value in (object(), Hostile(), {Hostile: Hostile()}, cycle, wide, [object()], {1: object()}):
        assert not told_apart(fingerprint(print, (value,), {}))
    assert not told_apart(fingerprint(print, (), {}))


def test_a_functions_own_counter_is_no_argument():
    calls = 0

    def flaky():
        nonlocal calls
        calls += 1
        return fingerprint(flaky, (), {})

    assert flaky() == flaky()
