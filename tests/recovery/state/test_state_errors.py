"""The errors: where they are found, what they carry, and that they travel."""

from __future__ import annotations

import copy
import pickle

import pytest

from trax_otel import errors
from trax_otel.recovery import state

CLASSES = [
    found for name in state.__all__ if isinstance(found := getattr(state, name), type) and issubclass(found, Exception)
]


def test_there_is_one_for_each_way_to_fail():
    assert len(CLASSES) == 9


@pytest.mark.parametrize("kind", CLASSES)
def test_each_travels_with_its_cause(kind):
    error = kind("why", original_error=OSError(28, "No space left on device"), retryable=True)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert (str(again), again.retryable, str(again.original_error)) == ("why", True, str(error.original_error))


@pytest.mark.parametrize("kind", CLASSES)
def test_each_has_a_registered_code_and_a_public_path(kind):
    error = kind("why")
    assert errors.error_code(error.error_code) is error.registration
    assert error.to_dict()["type"] == f"trax_otel.recovery.state.{kind.__name__}"


def test_what_is_lost_has_a_code_of_its_own():
    assert {kind.__name__ for kind in CLASSES if kind("").error_code == "TRAX-023"} == {
        "StateLostError",
        "StateStoreError",
    }
