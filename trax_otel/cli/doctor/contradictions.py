"""Variables that undo, hide or contradict each other: each is valid by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ... import semconv
from ...sdk import environment
from ...sdk.environment import SIGNALS
from .finding import Finding
from .targets import otlp_endpoint

Environ = Mapping[str, str]
_OTLP: Final = "OTEL_EXPORTER_OTLP_"
_FORCED: Final = {"otlp_proto_http": "http/protobuf", "otlp_proto_grpc": "grpc"}


def check(environ: Environ) -> list[Finding]:
    """All of them; one line saying so where there is none."""
    looks: tuple[Callable[[Environ], Iterator[Finding]], ...] = (
        _switched_off, _exporters, _sampler, _service, _endpoints, _forced, _files,
    )  # fmt: skip
    found = [finding for look in looks for finding in look(environ)]
    return found or [Finding("environment.contradictions", "ok", "nothing is switched off or contradicts itself")]


def _switched_off(environ: Environ) -> Iterator[Finding]:
    if environment.disabled(environ):
        yield Finding("environment.disabled", "warning", "OTEL_SDK_DISABLED=true switches all telemetry off", "",
                      "unset it to send, and to have the way checked")  # fmt: skip


def _exporters(environ: Environ) -> Iterator[Finding]:
    off = [signal for signal in SIGNALS if not environment.exporter_names(environ, signal)]
    if off:
        named = ", ".join(f"OTEL_{signal.upper()}_EXPORTER" for signal in off)
        yield Finding("environment.exporters", "warning", f"none is sent of: {', '.join(off)}", f"{named}=none",
                      f"unset {named} to send them")  # fmt: skip


def _sampler(environ: Environ) -> Iterator[Finding]:
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    argument = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    by_ratio = name in {"traceidratio", "parentbased_traceidratio"}
    if name in {"always_off", "parentbased_always_off"} or (by_ratio and _is_zero(argument)):
        yield Finding("environment.sampler", "warning", "no trace that begins in the service is sent",
                      f"OTEL_TRACES_SAMPLER={name} {argument}".strip(), "unset it, or choose a ratio above 0")  # fmt: skip
    elif argument and not name:
        yield Finding("environment.sampler", "warning", f"OTEL_TRACES_SAMPLER_ARG={argument} has no effect",
                      "OTEL_TRACES_SAMPLER is not set: every trace is sent",
                      "set OTEL_TRACES_SAMPLER=parentbased_traceidratio")  # fmt: skip


def _is_zero(text: str) -> bool:
    try:
        return float(text or "1") == 0
    except ValueError:
        return False


def _service(environ: Environ) -> Iterator[Finding]:
    attributes = dict(
        entry.split("=", 1) for entry in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",") if "=" in entry
    )
    named = {key.strip(): unquote(value.strip()) for key, value in attributes.items()}
    name = environ.get("OTEL_SERVICE_NAME", "").strip() or named.get(semconv.SERVICE_NAME, "")
    if name.startswith("unknown_service"):
        yield Finding("environment.service", "warning", f"the service is called {name}", "",
                      "set OTEL_SERVICE_NAME to a name that people know")  # fmt: skip
    elif not name:
        yield Finding("environment.service", "warning", "the service has no name",
                      "trax-otel run takes one from the command: python shop.py is `shop`", "set OTEL_SERVICE_NAME")  # fmt: skip


def _endpoints(environ: Environ) -> Iterator[Finding]:
    common = environ.get(f"{_OTLP}ENDPOINT", "").strip()
    for signal in SIGNALS:
        end = otlp_endpoint(environ, signal, [])
        if end is None:
            continue
        own = f"{_OTLP}{signal.upper()}_ENDPOINT"
        path = urlsplit(end.url).path
        if end.protocol == "http/protobuf" and path.count("/v1/") > 1:
            yield Finding("environment.endpoint", "error", f"{_OTLP}ENDPOINT holds a signal's path",
                          f"{signal} would go to {end.url}",
                          f"write {common.partition('/v1/')[0]}: each signal's path is added", signal)  # fmt: skip
        elif end.protocol == "http/protobuf" and environ.get(own, "").strip() and path in {"", "/"}:
            yield Finding("environment.endpoint", "warning", f"{own} has no path", "it is used just as it is written",
                          f"write {end.url.rstrip('/')}/v1/{signal}", signal)  # fmt: skip


def _forced(environ: Environ) -> Iterator[Finding]:
    for signal in SIGNALS:
        asked = (
            environ.get(f"{_OTLP}{signal.upper()}_PROTOCOL", "").strip() or environ.get(f"{_OTLP}PROTOCOL", "").strip()
        )
        for name in environment.exporter_names(environ, signal):
            if asked and _FORCED.get(name, asked) != asked:
                yield Finding("environment.exporters", "warning", f"OTEL_{signal.upper()}_EXPORTER={name} wins over {asked}",
                              "", f"write OTEL_{signal.upper()}_EXPORTER=otlp, or the same protocol twice", signal)  # fmt: skip


def _files(environ: Environ) -> Iterator[Finding]:
    ends = [end for signal in SIGNALS if (end := otlp_endpoint(environ, signal, [])) is not None]
    for file in dict.fromkeys(
        file for end in ends for file in (end.certificate, end.client_certificate, end.client_key) if file
    ):
        if not Path(file).is_file() or not os.access(file, os.R_OK):
            yield Finding("environment.tls", "error", f"{file} cannot be read", "it is named for TLS",
                          "correct the path or the file's permissions")  # fmt: skip
    plain = [end for end in ends if not end.secure and (end.certificate or end.client_certificate)]
    if plain:
        yield Finding("environment.tls", "warning", f"certificates are named, and {plain[0].address} is without TLS", "",
                      "write https://, or unset the certificates")  # fmt: skip
    lone = [end for end in ends if bool(end.client_key) and not end.client_certificate]
    if lone:
        yield Finding("environment.tls", "warning", "a client key is named without a client certificate", "",
                      f"set {_OTLP}CLIENT_CERTIFICATE")  # fmt: skip
    insecure = environ.get(f"{_OTLP}INSECURE", "").strip().lower() == "true"
    if insecure and any(end.secure and end.protocol == "grpc" for end in ends):
        yield Finding("environment.tls", "warning", f"{_OTLP}INSECURE=true has no effect", "https:// in the endpoint wins",
                      "write http://, or unset it")  # fmt: skip
