"""Telemetry kept in memory, with assertions whose failures list what was really there."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import TracerProvider

    from ..sdk import CapturedProviders

One = TypeVar("One")


@dataclass(frozen=True)
class CapturedEvent:
    """An event of a span."""

    name: str
    attributes: Mapping[str, Any]
    time_ns: int


@dataclass(frozen=True)
class CapturedSpan:
    """A span that has ended. Ids are small whole numbers, in the order in which spans began; `status` is lower case."""

    name: str
    kind: str
    status: str
    status_message: str
    attributes: Mapping[str, Any]
    events: tuple[CapturedEvent, ...]
    links: tuple[int, ...]
    trace_id: int
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return (self.end_ns - self.start_ns) / 1e9

    def event(self, name: str) -> CapturedEvent:
        """Its one event of that name; AssertionError otherwise."""
        return _only(
            [event for event in self.events if event.name == name], name, [e.name for e in self.events], "event"
        )


@dataclass(frozen=True)
class CapturedLog:
    """An OTLP log record."""

    body: str
    severity: str
    event_name: str
    attributes: Mapping[str, Any]
    trace_id: int
    span_id: int


class CapturedTelemetry:
    """What left through `trax_otel` since `capture()` began.

    Instrumentations of other libraries use OpenTelemetry's global provider; give them `tracer_provider` to see their spans.
    """

    def __init__(self, providers: CapturedProviders) -> None:
        self._providers = providers

    @property
    def tracer_provider(self) -> TracerProvider:
        """The capturing provider."""
        return self._providers.tracer_provider

    @property
    def spans(self) -> list[CapturedSpan]:
        """The spans that have ended, in the order in which they began."""
        return sorted((_span(span) for span in self._providers.spans()), key=lambda span: span.span_id)

    @property
    def logs(self) -> list[CapturedLog]:
        """The log records, in the order of their emission."""
        return [_log(data.log_record) for data in self._providers.log_records()]

    def span(self, name: str, **attributes: Any) -> CapturedSpan:
        """The one span of that name (and with these attributes, `_` for `.`); AssertionError lists what was there."""
        spans = self.spans
        fitting = [span for span in spans if span.name == name and _has(span.attributes, attributes)]
        return _only(fitting, name, [span.name for span in spans], "span", attributes)

    def log(self, text: str, **attributes: Any) -> CapturedLog:
        """The one record whose body contains `text`; AssertionError lists what was there."""
        logs = self.logs
        fitting = [log for log in logs if text in log.body and _has(log.attributes, attributes)]
        return _only(fitting, text, [log.body for log in logs], "log record", attributes)

    def events(self, name: str) -> list[CapturedEvent]:
        """Every span event of that name, and every log record with that event name as one."""
        of_spans = [event for span in self.spans for event in span.events if event.name == name]
        return of_spans + [
            CapturedEvent(log.event_name, log.attributes, 0) for log in self.logs if log.event_name == name
        ]

    def metric(self, name: str, **attributes: Any) -> float:
        """A metric's value (histograms: how many were recorded), summed over the series with these attributes.

        AssertionError where no such metric or series exists.
        """
        metrics = self._providers.metrics()
        if name not in metrics:
            raise AssertionError(
                f"no metric {name!r}{_meant(name, list(metrics))}; there are {_listed(sorted(metrics))}"
            )
        points: list[Any] = list(metrics[name].data.data_points)
        fitting = [point for point in points if _has(point.attributes or {}, attributes)]
        if not fitting:
            seen = [str(dict(point.attributes or {})) for point in points]
            raise AssertionError(f"metric {name!r} has no series with {attributes}; there are {_listed(seen)}")
        return sum(float(getattr(point, "value", getattr(point, "count", 0))) for point in fitting)

    @property
    def metric_names(self) -> list[str]:
        """The names of the metrics that have a value."""
        return sorted(self._providers.metrics())

    def tree(self, *, attributes: Sequence[str] = ()) -> str:
        """The spans as an indented text for snapshots: names, statuses, events, and the attributes that are asked for."""
        spans = self.spans
        ids = {span.span_id for span in spans}
        lines: list[str] = []

        def write(span: CapturedSpan, depth: int) -> None:
            indent = "  " * depth
            shown = "".join(f" {key}={span.attributes[key]}" for key in attributes if key in span.attributes)
            lines.append(f"{indent}{span.name} [{span.status}]{shown}")
            lines.extend(f"{indent}  · {event.name}" for event in span.events)
            for child in spans:
                if child.parent_id == span.span_id:
                    write(child, depth + 1)

        for span in spans:
            if span.parent_id not in ids:
                write(span, 0)
        return "\n".join(lines)

    def clear(self) -> None:
        """Forget spans and log records; metrics are cumulative and stay."""
        self._providers.clear()


@contextmanager
def capture(
    *, log_level: str | int = "INFO", resource_attributes: Mapping[str, str] | None = None
) -> Iterator[CapturedTelemetry]:
    """Keep what `trax_otel` emits inside the block in memory; log records of every logger, from `log_level`, too.

    OpenTelemetry's global providers are not touched, so tests may capture one after the other, beside an SDK or without.
    """
    from ..logging import attach_otlp_handler, detach_otlp_handler
    from ..sdk import capture_providers
    from ..signals import use_providers

    providers = capture_providers(resource_attributes)
    restore = use_providers(
        tracer_provider=providers.tracer_provider,
        meter_provider=providers.meter_provider,
        logger_provider=providers.logger_provider,
    )
    attach_otlp_handler("testing")
    root = logging.getLogger()
    level = root.level
    root.setLevel(log_level)
    try:
        yield CapturedTelemetry(providers)
    finally:
        root.setLevel(level)
        detach_otlp_handler("testing")
        restore()
        providers.shutdown()


def _span(span: ReadableSpan) -> CapturedSpan:
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    return CapturedSpan(
        span.name,
        span.kind.name.lower(),
        span.status.status_code.name.lower(),
        span.status.description or "",
        dict(span.attributes or {}),
        tuple(CapturedEvent(event.name, dict(event.attributes or {}), event.timestamp) for event in span.events),
        tuple(link.context.span_id for link in span.links),
        context.trace_id,
        context.span_id,
        parent.span_id if parent is not None else None,
        span.start_time or 0,
        span.end_time or 0,
    )


def _log(record: Any) -> CapturedLog:
    return CapturedLog(
        str(record.body or ""), record.severity_text or "", record.event_name or "", dict(record.attributes or {}),
        record.trace_id or 0, record.span_id or 0,
    )  # fmt: skip


def _has(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    flattened = {key.replace(".", "_"): value for key, value in found.items()}
    return all({**flattened, **found}.get(key, ...) == value for key, value in wanted.items())


def _only(
    fitting: Sequence[One], wanted: str, present: Sequence[str], kind: str, attributes: Mapping[str, Any] | None = None
) -> One:
    if len(fitting) == 1:
        return fitting[0]
    described = f"{wanted!r}" + (f" with {dict(attributes)}" if attributes else "")
    if fitting:
        raise AssertionError(
            f"{len(fitting)} {kind}s fit {described}, not one: {_listed([str(one) for one in fitting])}"
        )
    raise AssertionError(f"no {kind} fits {described}{_meant(wanted, present)}; there are {_listed(present)}")


def _meant(wanted: str, present: Sequence[str]) -> str:
    close = difflib.get_close_matches(wanted, present, n=1)
    return f" (did you mean {close[0]!r}?)" if close and close[0] != wanted else ""


def _listed(present: Sequence[str]) -> str:
    return "none" if not present else "\n  " + "\n  ".join(present)
