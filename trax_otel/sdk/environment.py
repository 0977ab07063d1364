"""What the `OTEL_*` variables say about export, read once into plain values.

Every reader takes the environment as a mapping (`configure` lays its arguments over it) and a list to which it appends
a line for each value that it cannot use; the default stands in for such a value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args
from urllib.parse import unquote, urlsplit

from ..config.loading import SECRET_NAME

Signal = Literal["traces", "metrics", "logs"]
SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)
Protocol = Literal["http/protobuf", "grpc"]
Compression = Literal["none", "gzip", "deflate"]

Environment = Mapping[str, str]
Problems = list[str]

RESOURCE_ATTRIBUTES: Final = "OTEL_RESOURCE_ATTRIBUTES"
LIMITS: Final = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
)  # fmt: skip
"""What spans and log records may hold. An empty value means no limit, as the SDK has it."""
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
    return flag(environ, "OTEL_SDK_DISABLED", [])


def flag(environ: Environment, name: str, problems: Problems) -> bool:
    """Whether a variable is `true`; unset is false."""
    text = environ.get(name, "").strip().lower()
    if text not in {"", "true", "false"}:
        problems.append(f"{name}={shown(name, text)}: must be true or false")
    return text == "true"


def shown(name: str, value: str) -> str:
    """A value as a message may hold it: not where the name or the value itself says that there is a secret in it."""
    if re.search(SECRET_NAME, name.removeprefix("OTEL_")) or "@" in value:
        return "its value (not shown)"
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:297]}…"


def without_secrets(text: str, environ: Environment) -> str:
    """What a foreign package says of its own failure, without the credentials that it was given."""
    text = re.sub(r"(?<=://)[^/@\s]+@", "…@", text)
    for name in environ:
        if name.endswith("_HEADERS"):
            for _, value in pairs(environ[name]):
                if len(value) > 3:
                    text = text.replace(value, "…").replace(unquote(value), "…")
    return text


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
        headers=_headers(read, protocol),
        timeout=_seconds(read),
        compression=compression,  # type: ignore[arg-type]  # checked above
        certificate=_file(read, "CERTIFICATE"),
        client_certificate=_file(read, "CLIENT_CERTIFICATE"),
        client_key=_file(read, "CLIENT_KEY"),
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


def limits(environ: Environment, problems: Problems) -> set[str]:
    """The variables of LIMITS whose values cannot be used; the SDK reads the others by itself."""
    wrong = {name for name in LIMITS if not re.fullmatch(r"\s*(\+?[0-9]+)?\s*", environ.get(name, ""), re.ASCII)}
    problems += [
        f"{name}={environ[name].strip()!r}: must be a whole number from 0 up, or empty for no limit"
        for name in sorted(wrong)
    ]
    return wrong


def resource_attributes(environ: Environment, problems: Problems) -> dict[str, str]:
    """OTEL_RESOURCE_ATTRIBUTES. What is not `key=value` is told by its place: it may be a part of a secret."""
    found: dict[str, str] = {}
    for place, (key, value) in enumerate(pairs(environ.get(RESOURCE_ATTRIBUTES, "")), 1):
        if key:
            found[key] = unquote(value)
        else:
            problems.append(f"{RESOURCE_ATTRIBUTES}: entry {place} must be of the form key=value (%2C for a comma)")
    return found


def pairs(text: str) -> list[tuple[str, str]]:
    """The entries of a list `key=value,…`; one of another form has an empty key, an empty one is left out."""
    found = []
    for entry in text.split(","):
        if entry.strip():
            key, equals, value = entry.partition("=")
            found.append((key.strip() if equals else "", value.strip()))
    return found


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
        self._problems.append(f"{self.name(suffix)}={shown(self.name(suffix), value)}: must be {allowed}")

    def complain_of_entry(self, suffix: str, place: int, allowed: str) -> None:
        """Of one entry of a list, which may be a secret."""
        self._problems.append(f"{self.name(suffix)}: entry {place} must be {allowed}")

    def flag(self, suffix: str) -> bool:
        return flag(self._environ, self.name(suffix), self._problems)


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
        text = f"{'http' if read.flag('INSECURE') else 'https'}://{text}"
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


_HEADER_NAME: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_ENCODED: Final = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"


def _headers(read: _Reader, protocol: Protocol) -> dict[str, str]:
    """Names in small letters, values decoded. A value that no encoder would have written so is taken as it stands."""
    found: dict[str, str] = {}
    for place, (key, given) in enumerate(pairs(read.text("HEADERS", "")), 1):
        name = unquote(key).strip().lower()
        value = unquote(given).strip() if re.fullmatch(_ENCODED, given) else given
        fits = value.isascii() or (protocol != "grpc" and all(character < "\u0100" for character in value))
        if re.fullmatch(_HEADER_NAME, name) and fits and (value.isprintable() or "\t" in value):
            found[name] = value
        else:
            read.complain_of_entry(
                "HEADERS", place, "of the form name=value, in ASCII (%2C for a comma, %20 for a space)"
            )
    return found


def _file(read: _Reader, suffix: str) -> str | None:
    """The path of a file; one that cannot be read is told, and kept: another trust must not take its place unasked."""
    path = read.text(suffix, "") or None
    if path is not None and not os.access(path, os.R_OK):
        read.complain(suffix, path, "the path of a file that can be read")
    return path


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
