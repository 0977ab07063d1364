"""What can be kept goes there and back unchanged; what cannot is named with its place and type."""

from __future__ import annotations

import enum
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel.recovery.state import UnstorableValueError
from trax_otel.recovery.state.values import decode, encode

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


class Colour(str, enum.Enum):
    RED = "red"


class Dictionary(dict):
    pass


@given(VALUES)
def test_json_goes_there_and_back_unchanged(value):
    again = decode(encode(value, "x"))
    assert again == value
    assert type(again) is type(value)


def cycle() -> list[object]:
    found: list[object] = [1]
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"x", "x is a bytes, which JSON cannot keep"),
        ({"a": [0, {"b": {1}}]}, r"x\.a\[1\]\.b is a set"),
        ({1: "a"}, "x has the key 1 of type int; JSON's keys are texts"),
        ({"a": {None: 1}}, r"x\.a has the key None of type NoneType"),
        (math.nan, "x is nan"),
        ([1.0, -math.inf], r"x\[1\] is -inf"),
        (Colour.RED, r"x is a .*Colour"),
        ([Dictionary()], r"x\[0\] is a .*Dictionary"),
        (cycle(), r"x\[1\] contains itself"),
        ("\ud800", "x holds half of a surrogate pair"),
        ({"\ud800": 1}, "x holds half of a surrogate pair"),
        (object(), "x is a object"),
    ],
)
def test_what_cannot_be_kept_is_named(value, said):
    with pytest.raises(UnstorableValueError, match=said):
        encode(value, "x")


def test_what_is_twice_in_a_value_is_no_cycle():
    shared = [1]
    assert decode(encode({"a": shared, "b": [shared, shared]}, "x")) == {"a": [1], "b": [[1], [1]]}


def test_the_limit_counts_bytes():
    assert encode("é" * 10, "x", max_bytes=22)
    with pytest.raises(UnstorableValueError, match="x takes 24 bytes of JSON, 22 are allowed"):
        encode("é" * 11, "x", max_bytes=22)


def test_nothing_is_nothing():
    assert decode(None) is None
    assert decode(encode(None, "x")) is None


def test_what_is_nested_too_deeply_is_refused_by_its_place():
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    for value in (deep, {"a": deep}):
        with pytest.raises(UnstorableValueError, match=r"result of step 'one'.* is nested too deeply for JSON"):
            encode(value, "result of step 'one'")
