"""The breaker as a decorator. While it is closed, a call that goes well costs two reads and one count."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ... import clock
from ...errors.awaiting import SETTLED, error_of, has_to_be_awaited, is_coroutine_function, is_future, watched
from ..functions import name_of, refuse_what_cannot_be_retried
from .permits import Permit

if TYPE_CHECKING:
    from .guard import CircuitBreaker


def decorated(breaker: CircuitBreaker, function: Any) -> Any:
    """The function behind the breaker."""
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(decorated(breaker, function.__func__))
    refuse_what_cannot_be_retried(function)
    breaker.adopt(name_of(function))
    return _guarded_coroutine(breaker, function) if is_coroutine_function(function) else _guarded(breaker, function)


def _guarded(breaker: CircuitBreaker, function: Any) -> Any:
    machine, success, rated = breaker.machine, breaker.calls.counter("success"), breaker.rules.rated

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        epoch = machine.closed_epoch
        if not epoch:
            return breaker.call(function, *args, **kwargs)
        started = clock.current().monotonic() if rated else 0.0
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            breaker.record(epoch, 0, error, clock.current().monotonic() - started)
            raise
        if type(value) not in SETTLED and has_to_be_awaited(value):
            return handed_back(Permit(breaker, epoch, 0, started), value)
        if rated or machine.failures:
            breaker.record(epoch, 0, None, clock.current().monotonic() - started)
        else:
            next(success)
        return value

    return guarded


def _guarded_coroutine(breaker: CircuitBreaker, function: Any) -> Any:
    machine, success, rated = breaker.machine, breaker.calls.counter("success"), breaker.rules.rated

    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        epoch = machine.closed_epoch
        if not epoch:
            return await breaker.acall(function, *args, **kwargs)
        started = clock.current().monotonic() if rated else 0.0
        try:
            value = await function(*args, **kwargs)
        except BaseException as error:
            breaker.record(epoch, 0, error, clock.current().monotonic() - started)
            raise
        if rated or machine.failures:
            breaker.record(epoch, 0, None, clock.current().monotonic() - started)
        else:
            next(success)
        return value

    return guarded


def handed_back(permit: Permit, value: Any) -> Any:
    """What a plain function has handed back unfinished: the call ends when this does. A Task or Future stays what it is."""
    if is_future(value):
        value.add_done_callback(lambda future: permit.record(error_of(future)))
        return value
    try:
        return watched(value, functools.partial(_awaited, permit))
    except BaseException as refused:
        permit.record(refused)
        raise


async def _awaited(permit: Permit, value: Any) -> Any:
    try:
        value = await value
    except BaseException as error:
        permit.record(error)
        raise
    permit.record()
    return value
