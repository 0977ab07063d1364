"""A call that cannot take longer than it may, whatever it does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises; TimeoutError where it needs longer.

    A socket's own time limit starts anew with each byte, and looking up a name has none: so the call runs in a thread of
    its own, which is left behind when its time is over.
    """
    done: list[tuple[T | None, BaseException | None]] = []

    def work() -> None:
        try:
            done.append((call(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=work, name="trax-otel doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise TimeoutError(f"no answer within {seconds:g} s")
    result, error = done[0]
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # without an error it is what `call` returned
