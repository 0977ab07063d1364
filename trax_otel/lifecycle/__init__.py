"""Fork, stop and end of the process: who must act, in which order, under one shared time budget.

* `participants`: rooms above register a `Participant`; `stop`, `flush` and `shutdown` call them.
* `process`: a process is known by its PID; a forked child has everything of ours anew at its first use.
* `ending`: the normal end and a SIGTERM that nobody handles flush first.
* `leaving`: `os._exit` and exec deliver what this process made.
* `programs`: libraries and servers whose processes end in ways of their own.
"""

from .ending import take_sigterm
from .leaving import LEAVING_SECONDS, guard_exits, is_leaving
from .participants import (
    DEFAULT_EXIT_BUDGET,
    ORDER_EXPORT,
    ORDER_LOG_FILES,
    ORDER_PRODUCERS,
    ORDER_SIGNALS,
    Deadline,
    Participant,
    exit_budget,
    flush,
    register,
    report,
    report_once,
    resume,
    set_exit_budget,
    shutdown,
    stop,
    stopping,
    tell,
)
from .process import ForkSafeLock, process_token, renew_if_forked
from .programs import HOOKED_MODULES, hook_program, hook_programs, when_starved

__all__ = [
    "DEFAULT_EXIT_BUDGET",
    "HOOKED_MODULES",
    "LEAVING_SECONDS",
    "ORDER_EXPORT",
    "ORDER_LOG_FILES",
    "ORDER_PRODUCERS",
    "ORDER_SIGNALS",
    "Deadline",
    "ForkSafeLock",
    "Participant",
    "exit_budget",
    "flush",
    "guard_exits",
    "hook_program",
    "hook_programs",
    "is_leaving",
    "process_token",
    "register",
    "renew_if_forked",
    "report",
    "report_once",
    "resume",
    "set_exit_budget",
    "shutdown",
    "stop",
    "stopping",
    "take_sigterm",
    "tell",
    "when_starved",
]
