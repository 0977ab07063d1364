"""What imports set off waits while a program patches itself: what it would import then would be bound half patched for good.

gevent looks through all living objects as it patches `threading`; a library's lazy objects import half of the library at
that look (celery's do), and instrumentors loaded by such an import would bring in the other half.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, Final

from .imports import postponing, when_imported

_PATCHERS: Final = {"gevent.monkey": ("patch_all", "patch_thread"), "eventlet.patcher": ("monkey_patch",)}
"""Module → its functions that patch."""


def watch_patching(before: Callable[[], object]) -> None:
    """Let `before` return before any patching begins, and have actions of `when_imported` wait for its end."""
    for module in _PATCHERS:
        when_imported(module, functools.partial(_watch, module, before))


def _watch(name: str, before: Callable[[], object]) -> None:
    module = sys.modules[name]
    for function in _PATCHERS[name]:
        setattr(module, function, _watched(getattr(module, function), before))


def _watched(original: Callable[..., Any], before: Callable[[], object]) -> Callable[..., Any]:
    def patch(*args: Any, **kwargs: Any) -> Any:
        before()
        with postponing():
            return original(*args, **kwargs)

    functools.update_wrapper(patch, original)
    # What it warns of is shown at its caller's line: warnings pass over frames of the import system, told by this name.
    patch.__code__ = patch.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    return patch
