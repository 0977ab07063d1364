# Errors: what can go wrong, by a name that telemetry keeps.
#
#   codes           the registry: cause, remedy, category, retryability of every code
#   base            what every error carries
#   hierarchy       the tree
#   verdict         rules that several libraries share (HTTP, gRPC, SQLSTATE)
#   libraries       third-party exceptions by name (http_, cloud_ and database_libraries)
#   awaiting        what has to be awaited where a value was expected
#   control_flow    exceptions by which libraries steer, and what is inside groups
#   classification  from any exception to its meaning
#   facts           the same in the form that telemetry needs, with the fingerprint
#   factories       one for each category
#   handler         the decorator
#   reference       docs/error-codes.md
"""Classified errors with stable codes."""

from .awaiting import NotAwaitedError
from .base import TraxError
from .classification import classify_error, is_retryable_error, register_classifier
from .codes import ErrorCode, error_code, error_codes, register_error_code
from .control_flow import register_control_flow
from .factories import (
    create_api_error,
    create_configuration_error,
    create_filesystem_error,
    create_network_error,
    create_processing_error,
    create_recovery_error,
    create_validation_error,
)
from .facts import error_facts
from .handler import error_handler
from .hierarchy import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    ConnectionError,
    CorruptedFileError,
    DatabaseConnectionError,
    DatabaseError,
    DatabaseIntegrityError,
    DatabaseLockError,
    DatabaseQueryError,
    DatabaseTimeoutError,
    DiskSpaceError,
    DNSResolutionError,
    EnhancementError,
    EnvironmentError,
    FileNotFoundError,
    FileSystemError,
    FormatError,
    InvalidConfigError,
    InvalidInputError,
    MediaProcessingError,
    MissingConfigError,
    MissingRequiredFieldError,
    NetworkError,
    PermissionError,
    ProcessingError,
    QuotaExceededError,
    RateLimitError,
    RecoveryError,
    ServerError,
    ServiceUnavailableError,
    StreamError,
    TimeoutError,
    TranscriptionError,
    ValidationError,
)

__all__ = [
    "APIError",
    "AuthenticationError",
    "ConfigurationError",
    "ConnectionError",
    "CorruptedFileError",
    "DNSResolutionError",
    "DatabaseConnectionError",
    "DatabaseError",
    "DatabaseIntegrityError",
    "DatabaseLockError",
    "DatabaseQueryError",
    "DatabaseTimeoutError",
    "DiskSpaceError",
    "EnhancementError",
    "EnvironmentError",
    "ErrorCode",
    "FileNotFoundError",
    "FileSystemError",
    "FormatError",
    "InvalidConfigError",
    "InvalidInputError",
    "MediaProcessingError",
    "MissingConfigError",
    "MissingRequiredFieldError",
    "NetworkError",
    "NotAwaitedError",
    "PermissionError",
    "ProcessingError",
    "QuotaExceededError",
    "RateLimitError",
    "RecoveryError",
    "ServerError",
    "ServiceUnavailableError",
    "StreamError",
    "TimeoutError",
    "TranscriptionError",
    "TraxError",
    "ValidationError",
    "classify_error",
    "create_api_error",
    "create_configuration_error",
    "create_filesystem_error",
    "create_network_error",
    "create_processing_error",
    "create_recovery_error",
    "create_validation_error",
    "error_code",
    "error_codes",
    "error_facts",
    "error_handler",
    "is_retryable_error",
    "register_classifier",
    "register_control_flow",
    "register_error_code",
]
