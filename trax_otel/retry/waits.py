"""How long to wait before the next attempt.

A wait is a generator of the form that `backoff` uses: its first `next()` gives nothing, every `send(error or result)` after
that gives seconds. Exponential and Fibonacci waits are `backoff`'s own generators; the others are ours.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors.awaiting import is_coroutine_function
from ..signals.stacktrace import exc_info

if TYPE_CHECKING:
    from .base import RetryConfig, RetryLimits

Strategy = Literal["exponential", "linear", "constant", "fibonacci"]
WaitGenerator = Generator[Any, Any, None]
Wait = Strategy | Iterable[float] | Callable[[], WaitGenerator] | Callable[[int], float]
"""A strategy's name, seconds one after another (the last repeats), a generator function of `backoff`'s form that needs no
argument (`functools.partial(backoff.runtime, value=…)`), or a function of the number of the attempt that failed."""
Jitter = float | str | None

STRATEGIES: Final = ("exponential", "linear", "constant", "fibonacci")

_logger = logging.getLogger(__name__)


def linear(increment: float = 1, max_value: float | None = None) -> WaitGenerator:
    """`increment`, twice that, three times that … at most `max_value`, in seconds."""
    yield
    value = increment
    while True:
        if max_value is not None and value >= max_value:
            yield max_value
        else:
            yield value
            value += increment


class Waits:
    """The waits of one retried call, in seconds. Made after its first failure."""

    __slots__ = ("_generator", "_jitter", "_limits", "_number", "_previous")

    def __init__(self, wait: Wait, limits: RetryLimits) -> None:
        self._limits = limits
        self._jitter = limits.jitter
        self._number = 0
        self._previous = limits.initial_delay
        self._generator = None if never_waits(wait, limits) else _generator(wait, limits)

    def after(self, cause: Any) -> float:
        """The wait after `cause` (an error or a result), jitter included; never more than `max_delay`."""
        generator = self._generator
        if generator is None:
            return 0.0
        limits = self._limits
        try:
            value = float(generator.send(cause))
            if not value >= 0:
                raise ValueError(f"{value} is no wait")
        except OverflowError:  # it grew beyond what a float can hold, and stays beyond
            value = limits.max_delay
            self._generator = _started(_listed([value]))
        except Exception as failure:  # the user's own generator
            value = limits.initial_delay
            _report(failure)
        if value > limits.max_delay:
            value = limits.max_delay
        if self._jitter is None or (value == 0 and self._jitter != "decorrelated"):
            return value
        return self._spread(value)

    def _spread(self, value: float) -> float:
        import backoff

        jitter, limits = self._jitter, self._limits
        if jitter == "full":
            return backoff.full_jitter(value)
        if jitter == "equal":
            return value / 2 + backoff.full_jitter(value / 2)
        if jitter == "decorrelated":
            least = limits.initial_delay
            spread = least + backoff.full_jitter(max(0.0, self._previous * 3 - least))
            self._previous = min(spread, limits.max_delay)
            return self._previous
        assert isinstance(jitter, (int, float))
        return min(value * (1 - jitter) + backoff.full_jitter(2 * value * jitter), limits.max_delay)


def never_waits(wait: Wait, limits: RetryLimits) -> bool:
    """Whether all waits are 0."""
    return limits.max_delay == 0 or (limits.initial_delay == 0 and isinstance(wait, str))


def _generator(wait: Wait, limits: RetryLimits) -> WaitGenerator:
    return _started(_made(wait, limits))


def _started(generator: WaitGenerator) -> WaitGenerator:
    next(generator)  # backoff's generators begin so
    return generator


def _made(wait: Wait, limits: RetryLimits) -> WaitGenerator:
    if callable(wait):
        return wait() if inspect.isgeneratorfunction(wait) else _called(wait)  # type: ignore[arg-type]
    if not isinstance(wait, str):
        return _listed(list(wait))
    if wait == "linear":
        return linear(limits.initial_delay, limits.max_delay)
    if wait == "constant":
        return _listed([limits.initial_delay])
    import backoff  # it pulls asyncio: only when something has failed

    if wait == "exponential":
        return backoff.expo(base=2, factor=limits.initial_delay, max_value=limits.max_delay)
    return _scaled(backoff.fibo(), limits.initial_delay)


def _called(function: Callable[[int], float]) -> WaitGenerator:
    yield
    number = 1
    while True:
        yield function(number)
        number += 1


def _listed(values: list[float]) -> WaitGenerator:
    yield
    for value in values:  # noqa: UP028 — a list's iterator cannot be sent anything
        yield value
    while True:
        yield values[-1]


def _scaled(generator: WaitGenerator, factor: float) -> WaitGenerator:
    next(generator)
    yield
    for value in generator:
        yield value * factor


_reported = False


def _report(failure: Exception) -> None:
    global _reported
    if not _reported:
        _reported = True
        _logger.error("a retry's wait failed, so its initial delay is used: %s", failure, exc_info=exc_info(failure))


def check_wait(wait: Any) -> str | None:
    """What is wrong with a `wait` argument, or None."""
    allowed = f"one of {', '.join(STRATEGIES)}, a list of seconds, a function or a generator function"
    if isinstance(wait, str):
        return None if wait in STRATEGIES else f"{wait!r} is not {allowed}"
    if is_coroutine_function(wait) or inspect.isasyncgenfunction(wait):
        return f"{wait!r} has to be awaited; a wait is only called"
    if callable(wait):
        return None
    if hasattr(wait, "__next__"):
        return f"{wait!r} can be used up only once: pass a list, or the generator function"
    try:
        values = list(wait)
    except TypeError:
        return f"{wait!r} is not {allowed}"
    if not values or not all(isinstance(value, (int, float)) and value >= 0 for value in values):
        return f"{values!r} is not a list of seconds, each 0 or more, with at least one"
    return None


def delays(config: RetryConfig, count: int) -> list[float]:
    """The first `count` waits that a configuration gives, in seconds: to look at it, or to plot it."""
    waits = Waits(config.wait, config.limits())
    return [waits.after(None) for _ in range(count)]
