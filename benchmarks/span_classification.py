"""What it costs a span without an error that exceptions are classified and outcomes told where they happen."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider

from trax_otel.sdk.exceptions import classify_recorded_exceptions, leave_exceptions_alone

from .harness import Case, Result, compare

TITLE = "A span of any library, with and without the classification of its exceptions"
BASELINE, CLASSIFIED, FAILING, FAILING_CLASSIFIED = (
    "span, 3 attributes",
    "span, 3 attributes, classified",
    "failing span",
    "failing span, classified",
)
TARGETS = {CLASSIFIED: 1.03}

_tracer = TracerProvider(shutdown_on_exit=False).get_tracer("benchmark")


def _good(calls: int) -> None:
    for _ in range(calls):
        with _tracer.start_as_current_span("work", attributes={"a": 1, "b": "two", "c": 3.0}):
            pass


def _failing(calls: int) -> None:
    for _ in range(calls):
        try:
            with _tracer.start_as_current_span("work", attributes={"a": 1, "b": "two", "c": 3.0}):
                raise ValueError("failed")
        except ValueError:
            continue


def _classified(case: Case) -> Case:
    def classified(calls: int) -> None:
        classify_recorded_exceptions()
        try:
            case(calls)
        finally:
            leave_exceptions_alone()

    return classified


def run(rounds: int) -> Result:
    """Interleaved, in one process."""
    cases = {
        BASELINE: _good,
        CLASSIFIED: _classified(_good),
        FAILING: _failing,
        FAILING_CLASSIFIED: _classified(_failing),
    }
    return compare(cases, rounds=rounds)
