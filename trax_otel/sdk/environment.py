"""What the `OTEL_*` variables say about export, read once into plain values.

Every reader takes the environment as a mapping (`configure` lays its arguments over it) and a list to which it appends
a line for each value that it cannot use; the default stands in for such a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

Signal = Literal["traces", "metrics", "logs"]
SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)
Protocol = Literal["http/protobuf", "grpc"]
Compression = Literal["none", "gzip", "deflate"]

Environment = Mapping[str, str]
Problems = list[str]

HTTP_ENDPOINT: Final = "http://localhost:4318"
GRPC_ENDPOINT: Final = "http://localhost:4317"
_OTLP_NAMES: Final = {"otlp": None, "trax_otlp": None, "otlp_proto_http": "http/protobuf", "otlp_proto_grpc": "grpc"}
_COMPRESSIONS: Final = get_args(Compression)


@dataclass(frozen=True)
class Endpoint:
    """Where one signal is sent, and how. `url` is complete; `timeout` is seconds for one request."""

    signal: Signal
    protocol: Protocol
    url: str
    headers: Mapping[str, str]
    timeout: float
    compression: Compression
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    @property
    def secure(self) -> bool:
        """Whether the connection is TLS."""
        return urlsplit(self.url).scheme == "https"

    @property
    def address(self) -> str:
        """Scheme, host and port, without credentials or path: fit for a message."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")


@dataclass(frozen=True)
class Batching:
    """How one signal is queued. Items, and seconds; `patience` is the longest that one batch is retried."""

    max_queue: int
    max_batch: int
    delay: float
    patience: float


def disabled(environ: Environment) -> bool:
    """Whether OTEL_SDK_DISABLED switches everything off."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def exporter_names(environ: Environment, signal: Signal) -> tuple[str, ...]:
    """The exporters asked for: `otlp` unless OTEL_<SIGNAL>_EXPORTER says otherwise, nothing for `none`."""
    text = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() or "otlp"
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    return () if "none" in names else names


def is_otlp(name: str) -> bool:
    """Whether an exporter's name means ours."""
    return name in _OTLP_NAMES


def endpoint(environ: Environment, signal: Signal, problems: Problems, name: str = "otlp") -> Endpoint:
    """Where and how OTLP goes for a signal: the signal's own variables before the common ones."""
    read = _Reader(environ, signal, problems)
    protocol = _protocol(read, name)
    url = _grpc_url(read) if protocol == "grpc" else _http_url(read)
    compression = read.text("COMPRESSION", "none").lower()
    if compression not in _COMPRESSIONS:
        read.complain("COMPRESSION", compression, "none, gzip or deflate")
        compression = "none"
    return Endpoint(
        signal=signal,
        protocol=protocol,
        url=url,
        headers=parse_env_headers(read.text("HEADERS", ""), liberal=True),
        timeout=_seconds(read),
        compression=compression,  # type: ignore[arg-type]  # checked above
        certificate=read.text("CERTIFICATE", "") or None,
        client_certificate=read.text("CLIENT_CERTIFICATE", "") or None,
        client_key=read.text("CLIENT_KEY", "") or None,
    )


def batching(environ: Environment, signal: Signal, problems: Problems) -> Batching:
    """The queue's settings: OTEL_BSP_* for traces, OTEL_BLRP_* for logs (milliseconds there, seconds here).

    Unless an export timeout is set, a batch is kept for five minutes of outage: the queue's bound limits the memory,
    and an early drop would gain nothing.
    """
    prefix, delay = ("OTEL_BSP", 5000) if signal == "traces" else ("OTEL_BLRP", 1000)
    max_queue = _positive(environ, f"{prefix}_MAX_QUEUE_SIZE", 2048, problems)
    max_batch = _positive(environ, f"{prefix}_MAX_EXPORT_BATCH_SIZE", min(512, max_queue), problems)
    if max_batch > max_queue:
        problems.append(f"{prefix}_MAX_EXPORT_BATCH_SIZE={max_batch}: at most {prefix}_MAX_QUEUE_SIZE, {max_queue}")
        max_batch = max_queue
    return Batching(
        max_queue=max_queue,
        max_batch=max_batch,
        delay=_positive(environ, f"{prefix}_SCHEDULE_DELAY", delay, problems) / 1000,
        patience=_positive(environ, f"{prefix}_EXPORT_TIMEOUT", 300_000, problems) / 1000,
    )


def metric_interval(environ: Environment, problems: Problems) -> tuple[float, float]:
    """OTEL_METRIC_EXPORT_INTERVAL and _TIMEOUT, in seconds."""
    interval = _positive(environ, "OTEL_METRIC_EXPORT_INTERVAL", 60_000, problems)
    timeout = _positive(environ, "OTEL_METRIC_EXPORT_TIMEOUT", 30_000, problems)
    return interval / 1000, timeout / 1000


class _Reader:
    """Reads `OTEL_EXPORTER_OTLP_<SIGNAL>_X`, else `OTEL_EXPORTER_OTLP_X`."""

    def __init__(self, environ: Environment, signal: Signal, problems: Problems) -> None:
        self._environ = environ
        self.signal = signal
        self._problems = problems

    def name(self, suffix: str) -> str:
        own = f"OTEL_EXPORTER_OTLP_{self.signal.upper()}_{suffix}"
        return own if self._environ.get(own, "").strip() else f"OTEL_EXPORTER_OTLP_{suffix}"

    def text(self, suffix: str, default: str) -> str:
        return self._environ.get(self.name(suffix), "").strip() or default

    def is_own(self, suffix: str) -> bool:
        return self.name(suffix).startswith(f"OTEL_EXPORTER_OTLP_{self.signal.upper()}_")

    def complain(self, suffix: str, value: str, allowed: str) -> None:
        self._problems.append(f"{self.name(suffix)}={value!r}: must be {allowed}")


def _protocol(read: _Reader, name: str) -> Protocol:
    forced = _OTLP_NAMES.get(name)
    text = forced or read.text("PROTOCOL", "http/protobuf").lower()
    if text == "grpc":
        return "grpc"
    if text != "http/protobuf":
        read.complain("PROTOCOL", text, "http/protobuf or grpc")
    return "http/protobuf"


def _http_url(read: _Reader) -> str:
    text = _with_scheme(read, read.text("ENDPOINT", HTTP_ENDPOINT), HTTP_ENDPOINT)
    if read.is_own("ENDPOINT"):
        return text
    parts = urlsplit(text)
    return parts._replace(path=f"{parts.path.rstrip('/')}/v1/{read.signal}").geturl()


def _grpc_url(read: _Reader) -> str:
    text = read.text("ENDPOINT", GRPC_ENDPOINT)
    if "://" not in text:
        insecure = read.text("INSECURE", "false").lower() == "true"
        text = f"{'http' if insecure else 'https'}://{text}"
    return _with_scheme(read, text, GRPC_ENDPOINT)


def _with_scheme(read: _Reader, text: str, default: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if good:
        return text
    read.complain("ENDPOINT", text, f"a URL such as {default}")
    return default


def _seconds(read: _Reader) -> float:
    text = read.text("TIMEOUT", "10")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 3600:
        read.complain("TIMEOUT", text, "seconds above 0, such as 10")
        return 10.0
    return value


def _positive(environ: Environment, name: str, default: int, problems: Problems) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = int(float(text))
    except (ValueError, OverflowError):
        value = 0
    if value <= 0:
        problems.append(f"{name}={text!r}: must be a whole number above 0, such as {default}")
        return default
    return value
