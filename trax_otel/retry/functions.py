"""What may be retried or guarded, and what it is called."""

from __future__ import annotations

import functools
import inspect
from typing import Any


def name_of(function: Any) -> str:
    """The name that a function's operation gets."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).replace("<locals>.", "")


def refuse_what_cannot_be_retried(function: Any) -> None:
    """Raise a TypeError that says what the thing is and what to do."""
    name = name_of(function)
    if isinstance(function, type):
        raise TypeError(f"{name} is a class: wrap the function that makes it, or its __init__'s work")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{name} is a generator function: values it gave cannot be taken back; wrap what it calls")
    if not callable(function):
        raise TypeError(f"{function!r} cannot be called, so it cannot be wrapped")
