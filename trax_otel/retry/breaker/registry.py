"""Breakers by name: what calls one dependency from several places shares one."""

from __future__ import annotations

import threading
from typing import Any

from ... import lifecycle
from .guard import CircuitBreaker
from .telemetry import living

_named: dict[str, CircuitBreaker] = {}
_lock = threading.Lock()


def circuit_breaker(name: str, **options: Any) -> CircuitBreaker:
    """The process-wide breaker of this name; `options` are those of `CircuitBreaker` and count when it is made."""
    with _lock:
        found = _named.get(name)
        if found is None:
            found = _named[name] = next((one for one in living() if one.name == name), None) or CircuitBreaker(
                name=name, **options
            )
        return found


def circuit_breakers() -> tuple[CircuitBreaker, ...]:
    """Every breaker of the process, by name."""
    return tuple(sorted(living(), key=lambda breaker: breaker.name))


def _renew() -> None:
    global _lock
    _lock = threading.Lock()


lifecycle.register(lifecycle.Participant("breakers by name", lifecycle.ORDER_SIGNALS + 2, after_fork_in_child=_renew))
