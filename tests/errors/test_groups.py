"""Groups are judged in linear time, and the same in whatever order their errors stand."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import pytest

from trax_otel import errors
from trax_otel.errors import classify_error, error_facts, is_retryable_error
from trax_otel.errors.classification import judge
from trax_otel.errors.control_flow import leaves
from trax_otel.recovery import FallbackManager
from trax_otel.retry import CircuitBreaker, retrying

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="groups came with Python 3.11")


def group(*members: BaseException) -> Any:
    return ExceptionGroup("g", members)  # type: ignore[name-defined,type-var,unused-ignore]  # noqa: F821


def test_deep_and_shared_groups_are_judged_once() -> None:
    asked = 0

    class Counted(Exception):
        pass

    def classifier(error: BaseException) -> None:
        nonlocal asked
        asked += 1

    nested: Any = Counted()
    for _ in range(20):
        nested = group(nested, Counted())
    shared: Any = Counted()
    for _ in range(40):
        shared = group(shared, shared)
    deep: Any = Counted()
    for _ in range(5_000):
        deep = group(deep)
    unregister = errors.register_classifier(Counted, classifier)
    try:
        for error, count in ((nested, 21), (shared, 1), (deep, 1)):
            asked = 0
            assert not judge(error).retryable
            assert asked == count
            assert len(list(leaves(error))) == count
            assert error_facts(error).code
    finally:
        unregister()
        while getattr(deep, "exceptions", None):  # freed step by step: C would recurse
            deep = deep.exceptions[0]


MEMBERS: list[BaseException] = [
    ConnectionError(), ValueError(), errors.RateLimitError("slow", retry_after=7), KeyError(), LookupError(),
]  # fmt: skip


@pytest.mark.parametrize("size", [2, 3])
def test_the_order_of_the_members_changes_nothing(size: int) -> None:
    for members in itertools.combinations(MEMBERS, size):
        verdicts = {
            (type(classify_error(group(*order))), is_retryable_error(group(*order)), judge(group(*order)))
            for order in itertools.permutations(members)
        }
        assert len(verdicts) == 1, verdicts


def test_the_gravest_leaf_says_what_it_is() -> None:
    away, wrong = ConnectionError(), ValueError()
    assert type(classify_error(group(away, wrong))) is errors.InvalidInputError
    assert type(classify_error(group(away, ZeroDivisionError()))) is errors.ProcessingError
    assert judge(group(away, errors.RateLimitError("slow", retry_after=7))).retry_after == 7
    assert judge(group(wrong, errors.RateLimitError("slow", retry_after=7))).retry_after is None


@pytest.mark.parametrize("condition", [ConnectionError, errors.NetworkError, (errors.NetworkError, OSError)])
def test_a_condition_holds_where_all_leaves_are_of_its_classes(condition: Any) -> None:
    away, wrong = ConnectionError(), ValueError()
    for members, calls in (((away, away), 2), ((away, group(away)), 2), ((away, wrong), 1), ((wrong, away), 1)):
        made = 0

        def work(members: Any = members) -> None:
            nonlocal made
            made += 1
            raise group(*members)

        with pytest.raises(ExceptionGroup):  # type: ignore[name-defined,unused-ignore]  # noqa: F821
            retrying(max_retries=1, initial_delay=0, retry_on=condition).call(work)
        assert made == calls
        manager = FallbackManager(on=condition)
        manager.add_fallback(lambda **_: "instead")
        if calls == 2:
            assert manager.execute_with_fallbacks_sync(work) == "instead"
        else:
            with pytest.raises(ExceptionGroup):  # type: ignore[name-defined,unused-ignore]  # noqa: F821
                manager.execute_with_fallbacks_sync(work)


@pytest.mark.parametrize("condition", [None, ConnectionError, errors.NetworkError])
def test_a_breaker_counts_a_group_that_holds_one_of_its_failures(condition: Any) -> None:
    away, wrong = ConnectionError(), ValueError()
    for members, state in (((away, wrong), "open"), ((wrong, group(away)), "open"), ((wrong, wrong), "closed")):
        breaker = CircuitBreaker(failure_threshold=1, expected_exception=condition)
        with pytest.raises(ExceptionGroup), breaker:  # type: ignore[name-defined,unused-ignore]  # noqa: F821
            raise group(*members)
        assert breaker.state == state
