"""Generators timed over their whole life: from the first value asked for until they return, raise or are closed.

The operation's span is current while the generator's own code runs, and not while its consumer works with a value.
Values sent in, exceptions thrown in and the returned value pass through as with `yield from`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .operation import Operation


def timed_generator(
    function: Callable[..., Generator[Any, Any, Any]], operate: Callable[[], Operation]
) -> Callable[..., Generator[Any, Any, Any]]:
    """A generator function like `function`, each of its generators one run of an operation."""

    def generator_function(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        step: Callable[[Any], Any] = generator.send
        argument: Any = None
        operation = operate().begin()
        while True:
            try:
                value = step(argument)
            except StopIteration as stop:
                operation.end()
                return stop.value
            except BaseException as error:
                argument = None  # what was thrown in and comes out again would hold this frame, and the frame it
                operation.end(error)
                raise
            operation.suspend()
            try:
                argument = yield value
                step = generator.send
            except GeneratorExit as closing:
                operation.resume()
                try:
                    generator.close()
                except BaseException as error:
                    operation.end(error)
                    raise
                operation.end(closing)
                raise
            except BaseException as thrown:
                step, argument = generator.throw, thrown
            operation.resume()

    return generator_function


def timed_async_generator(
    function: Callable[..., AsyncGenerator[Any, Any]], operate: Callable[[], Operation]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """`timed_generator` for async generators."""

    async def async_generator_function(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = function(*args, **kwargs)
        step: Callable[[Any], Any] = generator.asend
        argument: Any = None
        operation = operate().begin()
        while True:
            try:
                value = await step(argument)
            except StopAsyncIteration:
                operation.end()
                return
            except BaseException as error:
                argument = None  # what was thrown in and comes out again would hold this frame, and the frame it
                operation.end(error)
                raise
            operation.suspend()
            try:
                argument = yield value
                step = generator.asend
            except GeneratorExit as closing:
                operation.resume()
                try:
                    await generator.aclose()
                except BaseException as error:
                    operation.end(error)
                    raise
                operation.end(closing)
                raise
            except BaseException as thrown:
                step, argument = generator.athrow, thrown
            operation.resume()

    return async_generator_function
