"""Features that go down on failures and come back by themselves."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel import config, semconv
from trax_otel.errors import InvalidConfigError, ServiceUnavailableError
from trax_otel.recovery import Feature, degradable, feature, features, forget_feature
from trax_otel.testing import fake_clock


@pytest.fixture
def search(trax_clock):
    yield feature("search", failure_threshold=2, window=10, recover_after=30)
    forget_feature("search")


# --- Levels ---------------------------------------------------------------------------------------------------------------


def test_it_goes_down_a_level_on_failures_close_together(search, trax_clock):
    assert (search.level, search.degradation) == ("full", 0)
    search.failed()
    trax_clock.advance(11)
    search.failed()  # the first one lies too far back
    assert search.level == "full"
    search.failed()
    assert search.level == "reduced"
    assert search.at_least("reduced")
    assert not search.at_least("full")
    search.failed()
    search.failed()
    assert search.level == "off"
    search.failed()
    search.failed()
    assert search.level == "off"


def test_it_comes_back_a_level_at_a_time_when_nothing_fails(search, trax_clock):
    for _ in range(4):
        search.failed()
    assert search.level == "off"
    assert search.retry_after == 30
    trax_clock.advance(29.9)
    assert search.level == "off"
    trax_clock.advance(0.1)
    assert search.level == "reduced"
    search.failed()  # that begins the quiet time anew
    trax_clock.advance(29)
    assert search.level == "reduced"
    trax_clock.advance(1)
    assert (search.level, search.retry_after) == ("full", 0.0)


def test_nobody_need_ask_while_it_comes_back(search, trax_clock):
    for _ in range(4):
        search.failed()
    trax_clock.advance(60)
    assert search.level == "full"


def test_a_level_set_by_hand_stays(search, trax_clock):
    search.hold("reduced")
    trax_clock.advance(1000)
    for _ in range(5):
        search.failed()
    assert (search.level, search.held) == ("reduced", True)
    search.release()
    assert search.level == "reduced"
    trax_clock.advance(30)
    assert search.level == "full"


@given(
    depth=st.integers(2, 4),
    threshold=st.integers(1, 3),
    window=st.integers(1, 5),
    quiet=st.integers(1, 6),
    acts=st.lists(
        st.one_of(
            st.just(("fail", 0)),
            st.tuples(st.just("wait"), st.integers(0, 8)),
            st.tuples(st.just("hold"), st.integers(0, 1)),
            st.just(("release", 0)),
        ),
        max_size=60,
    ),
)
def test_a_feature_does_what_a_plain_model_would(depth, threshold, window, quiet, acts):
    names = [str(number) for number in range(depth)]
    with fake_clock() as clock:
        tested = Feature("model", names, failure_threshold=threshold, window=window, recover_after=quiet)
        index, held, since, failures = 0, False, 0, []
        for act, value in acts:
            if act == "wait":
                for _ in range(value):  # second by second
                    clock.advance(1)
                    if not held and index and clock.elapsed - since >= quiet:
                        index, since, failures = index - 1, clock.elapsed, []
            elif act == "fail":
                tested.failed()
                if not held:
                    since = clock.elapsed
                    failures = [*failures, clock.elapsed][-threshold:]
                    if len(failures) == threshold and failures[-1] - failures[0] <= window and index < depth - 1:
                        index, failures = index + 1, []
            elif act == "hold":
                tested.hold(names[value])
                index, held, failures = value, True, []
            else:
                tested.release()
                held, since = False, clock.elapsed
            assert tested.degradation == index
            assert tested.level == names[index]


async def test_a_block_counts_what_it_raises(search):
    for error in (asyncio.CancelledError(), KeyboardInterrupt(), MemoryError(), OSError("x"), OSError("y")):
        with pytest.raises(type(error)) as raised, search:
            raise error
        assert raised.value is error
        assert search.level == ("reduced" if str(error) == "y" else "full")
    with search:
        assert search.level == "reduced"


def test_threads_lose_no_failure():
    counted = Feature("threads", [str(n) for n in range(11)], failure_threshold=100, window=60, recover_after=60)
    with fake_clock():
        threads = [threading.Thread(target=lambda: [counted.failed() for _ in range(125)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counted.degradation == 10


# --- The registry ---------------------------------------------------------------------------------------------------------


def test_a_name_means_one_feature(search):
    assert feature("search") is search
    assert search in features()
    with pytest.raises(InvalidConfigError, match="failure_threshold=2, not 9"):
        feature("search", failure_threshold=9)
    assert forget_feature("search")
    assert not forget_feature("search")


def test_their_number_is_bounded():
    names = [f"n{number}" for number in range(config.settings().metrics.cardinality_limit - len(features()))]
    made = [feature(name) for name in names]
    with pytest.raises(InvalidConfigError, match="features already"):
        feature("one too many")
    for one in made:
        forget_feature(one.name)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"levels": "full"}, "levels"),
        ({"levels": ["a", "a"]}, "levels"),
        ({"failure_threshold": 0}, "failure_threshold"),
        ({"window": 0}, "window"),
        ({"recover_after": -1}, "recover_after"),
    ],
)
def test_bad_arguments_are_named(options, told):
    with pytest.raises(InvalidConfigError, match=told):
        Feature("x", **options)
    with pytest.raises(InvalidConfigError, match="level='none' is none of full, reduced, off"):
        Feature("x").at_least("none")


# --- An implementation for each level -------------------------------------------------------------------------------------


async def test_a_call_runs_the_implementation_of_the_level(caller, search):
    find = degradable(search)(caller.scripted("everything"))
    find.at("off")(caller.scripted("nothing"))
    assert await caller.call(find, "x") == "everything"
    search.hold("reduced")
    assert await caller.call(find, "x") == "everything"  # it has none of its own
    search.hold("off")
    assert await caller.call(find, "x") == "nothing"


async def test_failures_of_the_implementation_take_it_down_and_go_on(caller, search, trax_clock):
    find = degradable(search, on=OSError)(
        caller.scripted(OSError("x"), ValueError(), OSError("x"), OSError("x"), OSError("x"))
    )
    find.at("reduced")(caller.scripted("some"))
    for kind in (OSError, ValueError, OSError):
        with pytest.raises(kind):
            await caller.call(find)
    assert await caller.call(find) == "some"
    trax_clock.advance(30)
    with pytest.raises(OSError, match="x"):
        await caller.call(find)


async def test_off_without_an_implementation_is_a_clear_error_that_does_not_count(caller, search, trax_clock):
    find = degradable(search)(caller.scripted("everything"))
    for _ in range(4):
        search.failed()
    trax_clock.advance(10)
    for _ in range(3):
        with pytest.raises(ServiceUnavailableError, match="search is off for now") as raised:
            await caller.call(find)
        assert raised.value.retry_after == 20
    trax_clock.advance(20)
    assert await caller.call(find) == "everything"


async def test_a_method_is_bound(caller, search):
    class Shop:
        find = degradable(search)(caller.scripted(lambda self, text: (type(self).__name__, text)))

    assert await caller.call(Shop().find, "x") == ("Shop", "x")


def test_kinds_and_levels_are_checked(search):
    @degradable(search)
    async def find():
        return 1

    assert asyncio.run(find()) == 1
    with pytest.raises(InvalidConfigError, match="must be a coroutine function"):
        find.at("reduced")(lambda: 1)
    with pytest.raises(InvalidConfigError, match="has an implementation already"):
        find.at("full")(find)
    with pytest.raises(InvalidConfigError, match="is none of"):
        find.at("none")
    with pytest.raises(TypeError, match="is a class"):
        degradable(search)(dict)


# --- What is told ---------------------------------------------------------------------------------------------------------


def test_changes_are_told_and_the_gauge_shows_the_level(search, trax_clock, trax_telemetry):
    with trax_telemetry.tracer().start_as_current_span("request"):
        for _ in range(2):
            search.failed()
    labels = {semconv.FEATURE_NAME: "search"}
    assert trax_telemetry.metric(semconv.FEATURE_LEVELS.name, labels).value == 1
    trax_clock.advance(30)
    assert trax_telemetry.metric(semconv.FEATURE_LEVELS.name, labels).value == 0  # asked at export, it has come back
    assert trax_telemetry.tree() == (
        "request\n"
        "  - trax.feature.level_changed\n"
        "  - WARN feature search works at level reduced: 2 failures within 10 s\n"
        "- INFO trax.feature.level_changed\n"
        "- INFO feature search works at level full: nothing failed for a while"
    )
    levels = [event.attributes[semconv.FEATURE_LEVEL] for event in trax_telemetry.events(semconv.FEATURE_CHANGED_EVENT)]
    assert sorted(levels) == ["full", "reduced"]
