"""The tree of errors: names, codes, builtin namesakes; copies, pickles, dictionaries, chains."""

from __future__ import annotations

import builtins
import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel import errors
from trax_otel.errors import (
    APIError,
    ConfigurationError,
    FileSystemError,
    NetworkError,
    ProcessingError,
    TraxError,
    ValidationError,
    create_api_error,
)
from trax_otel.logging import correlation_context
from trax_otel.signals import start_span
from trax_otel.testing import CapturedTelemetry

TREE = {
    NetworkError: ["ConnectionError", "TimeoutError", "DNSResolutionError"],
    APIError: ["AuthenticationError", "RateLimitError", "QuotaExceededError", "ServiceUnavailableError"],
    FileSystemError: ["FileNotFoundError", "PermissionError", "DiskSpaceError", "CorruptedFileError"],
    ValidationError: ["InvalidInputError", "MissingRequiredFieldError", "FormatError"],
    ProcessingError: ["TranscriptionError", "EnhancementError", "MediaProcessingError"],
    ConfigurationError: ["MissingConfigError", "InvalidConfigError", "EnvironmentError"],
}
CLASSES = [
    kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type) and issubclass(kind, TraxError)
]


def test_the_specifications_tree_is_whole() -> None:
    assert sum(map(len, TREE.values())) == 20
    for category, leaves in TREE.items():
        assert category.__bases__ == (TraxError,)
        for leaf in leaves:
            assert getattr(errors, leaf).__bases__[0] is category


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("NetworkError", "TRAX-001"), ("ConnectionError", "TRAX-001"), ("AuthenticationError", "TRAX-002"),
        ("FileNotFoundError", "TRAX-003"), ("ValidationError", "TRAX-004"), ("InvalidInputError", "TRAX-004"),
        ("MissingRequiredFieldError", "TRAX-004"), ("FormatError", "TRAX-004"), ("TimeoutError", "TRAX-005"),
        ("ConfigurationError", "TRAX-006"), ("MissingConfigError", "TRAX-006"), ("RecoveryError", "TRAX-007"),
    ],
)  # fmt: skip
def test_the_seven_codes_keep_their_meaning(name: str, code: str) -> None:
    assert getattr(errors, name)("x").error_code == code


@pytest.mark.parametrize("name", ["ConnectionError", "TimeoutError", "FileNotFoundError", "PermissionError"])
def test_a_builtin_namesake_is_caught_by_its_own_clause(name: str) -> None:
    with pytest.raises(getattr(builtins, name)):
        raise getattr(errors, name)("x")


def test_environment_error_is_no_os_error() -> None:
    assert not issubclass(errors.EnvironmentError, OSError)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_is_copied_and_pickled_whole(kind: type[TraxError]) -> None:
    error = kind("what", context={"a": [1]}, original_error=ValueError("why"), retry_after=2.5, retryable=True)
    for copied in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(copied) is kind
        assert str(copied) == "what"
        assert copied.args == error.args
        assert copied.context == {"a": [1]}
        assert (copied.error_code, copied.retryable, copied.retry_after) == (error.error_code, True, 2.5)
        assert isinstance(copied.original_error, ValueError)
        assert copied.__cause__ is copied.original_error


class NeedsKeyword(TraxError):
    """A user's own, with an argument that plain pickling would not give."""

    def __init__(self, message: str, *, job: int) -> None:
        super().__init__(message)
        self.job = job


def test_a_users_class_with_required_keywords_pickles_too() -> None:
    assert pickle.loads(pickle.dumps(NeedsKeyword("x", job=7))).job == 7


def test_an_original_that_cannot_be_pickled_is_replaced_by_its_description() -> None:
    class Local(Exception):
        """Not importable."""

    loaded = pickle.loads(pickle.dumps(NetworkError("x", original_error=Local("gone"))))
    assert "Local: gone" in str(loaded.original_error)


def test_to_dict_is_json_and_tells_the_chain() -> None:
    root = ValueError("root")
    inner = NetworkError("inner", original_error=root)
    outer = APIError("outer", original_error=inner, context={"when": object, "nan": float("nan"), "bad": "\ud800"})
    described = json.loads(json.dumps(outer.to_dict(), allow_nan=False))
    assert described["error_code"] == "TRAX-009"
    assert described["title"] == "API request failed"
    assert described["original_error"]["error_code"] == "TRAX-001"
    assert described["original_error"]["original_error"] == {"type": "builtins.ValueError", "message": "root"}
    assert described["timestamp"].endswith("Z")
    assert set(described["context"]) == {"when", "nan", "bad"}


def test_a_wrapped_error_inherits_retryability_unless_told_otherwise() -> None:
    assert create_api_error("x", original_error=ConnectionRefusedError()).retryable
    assert not create_api_error("x", original_error=ValueError()).retryable
    assert not create_api_error("x", original_error=ConnectionRefusedError(), retryable=False).retryable
    assert APIError("outer", original_error=APIError("inner", original_error=TimeoutError())).retryable


def test_an_error_knows_where_it_was_made(trax_telemetry: CapturedTelemetry) -> None:
    with correlation_context("req-9"):
        scope = start_span("work")
        error = NetworkError("x")
        scope.end("success")
    assert error.correlation_id == "req-9"
    assert int(error.span_id or "", 16) == trax_telemetry.span("work").span_id
    assert NetworkError("outside").trace_id is None


def test_str_is_the_message_even_beside_os_errors_own() -> None:
    assert str(errors.FileNotFoundError("gone")) == "gone"
    assert str(NetworkError()) == "NetworkError"


@given(st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5)))
def test_any_context_survives_pickle_and_json(context: dict[str, Any]) -> None:
    error = ValidationError("x", context=context)
    assert pickle.loads(pickle.dumps(error)).context.keys() == context.keys()
    json.dumps(error.to_dict(), allow_nan=False)


def test_a_context_that_contains_itself_ends() -> None:
    context: dict[str, Any] = {}
    context["self"] = context
    json.dumps(ValidationError("x", context=context).to_dict())
