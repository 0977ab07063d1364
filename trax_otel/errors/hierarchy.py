"""The hierarchy.

TraxError
├── NetworkError                 TRAX-001   retryable
│   ├── ConnectionError          TRAX-001   also builtins.ConnectionError
│   ├── TimeoutError             TRAX-005   also builtins.TimeoutError
│   ├── DNSResolutionError       TRAX-008
│   ├── DatabaseConnectionError  TRAX-024   retryable; also a DatabaseError and a ConnectionError
│   └── DatabaseTimeoutError     TRAX-028   retryable; also a DatabaseError and a TimeoutError
├── APIError                     TRAX-009
│   ├── AuthenticationError      TRAX-002
│   ├── RateLimitError           TRAX-010   retryable
│   ├── QuotaExceededError       TRAX-011
│   ├── ServiceUnavailableError  TRAX-012   retryable
│   │   └── DatabaseLockError    TRAX-027   retryable; also a DatabaseError
│   └── ServerError              TRAX-029
├── FileSystemError              TRAX-013
│   ├── FileNotFoundError        TRAX-003   also builtins.FileNotFoundError
│   ├── PermissionError          TRAX-014   also builtins.PermissionError
│   ├── DiskSpaceError           TRAX-015
│   └── CorruptedFileError       TRAX-016
├── ValidationError              TRAX-004
│   ├── InvalidInputError        TRAX-004
│   ├── MissingRequiredFieldError TRAX-004
│   ├── FormatError              TRAX-004
│   └── DatabaseIntegrityError   TRAX-025   also a DatabaseError
├── ProcessingError              TRAX-017
│   ├── TranscriptionError       TRAX-018
│   ├── EnhancementError         TRAX-019
│   ├── MediaProcessingError     TRAX-020
│   ├── StreamError              TRAX-030
│   ├── DatabaseError            TRAX-031
│   │   └── DatabaseQueryError   TRAX-026
│   └── RecoveryError            TRAX-007
└── ConfigurationError           TRAX-006
    ├── MissingConfigError       TRAX-006
    ├── InvalidConfigError       TRAX-006
    └── EnvironmentError         TRAX-006   not builtins.EnvironmentError, which is OSError
"""

from __future__ import annotations

import builtins
from typing import Any

from .base import TraxError, _original, _picklable

# --- Network -----------------------------------------------------------------------------------------------------------


class NetworkError(TraxError):
    """The network failed between here and a peer."""

    default_code = "TRAX-001"


class ConnectionError(NetworkError, builtins.ConnectionError):
    """No connection could be made, or it broke."""


class TimeoutError(NetworkError, builtins.TimeoutError):
    """The answer did not come in time."""

    default_code = "TRAX-005"


class DNSResolutionError(NetworkError):
    """A host name could not be resolved."""

    default_code = "TRAX-008"


# --- API ---------------------------------------------------------------------------------------------------------------


class APIError(TraxError):
    """An API answered with an error. `status_code` is its HTTP status where it has one."""

    default_code = "TRAX-009"
    status_code: int | None = None


class AuthenticationError(APIError):
    """The API does not know or not allow who calls."""

    default_code = "TRAX-002"


class RateLimitError(APIError):
    """Too many calls in too short a time."""

    default_code = "TRAX-010"


class QuotaExceededError(APIError):
    """The allowance is used up."""

    default_code = "TRAX-011"


class ServiceUnavailableError(APIError):
    """The service cannot answer now."""

    default_code = "TRAX-012"


class ServerError(APIError):
    """The API failed at answering: a 5xx that says no more, gRPC's INTERNAL, UNKNOWN or DATA_LOSS."""

    default_code = "TRAX-029"


# --- File system -------------------------------------------------------------------------------------------------------


class FileSystemError(TraxError):
    """The file system refused."""

    default_code = "TRAX-013"


class FileNotFoundError(FileSystemError, builtins.FileNotFoundError):
    """The path does not exist."""

    default_code = "TRAX-003"


class PermissionError(FileSystemError, builtins.PermissionError):
    """The process may not do this."""

    default_code = "TRAX-014"


class DiskSpaceError(FileSystemError):
    """The disk or the quota is full."""

    default_code = "TRAX-015"


class CorruptedFileError(FileSystemError):
    """The content is not what its format promises."""

    default_code = "TRAX-016"


# --- Validation ----------------------------------------------------------------------------------------------------------


class ValidationError(TraxError):
    """The input is not valid."""

    default_code = "TRAX-004"


class InvalidInputError(ValidationError):
    """A value is not allowed."""


class MissingRequiredFieldError(ValidationError):
    """A required field is missing."""


class FormatError(ValidationError):
    """The input does not parse."""


# --- Processing ----------------------------------------------------------------------------------------------------------


class ProcessingError(TraxError):
    """The work itself failed."""

    default_code = "TRAX-017"


class TranscriptionError(ProcessingError):
    """Audio could not be turned into text."""

    default_code = "TRAX-018"


class EnhancementError(ProcessingError):
    """A result could not be improved."""

    default_code = "TRAX-019"


class MediaProcessingError(ProcessingError):
    """Audio or video could not be processed."""

    default_code = "TRAX-020"


class StreamError(ProcessingError):
    """A stream, pipe or socket could not be read or written any further."""

    default_code = "TRAX-030"


class RecoveryError(ProcessingError):
    """Every way to recover failed. `causes` has one error for each that was tried."""

    default_code = "TRAX-007"
    causes: tuple[BaseException, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As every error's, with the `causes`."""
        return {**super().to_dict(), "causes": [_original(cause, 0) for cause in self.causes]}

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild, (kind, args, state) = super().__reduce__()
        return rebuild, (kind, args, {**state, "causes": tuple(_picklable(cause) for cause in self.causes)})


# --- Configuration -------------------------------------------------------------------------------------------------------


class ConfigurationError(TraxError):
    """The program is not set up to do this."""

    default_code = "TRAX-006"


class MissingConfigError(ConfigurationError):
    """A setting is missing."""


class InvalidConfigError(ConfigurationError):
    """A setting has a value that is not allowed."""


class EnvironmentError(ConfigurationError):
    """The environment lacks what the program needs."""


# --- Databases: each of its category too ------------------------------------------------------------------------------------


class DatabaseError(ProcessingError):
    """A database failed at what it was asked."""

    default_code = "TRAX-031"


class DatabaseQueryError(DatabaseError):
    """The database does not accept the statement: its syntax, a table or column that is not there."""

    default_code = "TRAX-026"


class DatabaseConnectionError(ConnectionError, DatabaseError):
    """No connection to the database could be made, or it broke."""

    default_code = "TRAX-024"


class DatabaseTimeoutError(TimeoutError, DatabaseError):
    """The database, or a connection to it, was not to be had in time."""

    default_code = "TRAX-028"


class DatabaseLockError(ServiceUnavailableError, DatabaseError):
    """Another transaction was in the way: a lock, a deadlock, a serialization failure."""

    default_code = "TRAX-027"


class DatabaseIntegrityError(ValidationError, DatabaseError):
    """The data contradict a constraint: unique, foreign key, not null, check."""

    default_code = "TRAX-025"
