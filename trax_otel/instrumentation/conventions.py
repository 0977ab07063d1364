"""OpenTelemetry's stable names where the user chose none, and spans without a meaning left out.

Contrib's instrumentations emit names of 2021 (`http.url`, `db.statement`, milliseconds) unless they are asked for today's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import Enum
from functools import partial
from typing import Any, Final

from .imports import when_imported
from .targets import PUBLISHER

OPT_IN_VARIABLE: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
STABLE: Final = ("http", "database")
"""The conventions that became stable under other names than before; a newer contrib release may know more."""
_KNOWN_BY: Final = "opentelemetry.instrumentation._semconv"
_UNSTABLE: Final = ("default", "experimental", "/dup")
QUIET: Final = ("receive", "send")
"""The spans of single ASGI messages: they say nothing that the request's span does not, and are two of three."""


def prefer_stable_names() -> None:
    """Ask for the stable conventions, unless the user asked for something: `none` asks for the old ones."""
    chosen = ""
    if not os.environ.get(OPT_IN_VARIABLE, "").strip():
        chosen = os.environ[OPT_IN_VARIABLE] = ",".join(STABLE)
    when_imported(_KNOWN_BY, partial(_settle, chosen))


def _settle(chosen: str) -> None:
    """Add what contrib's own list knows beyond ours, and have the variable read: some instrumentors (falcon's) do not."""
    module = sys.modules[_KNOWN_BY]
    modes = getattr(module, "_StabilityMode", None)
    if chosen and os.environ.get(OPT_IN_VARIABLE) == chosen and isinstance(modes, type) and issubclass(modes, Enum):
        known = [str(mode.value) for mode in modes]
        more = [name for name in known if not name.endswith(_UNSTABLE)]
        os.environ[OPT_IN_VARIABLE] = ",".join(dict.fromkeys([*STABLE, *more]))
    read = getattr(getattr(module, "_OpenTelemetrySemanticConventionStability", None), "_initialize", None)
    if read is not None:
        read()


def arguments(entry_point: Any) -> Mapping[str, Any]:
    """What an instrumentor of contrib's is activated with."""
    if not str(getattr(entry_point, "value", "")).startswith(PUBLISHER):
        return {}
    return _ARGUMENTS.get(entry_point.name, {})


_ARGUMENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "fastapi": {"exclude_spans": list(QUIET)},
}


def quiet_starlette() -> None:
    """Starlette's instrumentor takes no such argument, and hands none on to the middleware that it adds."""
    when_imported("opentelemetry.instrumentation.starlette", _quiet_starlette)


def _quiet_starlette() -> None:
    module: Any = sys.modules["opentelemetry.instrumentation.starlette"]
    middleware = getattr(module, "OpenTelemetryMiddleware", None)
    if not isinstance(middleware, type) or getattr(middleware, "exclude_send_span", False):
        return

    class OpenTelemetryMiddleware(middleware):  # type: ignore[misc,valid-type]
        """Contrib's, without a span for each message."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.exclude_receive_span = self.exclude_send_span = True

    module.OpenTelemetryMiddleware = OpenTelemetryMiddleware
