"""Objects with a lock that a forked child gets anew: the thread that held it is not there any more."""

from __future__ import annotations

import threading
import weakref

from ... import lifecycle


class Locked:
    """Holds `lock`, for short sections that call nobody."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        _living.add(self)


_living: weakref.WeakSet[Locked] = weakref.WeakSet()


def _renew() -> None:
    for one in list(_living):
        one.lock = threading.Lock()


lifecycle.register(lifecycle.Participant("fallbacks", lifecycle.ORDER_PRODUCERS, after_fork_in_child=_renew))
