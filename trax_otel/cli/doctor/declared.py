"""What OTEL_CONFIG_FILE sends where, in terms of the variables that would say the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ...sdk.configuration import CONFIG_FILE_VARIABLE
from .finding import Finding

if TYPE_CHECKING:
    from ...sdk.environment import Signal

ID: Final = "environment.config_file"
_PREFIX: Final = "OTEL_EXPORTER_OTLP_"


class UnreadableError(Exception):
    """The file cannot be used; the text says why, `advice` what to do."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.advice = advice


def path(environ: Mapping[str, str]) -> str:
    """The file's path; empty where there is none."""
    return environ.get(CONFIG_FILE_VARIABLE, "").strip()


def check(environ: Mapping[str, str]) -> list[Finding]:
    """Whether the file can be used, and which variables it hides."""
    if not path(environ):
        return []
    try:
        _load(path(environ))
    except UnreadableError as error:
        return [
            Finding(ID, "error", f"{CONFIG_FILE_VARIABLE}={path(environ)}: {error}", "nothing is sent", error.advice)
        ]
    hidden = sorted(name for name in environ if name.startswith("OTEL_") and not name.startswith("OTEL_PYTHON_"))
    hidden.remove(CONFIG_FILE_VARIABLE)
    if not hidden:
        return [Finding(ID, "ok", f"{CONFIG_FILE_VARIABLE}={path(environ)} says it all")]
    return [
        Finding(
            ID, "warning", f"{CONFIG_FILE_VARIABLE} hides {len(hidden)} variables", ", ".join(hidden),
            f"write what they say into {path(environ)} (it may hold ${{VARIABLE}}), or unset {CONFIG_FILE_VARIABLE}",
        )
    ]  # fmt: skip


def variables(environ: Mapping[str, str]) -> dict[Signal, dict[str, str] | None]:
    """For each signal the environment that means the same as the file; None where the file sends none of it by OTLP.

    Raises UnreadableError.
    """
    model = _load(path(environ))
    sources: dict[Signal, Any] = {
        "traces": getattr(model.tracer_provider, "processors", None),
        "metrics": getattr(model.meter_provider, "readers", None),
        "logs": getattr(model.logger_provider, "processors", None),
    }
    bare = {name: value for name, value in environ.items() if not name.startswith(_PREFIX)}
    found: dict[Signal, dict[str, str] | None] = {}
    for signal, parts in sources.items():
        said = next((said for exporter in _exporters(parts or ()) if (said := _said(exporter, environ))), None)
        found[signal] = None if said is None else {**bare, **said}
    return found


def _load(file: str) -> Any:
    try:
        from opentelemetry.configuration import load_config_file  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise UnreadableError("opentelemetry-configuration is not installed", "pip install 'trax-otel[otlp]'") from None
    try:
        return load_config_file(file)
    except Exception as error:  # whatever the file holds
        raise UnreadableError(f"{type(error).__name__}: {error}", "correct the file, or the path") from None


def _exporters(parts: Iterable[Any]) -> Iterable[Any]:
    for part in parts:
        for kind in ("batch", "simple", "periodic"):
            holder = getattr(part, kind, None)
            if holder is not None:
                yield holder.exporter


def _said(exporter: Any, environ: Mapping[str, str]) -> dict[str, str] | None:
    if "trax_otlp" in getattr(exporter, "additional_properties", {}):  # ours: it reads the variables
        return {name: value for name, value in environ.items() if name.startswith(_PREFIX)}
    http, grpc = exporter.otlp_http, exporter.otlp_grpc
    chosen = http or grpc
    if chosen is None:
        return None
    tls = chosen.tls
    values = {
        "PROTOCOL": "grpc" if grpc is chosen else "http/protobuf",
        "ENDPOINT": chosen.endpoint,
        "HEADERS": _headers(chosen),
        "COMPRESSION": chosen.compression,
        "TIMEOUT": None if chosen.timeout is None else str(chosen.timeout / 1000),
        "CERTIFICATE": getattr(tls, "ca_file", None),
        "CLIENT_CERTIFICATE": getattr(tls, "cert_file", None),
        "CLIENT_KEY": getattr(tls, "key_file", None),
        "INSECURE": "true" if getattr(tls, "insecure", None) else None,
    }
    said = {f"{_PREFIX}{name}": value for name, value in values.items() if value}
    if grpc is not chosen and chosen.endpoint:
        # A file names each signal's endpoint whole, as a signal's own variable does.
        for signal in ("TRACES", "METRICS", "LOGS"):
            said[f"{_PREFIX}{signal}_ENDPOINT"] = chosen.endpoint
    return said


def _headers(chosen: Any) -> str:
    pairs = {pair.name: pair.value or "" for pair in chosen.headers or ()}
    written = [f"{quote(name)}={quote(value)}" for name, value in pairs.items()]
    return ",".join([*written, *([chosen.headers_list] if chosen.headers_list else [])])
