"""Names of the OpenTelemetry SDK and exporters that begin with an underscore; nothing else in this package touches them.

As in `signals.private`: each stands behind a function that works without it. What belongs to objects is looked for where
they are at hand; what a missing name costs is said in one line, once for a process and its children.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import attributes
from opentelemetry.sdk import metrics
from opentelemetry.sdk.metrics import MeterProvider

from .. import lifecycle, originals
from ..signals.private import lacks

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

try:
    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs as _encode_logs
except ImportError:
    lacks("exporter.otlp.proto.common._log_encoder", "log records are not sent")
    _encode_logs = None  # type: ignore[assignment]

try:
    from opentelemetry.sdk.metrics._internal.metric_reader_storage import MetricReaderStorage as _Storage
except ImportError:
    lacks("sdk.metrics MetricReaderStorage", "metrics of a forked child begin with its parent's counts")
    _Storage = None  # type: ignore[assignment,misc]

try:
    from opentelemetry.sdk.metrics._internal import measurement as _measurement
except ImportError:
    _measurement = None  # type: ignore[assignment]

_ABSENT: Final = object()


def _got(owner: object, name: str, costs: str, default: Any) -> Any:
    """An attribute of an object of the SDK's; where it is missing, the line on what that costs, and `default`."""
    found = getattr(owner, name, _ABSENT)
    if found is not _ABSENT:
        return found
    if owner is not None:
        lifecycle.report_once(f"OpenTelemetry's SDK has no {name} any more: {costs}")
    return default


# --- Encoding ---------------------------------------------------------------------------------------------------------------


def encode_logs(items: Sequence[ReadableLogRecord]) -> bytes:
    """An ExportLogsServiceRequest. Raises NotImplementedError where the installed exporter has no encoder of log records."""
    if _encode_logs is None:
        raise NotImplementedError("the installed opentelemetry-exporter-otlp-proto-common encodes no log records")
    return _encode_logs(items).SerializePartialToString()


def plain_mapping(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The dict in the SDK's own mapping, which takes a lock for every item; what is ended is not written any more."""
    found: Mapping[str, Any] = getattr(given, "_dict", given)
    return found


def attributes_of(span: ReadableSpan) -> Mapping[str, Any] | None:
    """A span's attributes, not copied where that can be."""
    found: Any = getattr(span, "_attributes", _ABSENT)
    return span.attributes if found is _ABSENT else found


def cleaners() -> list[tuple[Any, str]]:
    """Where the SDK's function stands by which it cleans all attributes and bodies; empty where it is another one."""
    name = "_clean_attribute_value"
    found = [(module, name) for module in (attributes, _measurement) if hasattr(module, name)]
    same = ("value", "max_string_value_length")
    return found if all(getattr(owner, name).__code__.co_varnames[:2] == same for owner, _ in found) else []


def gauge_class() -> Any:
    """The SDK's class of gauges, or None."""
    return getattr(metrics, "_Gauge", None)


# --- What ours made before, when the application's provider comes ---------------------------------------------------------------

_STAY: Final = "what libraries have of ours stays with ours when the application sets a provider"


def scope_of(maker: Any) -> Any:
    """The instrumentation scope of a tracer or logger, or None."""
    return _got(maker, "_instrumentation_scope", _STAY, None)


def meters_of(provider: MeterProvider) -> list[tuple[Any, Any]]:
    """The meters that a provider made, with their scopes."""
    return list(_got(provider, "_meters", _STAY, {}).items())


def instruments_of(meter: Any) -> list[Any]:
    """The instruments that a meter made."""
    return list(_got(meter, "_instrument_id_instrument", _STAY, {}).values())


def callbacks_of(instrument: Any) -> list[Callable[..., Any]]:
    """The callbacks of an observable instrument."""
    return list(_got(instrument, "_callbacks", _STAY, ()))


def advice_of(histogram: Any) -> dict[str, Any]:
    """The bucket bounds that a histogram was made with, as the argument that takes them."""
    advice = getattr(histogram, "_advisory", None)
    bounds = getattr(advice, "explicit_bucket_boundaries", None)
    return {} if bounds is None else {"explicit_bucket_boundaries_advisory": bounds}


# --- A forked child ---------------------------------------------------------------------------------------------------------

_LOCKS: Final = "a forked child may inherit a lock that is held"
_COUNTS: Final = "metrics of a forked child begin with its parent's counts"


def processor_of(provider: Any, name: str) -> Any:
    """What a provider hands spans (`_active_span_processor`) or log records (`_multi_log_record_processor`) to."""
    return _got(provider, name, _LOCKS, None)


def parts_of(provider: MeterProvider) -> list[Any]:
    """The parts of a meter provider that hold locks; the lock that all such providers share is made anew."""
    if hasattr(MeterProvider, "_all_metric_readers_lock"):
        MeterProvider._all_metric_readers_lock = originals.allocate_lock()
    return [consumer_of(provider), *(meter for _, meter in meters_of(provider))]


def consumer_of(provider: MeterProvider) -> Any:
    """What a meter provider hands measurements to."""
    return _got(provider, "_measurement_consumer", _COUNTS, None)


def at_measurement(provider: MeterProvider, action: Callable[[], None]) -> None:
    """Call `action` before each measurement is taken."""
    consumer = consumer_of(provider)
    take = _got(consumer, "consume_measurement", _COUNTS, None)
    if take is None:
        return

    def consume_measurement(measurement: Any) -> None:
        action()
        take(measurement)

    consumer.consume_measurement = consume_measurement


def count_from_zero(provider: MeterProvider) -> None:
    """New state for every instrument of a provider: counts from 0, with a start time of now."""
    consumer = consumer_of(provider)
    storages = _got(consumer, "_reader_storages", _COUNTS, {})
    configuration = _got(consumer, "_sdk_config", _COUNTS, None)
    if not storages or configuration is None or _Storage is None:
        return
    made = {}
    for reader in storages:
        temporality = _got(reader, "_instrument_class_temporality", _COUNTS, None)
        aggregation = _got(reader, "_instrument_class_aggregation", _COUNTS, None)
        if temporality is None or aggregation is None:
            return
        made[reader] = _Storage(configuration, temporality, aggregation)
    consumer._reader_storages = made


# --- Set-up -----------------------------------------------------------------------------------------------------------------


def preferences_of(exporter: Any) -> tuple[dict[type, Any], dict[type, Any]]:
    """The temporality and aggregation that a metric exporter prefers."""
    return getattr(exporter, "_preferred_temporality", None) or {}, getattr(
        exporter, "_preferred_aggregation", None
    ) or {}
