"""The switch for all log libraries."""

from __future__ import annotations

from ..adoption import adopt


def adopt_log_libraries() -> None:
    """Have the lines of loguru and structlog sent on, once they are imported."""
    adopt("loguru", "loguru._logger", _loguru)
    adopt("structlog", "structlog._base", _structlog)


def _loguru() -> None:
    from .loguru import hook

    hook()


def _structlog() -> None:
    from .structlog import hook

    hook()
