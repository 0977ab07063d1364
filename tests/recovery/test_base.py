"""What a recovery is told."""

from __future__ import annotations

import copy
import pickle

import pytest

from trax_otel.errors import InvalidConfigError
from trax_otel.recovery import PREPARED, RecoveryContext, RecoveryStrategy


def test_a_context_keeps_what_it_was_given_and_never_changes():
    error, kwargs, metadata = KeyError("k"), {"language": "en"}, {"operation_id": "t1"}
    context = RecoveryContext(operation="transcribe", error=error, arguments=(("a.wav",), kwargs), metadata=metadata)
    kwargs["language"], metadata["operation_id"] = "de", "t2"
    assert (context.operation, context.error) == ("transcribe", error)
    assert (context.args, dict(context.kwargs)) == (("a.wav",), {"language": "en"})
    assert context.metadata == {"operation_id": "t1"}
    with pytest.raises(AttributeError, match="replace"):
        context.operation = "other"
    with pytest.raises(TypeError):
        context.metadata["operation_id"] = "t3"  # type: ignore[index]


def test_replace_gives_another_context():
    context = RecoveryContext("a", KeyError("k"), metadata={"x": 1})
    other = context.replace(operation="b")
    assert (other.operation, other.error, other.metadata) == ("b", context.error, {"x": 1})
    assert context.operation == "a"


def test_arguments_and_metadata_are_not_in_its_text():
    context = RecoveryContext("login", KeyError("k"), (("secret",), {"password": "hunter2"}), {"token": "t0ken"})
    assert repr(context) == "RecoveryContext(operation='login', error=KeyError)"


@pytest.mark.parametrize("copied_by", [copy.copy, lambda context: pickle.loads(pickle.dumps(context))])
def test_a_context_can_be_copied_and_pickled(copied_by):
    context = RecoveryContext("a", KeyError("k"), ((1,), {"b": 2}), {"c": 3})
    copied = copied_by(context)
    assert (copied.operation, repr(copied.error), copied.args) == ("a", "KeyError('k')", (1,))
    assert (copied.kwargs, copied.metadata) == ({"b": 2}, {"c": 3})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"operation": ""}, "operation=''"),
        ({"operation": 3}, "operation=3"),
        ({"error": "no exception"}, "error='no exception'"),
        ({"error": KeyError}, "error=<class 'KeyError'>"),
        ({"arguments": 3}, "arguments=3"),
        ({"arguments": ("a.wav",)}, "arguments="),
        ({"metadata": [1]}, r"metadata=\[1\]"),
    ],
)
def test_a_wrong_argument_is_named(wrong, named):
    with pytest.raises(InvalidConfigError, match=named):
        RecoveryContext(**{"operation": "a", "error": KeyError("k"), **wrong})


def test_who_inherits_from_the_protocol_gets_its_defaults():
    class Mine(RecoveryStrategy):
        name = "mine"

        def recover(self, context):
            return 1

    strategy = Mine()
    assert strategy.priority == 100
    assert strategy.applies(RecoveryContext("a", KeyError("k"))) is True
    assert repr(PREPARED) == "PREPARED"
