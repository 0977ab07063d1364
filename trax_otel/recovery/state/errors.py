"""What goes wrong with the state of operations.

StateError                     TRAX-017
├── StateLostError             TRAX-023   the lease or the store is lost: the operation stops
├── StateStoreError            TRAX-023   the store did not answer or refused; retryable
├── OperationBusyError         TRAX-017   somebody runs it now; retryable
├── OperationCompletedError    TRAX-017   it is completed, and a step was asked for that it does not have
├── OperationDeadError         TRAX-017   it was recovered too often
└── OperationNotFoundError     TRAX-017   nothing is kept under this id
UnstorableValueError           TRAX-004   a value that JSON cannot say, or too large a one
StateSchemaError               TRAX-006   the database was written by a newer trax_otel
"""

from __future__ import annotations

from ...errors import ConfigurationError, InvalidInputError, ProcessingError


class StateError(ProcessingError):
    """The base of what concerns an operation's state."""


class StateLostError(StateError):
    """The operation's lease could not be renewed or its state not be saved, or another process has taken it over."""

    default_code = "TRAX-023"


class StateStoreError(StateError):
    """The store did not answer, or refused: no connection, a full disk, a file that cannot be opened."""

    default_code = "TRAX-023"


class OperationBusyError(StateError):
    """The operation is running: its lease is being renewed by whoever holds it."""


class OperationCompletedError(StateError):
    """A completed operation was asked for a step that it has no result of; nothing of it is run again."""


class OperationDeadError(StateError):
    """The operation was recovered as often as allowed and rests until somebody queues it anew."""


class OperationNotFoundError(StateError):
    """Nothing is kept under this operation id."""


class UnstorableValueError(InvalidInputError):
    """A value cannot be kept: JSON has no such type, or its text is too large."""


class StateSchemaError(ConfigurationError):
    """The database's schema is newer than this version of trax_otel."""


_PUBLIC = (
    StateError, StateLostError, StateStoreError, OperationBusyError, OperationCompletedError, OperationDeadError,
    OperationNotFoundError, UnstorableValueError, StateSchemaError,
)  # fmt: skip
for _error in _PUBLIC:
    _error.__module__ = "trax_otel.recovery.state"  # the public path outlives the files' layout
