# Retry: the call that fails in a way that may pass is made again.
#
#   base        RetryConfig
#   waits       how long to wait;        after       what a peer asks for
#   conditions  what is retried;         budget      what many calls share
#   plan        effects and outcomes;    policy      the engine, as a plan (decision: what follows a failed attempt)
#   drivers     run a plan, sync or async (limit: a time limit for one await)
#   decorators, context, iteration       the ways to use it;    functions   what may be decorated
#   callbacks   users' functions, contained;     details     what callbacks and notes know
#   telemetry   what traces and metrics know
#   breaker/    the circuit breaker
"""Retries, budgets and circuit breakers."""

from .base import RetryConfig
from .breaker import CircuitBreaker, CircuitOpenError, Permit, State, StateChange, circuit_breaker, circuit_breakers
from .budget import RetryBudget, retry_budget
from .context import RetryContext, Retrying, retrying
from .decorators import async_retry, retry
from .details import FailedAttempt, RetryDetails
from .iteration import Attempt
from .policy import disabled
from .waits import delays, linear

__all__ = [
    "Attempt",
    "CircuitBreaker",
    "CircuitOpenError",
    "FailedAttempt",
    "Permit",
    "RetryBudget",
    "RetryConfig",
    "RetryContext",
    "RetryDetails",
    "Retrying",
    "State",
    "StateChange",
    "async_retry",
    "circuit_breaker",
    "circuit_breakers",
    "delays",
    "disabled",
    "linear",
    "retry",
    "retry_budget",
    "retrying",
]
