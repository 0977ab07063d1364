# A circuit breaker: what keeps failing is left alone for a while.
#
#   rules     when it trips, and for how long;      windows   the calls that a rate is taken over
#   machine   the states, without telemetry or time of its own
#   guard     CircuitBreaker: what users hold;      permits   one admitted call;    blocks     which `with` block ends
#   errors    what a rejected call raises;          registry  breakers by name;     telemetry  what it tells
#   decorating  the decorator and its fast path
"""Circuit breakers."""

from .errors import CircuitOpenError
from .guard import CircuitBreaker
from .machine import State
from .permits import Permit
from .registry import circuit_breaker, circuit_breakers
from .telemetry import StateChange

__all__ = [
    "CircuitBreaker",
    "CircuitOpenError",
    "Permit",
    "State",
    "StateChange",
    "circuit_breaker",
    "circuit_breakers",
]
