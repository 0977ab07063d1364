"""What a forked child must have anew, while providers, tracers and instruments stay the same objects.

The SDK has hooks of its own for this; they start threads inside the fork to ask for a new instance id, and leave
cumulative metric state and some locks as they were. The providers here switch them off and this module does it all:
new locks (a thread of the parent's may have held one), metrics from 0 with a new start time.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  # first: its own fork hook must run before ours, else a child hung
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from .. import originals
from ..lifecycle import renew_if_forked
from ..signals.exporting import exporting
from . import private

if TYPE_CHECKING:
    from opentelemetry._logs import Logger
    from opentelemetry.trace import Tracer

    from .reader import PeriodicReader

_LOCK: Final = type(originals.allocate_lock())
_RLOCK: Final = type(originals.reentrant_lock())


class ForkingTracerProvider(TracerProvider):
    """A tracer provider that leaves its renewal after a fork to this module, and knows whom it gave tracers."""

    def __init__(self, **settings: Any) -> None:
        self.tracers: WeakSet[Any] = WeakSet()
        super().__init__(**settings)

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        """A tracer, remembered for as long as somebody has it."""
        tracer = super().get_tracer(*args, **kwargs)
        self.tracers.add(tracer)
        return tracer

    def _handle_fork(self) -> None:
        return


class ForkingMeterProvider(MeterProvider):
    """A meter provider that leaves its renewal after a fork to this module."""

    def watch(self, readers: Sequence[PeriodicReader]) -> None:
        """Mark these readers at each measurement; one in a child that forked unnoticed first makes all its own."""

        def measured() -> None:
            renew_if_forked()
            if not exporting():  # what we count of the export itself is no news
                for reader in readers:
                    reader.fresh = True

        private.at_measurement(self, measured)

    def _handle_fork(self) -> None:
        return


class ForkingLoggerProvider(LoggerProvider):
    """A logger provider that leaves its renewal after a fork to this module, and knows whom it gave loggers."""

    def __init__(self, **settings: Any) -> None:
        self.loggers: WeakSet[Any] = WeakSet()
        super().__init__(**settings)

    def get_logger(self, *args: Any, **kwargs: Any) -> Logger:
        """A logger, remembered for as long as somebody has it."""
        logger = super().get_logger(*args, **kwargs)
        self.loggers.add(logger)
        return logger

    def _handle_fork(self) -> None:
        return


def renew_locks(owner: object) -> None:
    """Replace each lock among an object's attributes by a free one."""
    attributes = getattr(owner, "__dict__", None)
    for name, value in list((attributes or {}).items()):
        if isinstance(value, _LOCK):
            setattr(owner, name, originals.allocate_lock())
        elif isinstance(value, _RLOCK):
            setattr(owner, name, originals.reentrant_lock())


def renew_tracer_provider(provider: TracerProvider) -> None:
    """New locks for a tracer provider and what it consists of."""
    _renew(provider, private.processor_of(provider, "_active_span_processor"))


def renew_logger_provider(provider: LoggerProvider) -> None:
    """New locks for a logger provider and what it consists of."""
    _renew(provider, private.processor_of(provider, "_multi_log_record_processor"))


def renew_meter_provider(provider: MeterProvider) -> None:
    """New locks, and instruments that count from 0 with a start time of now."""
    _renew(provider, *private.parts_of(provider))
    private.count_from_zero(provider)


def _renew(*owners: object) -> None:
    for owner in owners:
        renew_locks(owner)
