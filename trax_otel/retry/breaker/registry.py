"""Breakers by name: what calls one dependency from several places shares one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .guard import CircuitBreaker
from .telemetry import living

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..options import BreakerOptions

_named: dict[str, CircuitBreaker] = {}


def circuit_breaker(name: str, **options: Unpack[BreakerOptions]) -> CircuitBreaker:
    """The process-wide breaker of this name; `options` are those of `CircuitBreaker` and count when it is made."""
    found = _named.get(name)
    if found is None:
        made = next((one for one in living() if one.name == name), None) or CircuitBreaker(name=name, **options)
        found = _named.setdefault(name, made)  # of two threads, the later one drops its own
    return found


def circuit_breakers() -> tuple[CircuitBreaker, ...]:
    """Every breaker of the process that has a name, sorted by it."""
    return tuple(sorted(living(), key=lambda breaker: breaker.name))


def received(name: str, options: BreakerOptions) -> CircuitBreaker:
    """The breaker of this name; what one that was sent here becomes."""
    return circuit_breaker(name, **options)
