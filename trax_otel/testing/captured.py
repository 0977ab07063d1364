"""Everything that is emitted inside a block, kept in memory, with assertions that say what was there instead."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import semconv, signals
from ..logging import attach_otlp_handler, detach_otlp_handler
from ..sdk import CapturedProviders, capture_providers
from ..signals import aggregate
from .records import CapturedEvent, CapturedLog, CapturedPoint, CapturedSpan, log_of, points_of, span_of
from .tree import render

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_OWNER = "trax_otel.testing"


class CapturedTelemetry:
    """What `capture` yields. Methods that look for one thing raise AssertionError which lists what there was."""

    def __init__(self, providers: CapturedProviders) -> None:
        self._providers = providers

    # --- For code that is handed its providers ---------------------------------------------------------------------------

    @property
    def tracer_provider(self) -> TracerProvider:
        """To hand to an instrumentation: `instrument(tracer_provider=…)`."""
        return self._providers.tracer_provider

    @property
    def meter_provider(self) -> MeterProvider:
        """To hand to an instrumentation."""
        return self._providers.meter_provider

    @property
    def logger_provider(self) -> LoggerProvider:
        """To hand to an instrumentation."""
        return self._providers.logger_provider

    def tracer(self, name: str = "test") -> Tracer:
        """A plain OpenTelemetry tracer whose spans are captured."""
        return self.tracer_provider.get_tracer(name)

    def meter(self, name: str = "test") -> Meter:
        """A plain OpenTelemetry meter whose measurements are captured."""
        return self.meter_provider.get_meter(name)

    # --- Spans -----------------------------------------------------------------------------------------------------------

    @property
    def spans(self) -> list[CapturedSpan]:
        """The spans that have ended, in that order."""
        return [span_of(span) for span in self._providers.spans()]

    def span(self, name: str, attributes: Mapping[str, Any] | None = None, **more: Any) -> CapturedSpan:
        """The one span of this name with these attributes (`http_route="/x"` stands for `http.route`)."""
        named = [span for span in self.spans if span.name == name]
        found = [span for span in named if _fits(span.attributes, attributes, more)]
        if len(found) == 1:
            return found[0]
        wanted = f"span {name!r}{_with(attributes, more)}"
        if named and not found:
            there = "\n  ".join(f"{span.name} {dict(span.attributes)}" for span in named)
            raise AssertionError(f"no {wanted}; of that name there are:\n  {there}")
        there = "\n".join(f"  {line}" for line in self.tree().splitlines()) or "  none"
        raise AssertionError(f"{len(found) or 'no'} {wanted}; spans captured:\n{there}")

    def children(self, span: CapturedSpan) -> list[CapturedSpan]:
        """The spans directly under `span`, by start."""
        found = [child for child in self.spans if child.parent_id == span.span_id]
        return sorted(found, key=lambda child: (child.start_ns, child.span_id))

    def tree(self, attributes: Collection[str] | None = None) -> str:
        """Spans as an indented tree with events and log lines, without times and ids: made for snapshots.

        `attributes` names those of the spans' attributes to show.
        """
        return render(self.spans, self.logs, attributes)

    # --- Log records and events ------------------------------------------------------------------------------------------

    @property
    def logs(self) -> list[CapturedLog]:
        """The log records, in order of emission."""
        return [log_of(record) for record in self._providers.log_records()]

    def log(self, body: str, attributes: Mapping[str, Any] | None = None, **more: Any) -> CapturedLog:
        """The one log record whose message contains `body`, with these attributes."""
        found = [log for log in self.logs if body in log.body and _fits(log.attributes, attributes, more)]
        if len(found) == 1:
            return found[0]
        there = "\n  ".join(f"{log.severity} {log.logger}: {log.body} {dict(log.attributes)}" for log in self.logs)
        raise AssertionError(
            f"{len(found) or 'no'} log record {body!r}{_with(attributes, more)}; captured:\n  {there or 'none'}"
        )

    def events(self, name: str | None = None) -> list[CapturedEvent]:
        """Events of spans and events that are log records, by time; log lines on spans only when asked for by name."""
        names = {span.span_id: span.name for span in self.spans}
        found = [event for span in self.spans for event in span.events]
        found += [
            CapturedEvent(log.event_name, log.attributes, log.time_ns, names.get(log.span_id or 0))
            for log in self.logs
            if log.event_name
        ]
        found.sort(key=lambda event: event.time_ns)
        return [e for e in found if (e.name != semconv.LOG_EVENT if name is None else e.name == name)]

    def event(self, name: str, attributes: Mapping[str, Any] | None = None, **more: Any) -> CapturedEvent:
        """The one event of this name with these attributes."""
        found = [event for event in self.events(name) if _fits(event.attributes, attributes, more)]
        if len(found) == 1:
            return found[0]
        there = "\n  ".join(f"{event.name} {dict(event.attributes)}" for event in self.events())
        raise AssertionError(
            f"{len(found) or 'no'} event {name!r}{_with(attributes, more)}; captured:\n  {there or 'none'}"
        )

    # --- Metrics ---------------------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> dict[str, list[CapturedPoint]]:
        """Every metric's data points by its name: cumulative, collected now."""
        return {name: points_of(metric) for name, metric in self._providers.metrics().items()}

    def metric(self, name: str, attributes: Mapping[str, Any] | None = None, **more: Any) -> CapturedPoint:
        """The one data point of this metric with these attributes (`trax_error_code=…` stands for `trax.error.code`)."""
        metrics = self.metrics
        found = [point for point in metrics.get(name, []) if _fits(point.attributes, attributes, more)]
        if len(found) == 1:
            return found[0]
        there = "\n  ".join(str(point) for point in metrics.get(name, [])) or ", ".join(sorted(metrics)) or "none"
        raise AssertionError(
            f"{len(found) or 'no'} data point of {name!r}{_with(attributes, more)}; there are:\n  {there}"
        )

    def total(self, name: str, attributes: Mapping[str, Any] | None = None, **more: Any) -> float:
        """The sum of a counter's data points (a histogram's counts) with these attributes; 0 where there are none."""
        points = [point for point in self.metrics.get(name, []) if _fits(point.attributes, attributes, more)]
        return sum((point.count or 0 if point.value is None else point.value for point in points), 0.0)

    def clear(self) -> None:
        """Forget spans and log records; metrics are cumulative and stay."""
        self._providers.clear()


