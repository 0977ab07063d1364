"""Whatever fails, is cancelled, repeated, run side by side, stopped and resumed: three promises of state hold.

A recorded step never runs again; a result belongs to its own call; no item is left out. Programs are drawn, and for each
run what becomes of each call; the last run lets everything succeed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trax_otel.recovery.state import MemoryStorage, SQLStorage, StateRecoveryManager, operation_state_context
from trax_otel.retry import retrying

RUNS = 4
FATES = ("ok", "ok", "fails", "unstorable", "cancelled", "cancelled while stored", "stops before", "stops after")
LAST = 10_000
"""More calls than a drawn program can make."""


class Stopped(BaseException):
    """The process is killed here."""


class World:
    """What the steps do outside, and what becomes of each of their calls in this run."""

    def __init__(self) -> None:
        self.done: Counter[tuple[str, object]] = Counter()
        self.fates: Iterator[str] = iter(())

    def act(self, name: str, item: object) -> tuple[str, object]:
        """The step's function."""
        fate = next(self.fates, "stops before")
        if fate == "stops before":
            raise Stopped
        if fate == "fails":
            raise ConnectionError
        if fate == "cancelled":
            raise asyncio.CancelledError
        if fate == "unstorable":
            return object()  # type: ignore[return-value]
        if fate == "cancelled while stored":
            task = asyncio.current_task() if _in_a_task() else None
            if task is not None:
                task.cancel()
        self.done[name, item] += 1
        return name, item

    async def act_async(self, name: str, item: object) -> tuple[str, object]:
        await asyncio.sleep(0)
        return self.act(name, item)


def _in_a_task() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


NAMES = st.sampled_from(["charge", "send", "store"])
ITEMS = st.integers(0, 3)
PROGRAM = st.lists(
    st.one_of(
        st.tuples(st.just("one"), NAMES, ITEMS),
        st.tuples(st.just("retried"), NAMES, ITEMS),
        st.tuples(st.just("without arguments"), st.sampled_from(["fetch", "close"]), st.just(0)),
        st.tuples(st.just("loop"), NAMES, st.lists(ITEMS, max_size=4, unique=True)),
        st.tuples(st.just("side by side"), NAMES, st.lists(ITEMS, max_size=4, unique=True)),
    ),
    min_size=1,
    max_size=4,
)
FATES_OF_RUNS = st.lists(st.lists(st.sampled_from(FATES), max_size=12), min_size=1, max_size=RUNS)


class Opaque:
    """A call that shows nothing of what it is called with."""

    def __init__(self, function, *args) -> None:
        self._function = function
        self._args = args

    def __call__(self):
        return self._function(*self._args)


def wanted(program) -> Counter[tuple[str, object]]:
    """How often each item is to be done in all."""
    found: Counter[tuple[str, object]] = Counter()
    for _, name, items in program:
        found.update((name, item) for item in (items if isinstance(items, list) else [items]))
    return found


def run_here(manager, program, world, got) -> None:
    with operation_state_context(manager, "op", operation_type="t") as state:
        for kind, name, items in program:
            for item in items if isinstance(items, list) else [items]:
                if kind == "without arguments":
                    retry = retrying(max_retries=2, initial_delay=0)
                    got.append(((name, item), retry.call(state.step, name, Opaque(world.act, name, item))))
                    continue
                if kind == "retried":
                    result = retrying(max_retries=2, initial_delay=0).call(state.step, name, world.act, name, item)
                    got.append(((name, item), result))
                    continue
                for _ in range(2):  # a loop as people write it: once more, then the next
                    try:
                        got.append(((name, item), state.step(name, world.act, name, item)))
                        break
                    except Exception:
                        continue


async def one_async(state, world, got, kind, name, item) -> None:
    """A call as people write it: again after a failure or a time limit, then the next."""
    for _ in range(3 if kind == "retried" else 2):
        try:
            if kind == "without arguments":
                got.append(((name, item), await state.step(name, Opaque(world.act_async, name, item))))
            else:
                got.append(((name, item), await state.step(name, world.act_async, name, item)))
        except asyncio.CancelledError:  # as a time limit of the caller's own would be
            task = asyncio.current_task()
            if hasattr(task, "uncancel"):
                task.uncancel()
        except Exception:
            continue
        else:
            return
    if kind == "without arguments":  # nothing but order tells such calls apart: one must not be passed over
        raise Stopped


async def run_async(manager, program, world, got) -> None:
    async with operation_state_context(manager, "op", operation_type="t") as state:
        for kind, name, items in program:
            calls = [
                one_async(state, world, got, kind, name, item)
                for item in (items if isinstance(items, list) else [items])
            ]
            if kind != "side by side":
                calls = [in_turn(calls)]
            for error in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(error, BaseException):
                    raise error


async def in_turn(calls) -> None:
    with contextlib.ExitStack() as left:
        for call in calls:
            left.callback(call.close)
        for call in calls:
            await call


def hold(world, got, program) -> None:
    for call, result in got:
        assert tuple(result) == call, "a result belongs to its own call"
    for call, times in world.done.items():
        assert times <= wanted(program)[call], f"{call} ran {times} times: a recorded step never runs again"


def drive(storage, program, fates_of_runs, run) -> None:
    world = World()
    for fates in [*fates_of_runs, ["ok"] * LAST]:
        manager = StateRecoveryManager(storage, max_recoveries=1_000)
        # A run that stops after a call stops with the next one: what it did before is recorded by then.
        stops = fates.index("stops after") + 1 if "stops after" in fates else len(fates)
        world.fates = iter(["ok" if fate == "stops after" else fate for fate in fates[:stops]])
        got: list[tuple[tuple[str, object], object]] = []
        try:
            run(manager, program, world, got)
            completed = True
        except (Stopped, asyncio.CancelledError, Exception):
            completed = False
        finally:
            manager.sync.core.keeper.close()
            manager.sync.core.workers.close()
        hold(world, got, program)
        if completed:
            break
    assert completed
    if len(fates) == LAST:
        assert world.done == wanted(program), "no item is left out"


def run_in_a_loop(manager, program, world, got) -> None:
    asyncio.run(run_async(manager, program, world, got))


WORLDS = {"sync": run_here, "async": run_in_a_loop}
_databases = itertools.count()


@contextlib.contextmanager
def fresh_storage(kind, request, tmp_path_factory):
    if kind == "memory":
        yield MemoryStorage()
        return
    if kind == "sqlite":
        storage = SQLStorage(f"sqlite:///{tmp_path_factory.mktemp('promises') / 'state.db'}", synchronous="NORMAL")
    else:
        storage = SQLStorage(request.getfixturevalue("server").database(f"promises{next(_databases)}"))
    try:
        yield storage
    finally:
        storage.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql"])
@pytest.mark.parametrize("world", WORLDS)
def test_the_three_promises(world, kind, request, tmp_path_factory):
    @settings(
        max_examples=150 if kind == "memory" else 15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(program=PROGRAM, fates=FATES_OF_RUNS)
    def check(program, fates):
        with fresh_storage(kind, request, tmp_path_factory) as storage:
            drive(storage, program, fates, WORLDS[world])

    check()
