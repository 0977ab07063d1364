"""The error that says that nothing recovered."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import pytest

from trax_otel.errors import RecoveryError
from trax_otel.recovery import RecoveryContext, RecoveryManager


class Unpicklable(Exception):
    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


@pytest.fixture
def failed() -> RecoveryError:
    manager = RecoveryManager()

    @manager.strategy()
    def cache(context):
        raise Unpicklable("cache", "empty")

    @manager.strategy()
    def backup(context):
        raise LookupError("no backup")

    try:
        raise ConnectionError("no route")
    except ConnectionError as error:
        with pytest.raises(RecoveryError) as raised:
            manager.attempt_recovery_sync(RecoveryContext("transcribe", error))
    return raised.value


@pytest.mark.parametrize("copied_by", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_it_can_be_copied_and_pickled_whatever_its_causes_are(failed, copied_by):
    copied = copied_by(failed)
    assert str(copied) == str(failed)
    assert copied.error_code == "TRAX-007"
    assert [type(cause) for cause in copied.causes][::2] == [ConnectionError, LookupError]
    assert "cache: empty" in str(copied.causes[1])
    assert isinstance(copied.original_error, ConnectionError)


def test_its_description_has_every_cause(failed):
    described = json.loads(json.dumps(failed.to_dict()))
    assert [cause["message"] for cause in described["causes"]] == ["no route", "cache: empty", "no backup"]
    assert described["original_error"]["type"] == "builtins.ConnectionError"


def test_its_traceback_shows_each_cause_once(failed):
    text = "".join(traceback.format_exception(failed))
    for told in ("ConnectionError: no route", "LookupError: no backup"):
        assert text.count(told) in (1, 2)  # with the causes' places, and once in its own message
    assert "During handling" not in text
