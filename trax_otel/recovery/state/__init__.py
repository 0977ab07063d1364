# The state of operations: saved as they go, resumed where they were interrupted.
#
#   values      JSON, and what it cannot keep;      records     what is kept of an operation (stored: as a store has it)
#   storage     what a store must do;               rules       who may run, what may be saved: one transaction each
#   memory      the store that needs nothing;       sql         the stores that need the extra [state]
#   engines, schema, statements                     the two databases (they import SQLAlchemy)
#   leases      the heartbeat;                      workers     the threads that keep the event loop free
#   core        what one manager's operations share;  held      one operation's lease and what is saved under it
#   session     one run, as plans;                  context     the block around it
#   recovering  taking over, as plans;              manager     what users hold
#   telemetry   spans' links, counters, the store's health
"""Keep the state of operations, and resume what was interrupted."""

from .context import AsyncOperationState, OperationState, OperationStateContext, operation_state_context
from .errors import (
    OperationBusyError,
    OperationCompletedError,
    OperationDeadError,
    OperationNotFoundError,
    StateError,
    StateLostError,
    StateSchemaError,
    StateStoreError,
    UnstorableValueError,
)
from .manager import StateRecoveryManager, SyncStateRecovery
from .memory import MemoryStorage
from .records import OperationRecord, Recovery
from .sql import SQLStorage
from .storage import StateStorage, StateTransaction

__all__ = [
    "AsyncOperationState",
    "MemoryStorage",
    "OperationBusyError",
    "OperationCompletedError",
    "OperationDeadError",
    "OperationNotFoundError",
    "OperationRecord",
    "OperationState",
    "OperationStateContext",
    "Recovery",
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
