# What tests need, ours and those of our users.
#
#   fake_clock   time that moves only when told to
#   captured     telemetry kept in memory, with assertions that say what was there
#   faults       functions and collectors that fail on demand
"""A fake clock, captured telemetry and fault injection, for your own tests."""

from .captured import CapturedLog, CapturedSpan, CapturedTelemetry, capture
from .fake_clock import FakeClock, fake_clock
from .faults import Collector, collector, fails

__all__ = [
    "CapturedLog",
    "CapturedSpan",
    "CapturedTelemetry",
    "Collector",
    "FakeClock",
    "capture",
    "collector",
    "fails",
    "fake_clock",
]
