"""What starts threads, tells time, forks and ends this process, as it was before anybody patched it.

gevent and eventlet replace functions of `threading`, `time`, `os` and `signal` by ones that switch to another greenlet. What
must work whatever the application does (the export worker, the end of the process) takes them from here: this module is
imported before any code of the application's. Nothing here may import what an application can patch, so C modules only.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the C module: `signal` makes enums, which take long
import _thread
import os
import time
from typing import Final

allocate_lock: Final = _thread.allocate_lock
start_new_thread: Final = _thread.start_new_thread
get_ident: Final = _thread.get_ident

sleep: Final = time.sleep
monotonic: Final = time.monotonic
time_ns: Final = time.time_ns

getpid: Final = os.getpid
kill: Final = os.kill
exit_now: Final = os._exit
execv: Final = os.execv
execve: Final = os.execve
write: Final = os.write

getsignal: Final = _signal.getsignal
set_signal: Final = _signal.signal
SIGTERM: Final = int(_signal.SIGTERM)
