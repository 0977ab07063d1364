"""The first log record that passes its logger sets telemetry up, so that it is sent like all that follow."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

from .. import deferral
from .imports import when_imported

LEVEL_VARIABLE: Final = "TRAX_LOG_LEVEL"
_NAME: Final = "callHandlers"


def watch_records() -> None:
    """Set telemetry up at the first record, whenever `logging` is imported."""
    when_imported("logging", _watch)


def _watch() -> None:
    owner = sys.modules["logging"].Logger
    if deferral.pending():
        setattr(owner, _NAME, UntilFirstRecord(owner, vars(owner)[_NAME]))
    if os.environ.get(LEVEL_VARIABLE):
        _set_level()


def _set_level() -> None:
    """Only where the user asked for a level: the root logger's own default holds otherwise, as without us."""
    from .. import config

    sys.modules["logging"].getLogger().setLevel(config.settings().logging.level)


class UntilFirstRecord:
    """`Logger.callHandlers` until it is looked up: then it is itself again, and so in no traceback."""

    def __init__(self, owner: Any, method: Any) -> None:
        self._owner = owner
        self._method = method

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None and sys._getframe(1).f_globals.get("__name__", "").startswith("trax_otel."):
            return self._method
        if vars(self._owner).get(_NAME) is self:
            setattr(self._owner, _NAME, self._method)
            deferral.settle()
        return getattr(self._owner if instance is None else instance, _NAME)
