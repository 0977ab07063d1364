# For tests, ours and users': time that stands still, telemetry that can be asked, faults on demand.
#
#   fakeclock  a clock that only the test moves
#   captured   everything emitted inside a block, with readable assertions
#   records    what is asked of: spans, events, log records, data points
#   tree       captured spans as text
#   faults     callables and files that fail as told
#   collector  a real OTLP/HTTP server that misbehaves as told
"""A fake clock, captured telemetry and fault injection (see docs/testing.md); the pytest fixtures stand on these."""

from .captured import CapturedTelemetry, capture
from .collector import Behaviour, Collector, Request, accepts, answers, collector_that, drops, hangs, refuses
from .fakeclock import FakeClock, fake_clock
from .faults import Call, Delayed, FaultySink, Scripted, failing, scripted
from .records import CapturedEvent, CapturedLog, CapturedPoint, CapturedSpan

__all__ = [
    "Behaviour",
    "Call",
    "CapturedEvent",
    "CapturedLog",
    "CapturedPoint",
    "CapturedSpan",
    "CapturedTelemetry",
    "Collector",
    "Delayed",
    "FakeClock",
    "FaultySink",
    "Request",
    "Scripted",
    "accepts",
    "answers",
    "capture",
    "collector_that",
    "drops",
    "failing",
    "fake_clock",
    "hangs",
    "refuses",
    "scripted",
]
