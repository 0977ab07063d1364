"""One factory for each category. With `original_error`, the leaf that fits it is made, if it is of the category."""

from __future__ import annotations

from typing import Any, TypeVar

from .base import TraxError
from .classification import judge
from .hierarchy import (
    APIError,
    ConfigurationError,
    FileSystemError,
    NetworkError,
    ProcessingError,
    RecoveryError,
    ValidationError,
)

Category = TypeVar("Category", bound=TraxError)


def _create(
    category: type[Category], message: str, original_error: BaseException | None, options: dict[str, Any]
) -> Category:
    if not isinstance(message, str):
        raise TypeError(f"the message must be a text, not {type(message).__name__}")
    kind = category
    retry_after = options.pop("retry_after", None)
    status_code = options.pop("status_code", None)
    context = {**(options.pop("context", None) or {})}
    known = {name: options.pop(name) for name in ("error_code", "retryable", "severity") if name in options}
    context.update(options)  # what has no meaning here is the raiser's own information
    if original_error is not None:
        verdict = judge(original_error)
        if issubclass(verdict.kind, category) and "error_code" not in known:
            kind = verdict.kind
        retry_after = verdict.retry_after if retry_after is None else retry_after
        status_code = verdict.status_code if status_code is None else status_code
    error = kind(message, original_error=original_error, context=context, retry_after=retry_after, **known)
    if status_code is not None and isinstance(error, APIError):
        error.status_code = status_code
    return error


def create_network_error(message: str, *, original_error: BaseException | None = None, **options: Any) -> NetworkError:
    """A NetworkError, or the leaf that fits `original_error`.

    Options, here and in the other factories: `error_code`, `retryable`, `severity`, `retry_after` (seconds), `status_code`,
    `context` (a mapping); any other keyword becomes an entry of the context. Raises TypeError for a message that is no text.
    """
    return _create(NetworkError, message, original_error, options)


def create_api_error(message: str, *, original_error: BaseException | None = None, **options: Any) -> APIError:
    """An APIError, or the leaf that fits `original_error`."""
    return _create(APIError, message, original_error, options)


def create_filesystem_error(
    message: str, *, original_error: BaseException | None = None, **options: Any
) -> FileSystemError:
    """A FileSystemError, or the leaf that fits `original_error`."""
    return _create(FileSystemError, message, original_error, options)


def create_validation_error(
    message: str, *, original_error: BaseException | None = None, **options: Any
) -> ValidationError:
    """A ValidationError, or the leaf that fits `original_error`."""
    return _create(ValidationError, message, original_error, options)


def create_processing_error(
    message: str, *, original_error: BaseException | None = None, **options: Any
) -> ProcessingError:
    """A ProcessingError, or the leaf that fits `original_error`."""
    return _create(ProcessingError, message, original_error, options)


def create_configuration_error(
    message: str, *, original_error: BaseException | None = None, **options: Any
) -> ConfigurationError:
    """A ConfigurationError, or the leaf that fits `original_error`."""
    return _create(ConfigurationError, message, original_error, options)


def create_recovery_error(message: str, *, causes: tuple[BaseException, ...] = (), **options: Any) -> RecoveryError:
    """A RecoveryError (TRAX-007) with one cause for each way that was tried; the first is its `original_error`."""
    error = _create(RecoveryError, message, options.pop("original_error", causes[0] if causes else None), options)
    error.causes = tuple(causes)
    return error
