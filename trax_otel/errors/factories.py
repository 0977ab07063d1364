"""One factory for each category. With `original_error`, the leaf that fits it is made, if it is of the category."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..config import nearest
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

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    from .codes import Severity

    class ErrorOptions(TypedDict, total=False):
        """What every factory takes."""

        error_code: str | None
        retryable: bool | None
        severity: Severity | None
        retry_after: float | None
        status_code: int | None
        context: Mapping[str, Any] | None


OPTIONS: Final = ("error_code", "retryable", "severity", "retry_after", "status_code", "context")
Category = TypeVar("Category", bound=TraxError)


def _create(
    category: type[Category], message: str, original_error: BaseException | None, options: ErrorOptions
) -> Category:
    if not isinstance(message, str):
        raise TypeError(f"the message must be a text, not {type(message).__name__}")
    _refuse_unknown(options)
    kind = category
    retry_after = options.get("retry_after")
    status_code = options.get("status_code")
    given: Any = options
    known = {name: given[name] for name in ("error_code", "retryable", "severity") if name in given}
    if original_error is not None:
        verdict = judge(original_error)
        if issubclass(verdict.kind, category) and "error_code" not in known:
            kind = verdict.kind
        retry_after = verdict.retry_after if retry_after is None else retry_after
        status_code = verdict.status_code if status_code is None else status_code
    error = kind(
        message, original_error=original_error, context=options.get("context"), retry_after=retry_after, **known
    )
    if status_code is not None and isinstance(error, APIError):
        error.status_code = status_code
    return error


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in OPTIONS:
            meant = nearest(name, (*OPTIONS, "original_error"))
            hint = f"did you mean {meant!r}?" if meant else f"put it into context={{{name!r}: …}}"
            raise TypeError(f"{name!r} is not an option of an error; {hint}")


def create_network_error(
    message: str, *, original_error: BaseException | None = None, **options: Unpack[ErrorOptions]
) -> NetworkError:
    """A NetworkError, or the leaf that fits `original_error`.

    Options, here and in the other factories: `error_code`, `retryable`, `severity`, `retry_after` (seconds), `status_code`,
    `context` (a mapping: the raiser's own information). Raises TypeError for a message that is no text and for other options.
    """
    return _create(NetworkError, message, original_error, options)


def create_api_error(
    message: str, *, original_error: BaseException | None = None, **options: Unpack[ErrorOptions]
) -> APIError:
    """An APIError, or the leaf that fits `original_error`."""
    return _create(APIError, message, original_error, options)


def create_filesystem_error(
    message: str, *, original_error: BaseException | None = None, **options: Unpack[ErrorOptions]
) -> FileSystemError:
    """A FileSystemError, or the leaf that fits `original_error`."""
    return _create(FileSystemError, message, original_error, options)


def create_validation_error(
    message: str, *, original_error: BaseException | None = None, **options: Unpack[ErrorOptions]
) -> ValidationError:
    """A ValidationError, or the leaf that fits `original_error`."""
    return _create(ValidationError, message, original_error, options)


def create_processing_error(
    message: str, *, original_error: BaseException | None = None, **options: Unpack[ErrorOptions]
) -> ProcessingError:
    """A ProcessingError, or the leaf that fits `original_error`."""
    return _create(ProcessingError, message, original_error, options)


def create_configuration_error(
    message: str, *, original_error: BaseException | None = None, **options: Unpack[ErrorOptions]
) -> ConfigurationError:
    """A ConfigurationError, or the leaf that fits `original_error`."""
    return _create(ConfigurationError, message, original_error, options)


def create_recovery_error(
    message: str,
    *,
    original_error: BaseException | None = None,
    causes: tuple[BaseException, ...] = (),
    **options: Unpack[ErrorOptions],
) -> RecoveryError:
    """A RecoveryError (TRAX-007) with one cause for each way that was tried; the first is its `original_error`."""
    original = causes[0] if original_error is None and causes else original_error
    error = _create(RecoveryError, message, original, options)
    error.causes = tuple(causes)
    return error
