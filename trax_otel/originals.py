"""What starts threads, tells time, forks and ends this process, as it was before anybody patched it.

gevent and eventlet replace functions of `threading`, `time`, `os` and `signal` by ones that switch to another greenlet. What
must work whatever the application does (the export worker, the end of the process) takes them from here. Under
`trax-otel run` this module is imported before any code of the application's; where it is imported later, it asks those two
for what they replaced. Nothing here may import what an application can patch, so C modules only.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the C module: `signal` makes enums, which take long
import _thread
import os
import sys
import time
from collections.abc import Callable
from types import BuiltinFunctionType, ModuleType
from typing import Any, Final


def _original(module: ModuleType, name: str) -> Any:
    """A function of a C module as it was made, whoever replaced it since."""
    present = getattr(module, name)
    if _is_of_c(present):
        return present
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None:
        present = gevent.get_original(module.__name__, name)
    if eventlet is not None and not _is_of_c(present):
        present = getattr(eventlet.original(module.__name__), name)
    return present


def _is_of_c(found: object) -> bool:
    return isinstance(found, BuiltinFunctionType) or getattr(found, "__module__", "") == "_thread"


allocate_lock: Final[Callable[[], Any]] = _original(_thread, "allocate_lock")
start_new_thread: Final = _original(_thread, "start_new_thread")
reentrant_lock: Final = _original(_thread, "RLock")
get_ident: Final[Callable[[], int]] = _original(_thread, "get_ident")

sleep: Final = _original(time, "sleep")
monotonic: Final = time.monotonic
time_ns: Final = time.time_ns

getpid: Final = os.getpid
kill: Final = os.kill
exit_now: Final = os._exit
execv: Final = os.execv
execve: Final = os.execve
write: Final = os.write

getsignal: Final = _original(_signal, "getsignal")
set_signal: Final = _original(_signal, "signal")
SIGTERM: Final = int(_signal.SIGTERM)
