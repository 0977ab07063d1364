"""Factories: the category or the leaf that fits, with what the original says; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trax_otel import errors
from trax_otel.errors import TraxError

FACTORIES: list[tuple[Callable[..., TraxError], type[TraxError], str, BaseException, type[TraxError]]] = [
    (errors.create_network_error, errors.NetworkError, "TRAX-001", TimeoutError(), errors.TimeoutError),
    (errors.create_api_error, errors.APIError, "TRAX-009", errors.RateLimitError("x"), errors.RateLimitError),
    (errors.create_filesystem_error, errors.FileSystemError, "TRAX-013", PermissionError(), errors.PermissionError),
    (errors.create_validation_error, errors.ValidationError, "TRAX-004", ValueError(), errors.InvalidInputError),
    (errors.create_processing_error, errors.ProcessingError, "TRAX-017", KeyError(), errors.ProcessingError),
    (errors.create_configuration_error, errors.ConfigurationError, "TRAX-006", ImportError(), errors.EnvironmentError),
]


@pytest.mark.parametrize(("create", "category", "code", "original", "leaf"), FACTORIES)
def test_each_category_has_a_factory_that_finds_the_leaf(
    create: Callable[..., Any], category: type[TraxError], code: str, original: BaseException, leaf: type[TraxError]
) -> None:
    plain = create("what")
    assert (type(plain), plain.error_code, str(plain)) == (category, code, "what")
    found = create("what", original_error=original)
    assert type(found) is leaf
    assert found.__cause__ is original
    foreign = create("what", original_error=StopIteration())
    assert type(foreign) is category


def test_options_are_told_from_the_raisers_own_information() -> None:
    error = errors.create_api_error(
        "x", retry_after=3, status_code=503, retryable=True, severity="critical", context={"host": "shop"}
    )
    assert (error.retry_after, error.status_code, error.retryable, error.severity) == (3, 503, True, "critical")
    assert error.context == {"host": "shop"}


def test_a_misspelt_option_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(TypeError, match="did you mean 'original_error'"):
        errors.create_api_error("x", original_eror=ValueError())  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"put it into context=\{'order': …\}"):
        errors.create_recovery_error("x", order=3)  # type: ignore[call-arg]


def test_a_code_of_ones_own_keeps_the_category() -> None:
    error = errors.create_network_error("x", original_error=TimeoutError(), error_code="TRAX-001")
    assert type(error) is errors.NetworkError


def test_recovery_keeps_every_cause() -> None:
    causes = (ConnectionError("a"), ValueError("b"))
    error = errors.create_recovery_error("nothing helped", causes=causes)
    assert (error.error_code, error.causes, error.original_error) == ("TRAX-007", causes, causes[0])


def test_a_message_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="the message must be a text, not int"):
        errors.create_network_error(42)  # type: ignore[arg-type]
