"""From the environment to one pipeline a signal: a provider, its queues or readers, and what they deliver to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from opentelemetry.sdk.metrics.export import MetricReader

from .. import lifecycle
from ..lifecycle import Deadline
from . import fork, install, private, temporality
from .batch import BatchLogProcessor, BatchQueue, BatchSpanProcessor, FlushMark
from .correlate import CorrelationProcessor
from .delivery import OtlpDelivery
from .encode import LogCodec, MetricCodec, SpanCodec
from .environment import batching, endpoint, exporter_names, is_otlp, metric_interval, without_secrets
from .finishing import FinishingProcessor
from .foreign import ExporterDelivery
from .guarded import usable_environment
from .reader import PeriodicReader
from .samplers import id_generator, load, sampler
from .tally import Tally
from .transport import sender_for

if TYPE_CHECKING:
    from .environment import Environment, Problems, Signal
    from .resource import ProcessResource

_CODECS: Final[dict[str, Any]] = {"traces": SpanCodec(), "metrics": MetricCodec(), "logs": LogCodec()}


class Outlet(Protocol):
    """A queue or a reader: what a pipeline flushes and closes."""

    tally: Tally

    @property
    def closed(self) -> bool:
        """Whether it takes nothing any more."""
        ...

    @property
    def pending(self) -> int:
        """How many items of this process are not delivered yet; of metrics, at least 1 where something was measured."""
        ...

    def request_flush(self, seconds: float) -> FlushMark:
        """Begin to deliver all that is there."""
        ...

    def begin_close(self, deadline: Deadline) -> None:
        """Begin to deliver a last time."""
        ...

    def finish_close(self, deadline: Deadline) -> None:
        """Wait for it until `deadline`; what is left counts as lost."""
        ...

    def reset_after_fork(self) -> None:
        """Begin anew in a forked child."""
        ...


@dataclass
class Pipeline:
    """One signal from its provider to its outlets."""

    signal: Signal
    provider: Any
    outlets: list[Outlet] = field(default_factory=list)

    @property
    def place(self) -> install.Place:
        """The OpenTelemetry global that the provider takes."""
        return {"traces": install.TRACES, "metrics": install.METRICS, "logs": install.LOGS}[self.signal]

    def start(self) -> None:
        """Begin to export what is not started by its first item."""
        for outlet in self.outlets:
            if isinstance(outlet, PeriodicReader):
                outlet.warm_up()
                outlet.start()

    def retire(self) -> None:
        """Another provider has the place now: collect metrics a last time; spans still open may end here yet."""
        for outlet in self.outlets:
            if isinstance(outlet, PeriodicReader):
                outlet.begin_close(Deadline(lifecycle.exit_budget()))

    def renew_after_fork(self) -> None:
        """Make the provider, and then what exports from it, a forked child's own."""
        renew: Any = {
            "traces": fork.renew_tracer_provider,
            "metrics": fork.renew_meter_provider,
            "logs": fork.renew_logger_provider,
        }[self.signal]
        renew(self.provider)
        for outlet in self.outlets:
            outlet.tally.reset()
            outlet.reset_after_fork()


def trace_pipeline(environ: Environment, resource: ProcessResource, problems: Problems) -> Pipeline:
    """A tracer provider; it is there even without an exporter, for trace ids in logs and in outgoing requests."""
    with usable_environment():  # limits are read there
        provider = fork.ForkingTracerProvider(
            sampler=sampler(environ, problems),
            resource=resource,
            shutdown_on_exit=False,
            id_generator=id_generator(environ, problems),
        )
    provider.add_span_processor(CorrelationProcessor())
    provider.add_span_processor(FinishingProcessor())
    pipeline = Pipeline("traces", provider)
    for delivery in _deliveries(environ, "traces", problems):
        queue: BatchQueue[Any] = BatchQueue(delivery, batching(environ, "traces", problems))
        provider.add_span_processor(BatchSpanProcessor(queue))
        pipeline.outlets.append(queue)
    return pipeline


def log_pipeline(environ: Environment, resource: ProcessResource, problems: Problems) -> Pipeline | None:
    """A logger provider, or None where no log record is to be exported."""
    deliveries = _deliveries(environ, "logs", problems)
    if not deliveries:
        return None
    with usable_environment():
        provider = fork.ForkingLoggerProvider(resource=resource, shutdown_on_exit=False)
    pipeline = Pipeline("logs", provider)
    for delivery in deliveries:
        queue: BatchQueue[Any] = BatchQueue(delivery, batching(environ, "logs", problems))
        provider.add_log_record_processor(BatchLogProcessor(queue, resource))
        pipeline.outlets.append(queue)
    return pipeline


def metric_pipeline(environ: Environment, resource: ProcessResource, problems: Problems) -> Pipeline | None:
    """A meter provider, or None where no metric is to be exported."""
    interval, timeout = metric_interval(environ, problems)
    readers: list[PeriodicReader] = []
    pulled: list[MetricReader] = []
    for delivery in _deliveries(environ, "metrics", problems):
        if isinstance(delivery, MetricReader):  # such as Prometheus': it is asked, it does not send
            pulled.append(delivery)
            continue
        exporter = getattr(delivery, "exporter", None)
        preferred = None if exporter is None else private.preferences_of(exporter)
        readers.append(
            PeriodicReader(
                delivery,
                interval,
                timeout,
                temporality=preferred[0] if preferred else temporality.preferred(environ, problems),
                aggregation=preferred[1] if preferred else temporality.histograms(environ, problems),
            )
        )
    if not readers and not pulled:
        return None
    provider = fork.ForkingMeterProvider(
        metric_readers=[*readers, *pulled],
        resource=resource,
        shutdown_on_exit=False,
        exemplar_filter=temporality.exemplar_filter(environ, problems),
    )
    provider.watch(readers)
    return Pipeline("metrics", provider, [*readers])


def _deliveries(environ: Environment, signal: Signal, problems: Problems) -> list[Any]:
    """One delivery (or pulling reader) for each exporter that is asked for and can be had."""
    found: list[Any] = []
    for name in exporter_names(environ, signal):
        try:
            found.append(otlp_delivery(environ, signal, problems, name) if is_otlp(name) else _foreign(signal, name))
        except LookupError:
            problems.append(
                f"OTEL_{signal.upper()}_EXPORTER={name!r}: must be otlp, console, none or an exporter that is installed"
            )
        except ImportError as error:
            problems.append(str(error))
        except Exception as error:
            reason = without_secrets(f"{type(error).__name__}: {error}", environ)
            problems.append(f"OTEL_{signal.upper()}_EXPORTER={name!r}: {reason}")
    return found


def otlp_delivery(environ: Environment, signal: Signal, problems: Problems, name: str = "otlp") -> OtlpDelivery[Any]:
    """Delivery of one signal to where the environment says. Raises ImportError where gRPC is asked for and missing."""
    target = endpoint(environ, signal, problems, name)
    return OtlpDelivery(_CODECS[signal], sender_for(target), Tally(signal), target.address, target.timeout)


def _foreign(signal: Signal, name: str) -> Any:
    made = load(f"opentelemetry_{signal}_exporter", name)()
    if isinstance(made, MetricReader):
        return made
    return ExporterDelivery(made, _CODECS[signal], Tally(signal), name)


def tallies(pipelines: Sequence[Pipeline]) -> list[Tally]:
    """The tallies of all outlets."""
    return [outlet.tally for pipeline in pipelines for outlet in pipeline.outlets]
