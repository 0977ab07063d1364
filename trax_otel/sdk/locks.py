"""The SDK's locks in a patched program: native ones, like ours.

Where gevent or eventlet patched `threading` before the SDK was imported, the SDK's metrics would be guarded by locks of
greenlets, which our collecting thread must not share (eventlet's then wakes a greenlet in the wrong thread). The SDK holds its
locks for short sections that call nothing of the application's, so native locks block nobody for long.
"""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import Any, Final

from .. import native, originals

_PREFIXES: Final = ("opentelemetry.sdk.", "opentelemetry.attributes", "opentelemetry.metrics.", "opentelemetry.util.")


class _Threading(SimpleNamespace):
    """`threading` as the application has it, but for the locks."""

    Lock = staticmethod(originals.allocate_lock)
    RLock = originals.reentrant_lock

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)


def use_native_locks() -> None:
    """Have the SDK's modules make native locks from now on, where `threading` is patched; else do nothing."""
    if not native.patched():
        return
    native_ones = {id(threading.Lock): originals.allocate_lock, id(threading.RLock): originals.reentrant_lock}
    native_ones[id(threading)] = _Threading()
    for name, module in list(sys.modules.items()):
        if name.startswith(_PREFIXES) and module is not None:
            for attribute, value in list(vars(module).items()):
                if id(value) in native_ones:
                    setattr(module, attribute, native_ones[id(value)])
