# Strategies: ways to recover that a manager tries in order, and what they stand on.
#
#   simple     a function as a strategy
#   rollback   a block whose effects are taken back where it fails; resources says what can take part
#   cleanup    what was opened is closed, what was made deleted; processes says how a process is ended
#   health     checks in the background that recover what stays broken; watching is one round of them,
#              streaks decides, bounded calls
#   resume     the operation goes on where its saved state ends
#   unwinding  the plan under rollback and cleanup: the last first, each contained
"""Ways to recover."""

from .cleanup import ResourceCleanup
from .health import HealthCheckRecovery, HealthStatus
from .resume import StateRecoveryStrategy
from .rollback import Transaction, TransactionRollbackStrategy, transaction
from .simple import CallableStrategy

__all__ = [
    "CallableStrategy",
    "HealthCheckRecovery",
    "HealthStatus",
    "ResourceCleanup",
    "StateRecoveryStrategy",
    "Transaction",
    "TransactionRollbackStrategy",
    "transaction",
]
