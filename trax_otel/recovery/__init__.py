# Recovery: what failed is answered otherwise, what was interrupted is resumed.
#
#   base         what a recovery is told, and what a strategy must be able to do
#   manager      strategies by priority; attempt is one recovery, as a plan; failure what is raised when nothing answered
#   telemetry    spans, counts and log lines
#   strategies/  rollback, cleanup, health checks, resumed state, functions
#   fallbacks/   alternatives, caches, feature levels
#   state/       the state of operations, kept and resumed
"""Recovery: what failed is answered otherwise, what was interrupted is resumed."""

from .base import DEFAULT_PRIORITY, PREPARED, RecoveryContext, RecoveryStrategy
from .manager import RecoveryManager
from .state import (
    AsyncOperationState,
    MemoryStorage,
    OperationBusyError,
    OperationCompletedError,
    OperationDeadError,
    OperationNotFoundError,
    OperationRecord,
    OperationState,
    Recovery,
    SQLStorage,
    StateError,
    StateLostError,
    StateRecoveryManager,
    StateSchemaError,
    StateStorage,
    StateStoreError,
    StateTransaction,
    SyncStateRecovery,
    UnstorableValueError,
    operation_state_context,
)
from .strategies import CallableStrategy

__all__ = [
    "DEFAULT_PRIORITY",
    "PREPARED",
    "AsyncOperationState",
    "CallableStrategy",
    "MemoryStorage",
    "OperationBusyError",
    "OperationCompletedError",
    "OperationDeadError",
    "OperationNotFoundError",
    "OperationRecord",
    "OperationState",
    "Recovery",
    "RecoveryContext",
    "RecoveryManager",
    "RecoveryStrategy",
    "SQLStorage",
    "StateError",
    "StateLostError",
    "StateRecoveryManager",
    "StateSchemaError",
    "StateStorage",
    "StateStoreError",
    "StateTransaction",
    "SyncStateRecovery",
    "UnstorableValueError",
    "operation_state_context",
]
