"""Kept answers: by age, number and key; the decorator that gives them while the call fails."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel import semconv
from trax_otel.errors import InvalidConfigError
from trax_otel.recovery import (
    CachedFallback,
    FallbackManager,
    FallbackStrategy,
    RecoveryContext,
    ResponseCache,
    stale_while_error,
)
from trax_otel.recovery.fallbacks import chain
from trax_otel.testing import fake_clock

KEYS = st.integers(0, 4)


# --- The cache ------------------------------------------------------------------------------------------------------------


@given(
    fresh_for=st.integers(0, 5),
    stale_for=st.integers(0, 5),
    room=st.integers(1, 4),
    acts=st.lists(
        st.one_of(
            st.tuples(st.just("put"), KEYS, st.integers()),
            st.tuples(st.just("get"), KEYS, st.none()),
            st.tuples(st.just("forget"), KEYS, st.none()),
            st.tuples(st.just("wait"), st.integers(0, 4), st.none()),
        ),
        max_size=60,
    ),
)
def test_the_cache_does_what_a_plain_list_would(fresh_for, stale_for, room, acts):
    with fake_clock() as clock:
        cache = ResponseCache(fresh_for=fresh_for, stale_for=stale_for, max_entries=room)
        model: list[tuple[int, int, float]] = []  # key, value, when; the one used last stands last
        for act, key, value in acts:
            at = next((i for i, entry in enumerate(model) if entry[0] == key), None)
            if act == "wait":
                clock.advance(key)
            elif act == "put":
                if at is not None:
                    del model[at]
                model = [*model, (key, value, clock.elapsed)][-room:]
                cache.put(key, value)
            elif act == "forget":
                assert cache.forget(key) is (at is not None)
                if at is not None:
                    del model[at]
            else:
                found = cache.get(key)
                entry = None if at is None else model.pop(at)
                if entry is None or clock.elapsed - entry[2] > fresh_for + stale_for:
                    assert found is None
                else:
                    model.append(entry)
                    age = clock.elapsed - entry[2]
                    assert found is not None
                    assert (found.value, found.age, found.stale) == (entry[1], age, age >= fresh_for)
            assert len(cache) == len(model)


def test_threads_share_a_cache():
    cache = ResponseCache(max_entries=8)

    def work(number):
        for turn in range(500):
            cache.put((number, turn % 16), turn)
            cache.get((number, (turn * 7) % 16))
            cache.forget((number, turn % 3))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache) <= 8
    cache.clear()
    assert len(cache) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_a_lock_that_its_parent_held():
    cache = ResponseCache()
    cache.put("a", 1)
    with cache._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if cache.get("a") is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    "argument", [{"fresh_for": -1}, {"stale_for": "x"}, {"max_entries": 0}, {"fresh_for": float("nan")}]
)
def test_bad_arguments_are_named(argument):
    with pytest.raises(InvalidConfigError, match=next(iter(argument))):
        ResponseCache(**argument)


# --- stale_while_error ----------------------------------------------------------------------------------------------------


async def test_a_fresh_answer_is_given_without_a_call(caller, trax_telemetry, trax_clock):
    calls = caller.scripted("one", "two")
    load = stale_while_error(fresh_for=10, name="load")(calls)
    assert await caller.call(load, "a") == "one"
    trax_clock.advance(9)
    assert await caller.call(load, "a") == "one"
    last = trax_telemetry.spans[-1]
    assert (last.attributes[semconv.RECOVERY_CACHE_AGE], last.attributes[semconv.RECOVERY_CACHE_STALE]) == (9, False)
    trax_clock.advance(1)
    assert await caller.call(load, "a") == "two"
    assert len(calls.calls) == 2


async def test_without_a_fresh_time_it_is_always_called(caller):
    load = stale_while_error()(caller.scripted(1, 2))
    assert [await caller.call(load), await caller.call(load)] == [1, 2]


async def test_a_stale_answer_stands_in_for_an_error(caller, trax_telemetry, trax_clock):
    load = stale_while_error(fresh_for=10, stale_for=50, name="load")(caller.scripted("kept", ConnectionError("down")))
    await caller.call(load, "a")
    trax_clock.advance(60)
    trax_telemetry.clear()
    assert await caller.call(load, "a") == "kept"
    shown = (semconv.RECOVERY_CACHE_AGE, semconv.RECOVERY_CACHE_STALE, semconv.RECOVERY_FALLBACK, semconv.OUTCOME)
    assert trax_telemetry.tree(shown) == (
        "load trax.outcome=success trax.recovery.cache.age=60.0 trax.recovery.cache.stale=True"
        " trax.recovery.fallback=cache\n"
        "  - trax.recovery.fallback_used\n"
        "  - trax.recovery.finished\n"
        "  recover trax.outcome=success\n"
        "    - exception ConnectionError: down\n"
        "    - INFO recovered load by cache after 0.000 s\n"
        "    fallback trax.outcome=success trax.recovery.cache.age=60.0 trax.recovery.cache.stale=True"
        " trax.recovery.fallback=cache"
    )
    labels = {semconv.OPERATION_NAME: "load", semconv.RECOVERY_FALLBACK: "cache"}
    assert trax_telemetry.total(semconv.RECOVERY_FALLBACKS.name, labels) >= 1
    trax_clock.advance(0.1)
    with pytest.raises(ConnectionError, match="down"):  # too old now
        await caller.call(load, "a")


async def test_answers_to_other_arguments_are_not_given(caller):
    load = stale_while_error()(caller.scripted("for a", OSError("down")))
    await caller.call(load, "a")
    with pytest.raises(OSError, match="down"):
        await caller.call(load, "a", language="en")
    assert await caller.call(load, "a") == "for a"


async def test_only_errors_that_count_are_stood_in_for(caller):
    load = stale_while_error(on=ConnectionError)(
        caller.scripted("kept", ValueError("own"), MemoryError(), ConnectionError())
    )
    await caller.call(load)
    with pytest.raises(ValueError, match="own"):
        await caller.call(load)
    with pytest.raises(MemoryError):
        await caller.call(load)
    assert await caller.call(load) == "kept"


async def test_an_unhashable_argument_is_refused_clearly_unless_a_key_is_made(caller):
    load = stale_while_error(name="load")(caller.scripted("x"))
    with pytest.raises(TypeError, match=r"load: an argument cannot be the key .*list.*; give key="):
        await caller.call(load, ["a"])
    keyed = stale_while_error(key=tuple)(caller.scripted("x", OSError()))
    assert [await caller.call(keyed, ["a"]), await caller.call(keyed, ["a"])] == ["x", "x"]
    assert keyed.cache.get(("a",)).value == "x"


async def test_a_method_keeps_answers_by_its_object(caller):
    class Client:
        load = stale_while_error()(caller.scripted("one", "two", OSError()))

    def load(self, *args):
        return Client.load(self, *args)

    first, second = Client(), Client()
    assert [await caller.call(load, one) for one in (first, second, second, first)] == ["one", "two", "two", "one"]


# --- As an alternative ----------------------------------------------------------------------------------------------------


async def test_an_alternative_keeps_the_operations_own_answers(caller, trax_telemetry, trax_clock):
    primary = caller.scripted("good", OSError("down"))
    chain = FallbackStrategy(primary, [CachedFallback(ResponseCache(fresh_for=5, stale_for=10))])
    assert await caller.execute(chain, "a") == "good"
    trax_clock.advance(7)
    assert await caller.execute(chain, "a") == "good"
    fallback = trax_telemetry.span("fallback")
    assert fallback.attributes[semconv.RECOVERY_CACHE_AGE] == 7
    assert fallback.attributes[semconv.RECOVERY_CACHE_STALE] is True
    trax_clock.advance(9)
    with pytest.raises(Exception, match="cache had no answer"):
        await caller.execute(chain, "a")


async def test_what_alternatives_answer_is_not_kept(caller):
    kept = CachedFallback()
    other = caller.scripted("poorer")
    assert await caller.execute(FallbackStrategy(caller.scripted(OSError("down")), [kept, other]), "a") == "poorer"
    assert kept.cache is not None
    assert len(kept.cache) == 0


async def test_operations_of_one_manager_do_not_get_each_others_answers(caller):
    manager = FallbackManager()
    manager.add_fallback(CachedFallback())
    names = caller.scripted("Ada", OSError("down"), name="name_of")
    cities = caller.scripted("Riga", OSError("down"), name="city_of")
    for _ in range(2):
        assert await caller.run(manager, names, 7) == "Ada"
        assert await caller.run(manager, cities, 7) == "Riga"


async def test_a_store_for_some_operations_keeps_answers_of_no_other(caller):
    kept = {}
    manager = FallbackManager()
    manager.add_fallback(
        CachedFallback(cache_store=kept.__setitem__, cache_retrieve=kept.get, points=["name_of"], name="names")
    )
    await caller.run(manager, caller.scripted("Ada", name="name_of"), 7)
    await caller.run(manager, caller.scripted("Riga", name="city_of"), 7)
    assert kept == {7: "Ada"}


async def test_a_recovery_finds_what_the_strategy_kept_whatever_the_context_calls_it(caller):
    chain = FallbackStrategy(caller.scripted("good", name="load"), [CachedFallback()])
    await caller.execute(chain, "a")
    context = RecoveryContext("load rates", OSError("down"), (("a",), {}))
    assert (await chain.recover(context) if caller.asynchronous else chain.recover_sync(context)) == "good"


async def test_a_store_of_the_users_own(caller):
    kept = {}
    store = caller.scripted(kept.__setitem__)
    retrieve = caller.scripted(kept.__getitem__)
    primary = caller.scripted("good", OSError("down"))
    chain = FallbackStrategy(
        primary, [CachedFallback(cache_store=store, cache_retrieve=retrieve), caller.scripted("last")]
    )
    assert await caller.execute(chain, "a.wav") == "good"
    assert kept == {"a.wav": "good"}
    assert await caller.execute(chain, "a.wav") == "good"
    assert await caller.execute(chain, "b.wav") == "last"  # a KeyError says that there is none


async def test_a_store_that_fails_changes_nothing_and_is_named_once(caller, caplog):
    store, retrieve = caller.scripted(OSError("store away")), caller.scripted(OSError("store away"))
    cache = CachedFallback(cache_store=store, cache_retrieve=retrieve, name=f"store_{caller.asynchronous}")
    chain = FallbackStrategy(caller.scripted("good", "good", OSError("down")), [cache, caller.scripted("last")])
    assert [await caller.execute(chain, "a") for _ in range(3)] == ["good", "good", "last"]
    said = [record.getMessage() for record in caplog.records if "could not keep an answer" in record.getMessage()]
    assert len(said) == 1
    assert "store away" in said[0]


async def test_a_store_that_hangs_holds_good_answers_up_for_a_moment_only(monkeypatch):
    monkeypatch.setattr(chain, "KEEPING_SECONDS", 0.01)

    async def hangs(*_):
        await asyncio.Event().wait()

    async def load():
        return "good"

    made = FallbackStrategy(load, [CachedFallback(cache_store=hangs, cache_retrieve=hangs, name="hanging")])
    assert await asyncio.wait_for(made.execute(), 5) == "good"


def test_half_a_store_is_refused():
    with pytest.raises(InvalidConfigError, match="both cache_store and cache_retrieve"):
        CachedFallback(cache_store=print)
    with pytest.raises(InvalidConfigError, match="key=3"):
        CachedFallback(key=3)