@contextmanager
def capture(
    *, log_level: int | str = logging.INFO, resource: Mapping[str, str] | None = None
) -> Iterator[CapturedTelemetry]:
    """Capture what is emitted through trax_otel, and every log record, inside the block, in all threads.

    OpenTelemetry's global providers stay as they are: code that makes spans of its own is handed `.tracer_provider`.
    Ids count from 1, the figures of `export_all_metrics()` start from 0. `log_level` is the root logger's inside the
    block; `resource` gives resource attributes.
    """
    providers = capture_providers(resource)
    root = logging.getLogger()
    level = root.level
    restore = signals.use_providers(
        tracer_provider=providers.tracer_provider,
        meter_provider=providers.meter_provider,
        logger_provider=providers.logger_provider,
    )
    aggregate.reset()
    attach_otlp_handler(_OWNER)
    root.setLevel(log_level)
    try:
        yield CapturedTelemetry(providers)
    finally:
        root.setLevel(level)
        detach_otlp_handler(_OWNER)
        restore()
        providers.shutdown()


def _fits(attributes: Mapping[str, Any], wanted: Mapping[str, Any] | None, more: Mapping[str, Any]) -> bool:
    if any(attributes.get(key) != value for key, value in (wanted or {}).items()):
        return False
    spoken = {key.replace(".", "_"): value for key, value in attributes.items()} if more else {}
    return all(key in spoken and spoken[key] == value for key, value in more.items())


def _with(wanted: Mapping[str, Any] | None, more: Mapping[str, Any]) -> str:
    both = {**(wanted or {}), **more}
    return f" with {both}" if both else ""
