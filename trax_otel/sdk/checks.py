"""Variables that other code reads, and would pass over in silence or fail on: looked at here, so that a line tells."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Final

from .. import guarded
from ..guarded import is_offered, names_in
from .environment import flag, limits, shown

if TYPE_CHECKING:
    from .environment import Environment, Problems

STABILITY: Final = (
    "http", "http/dup", "database", "database/dup", "gen_ai_latest_experimental", "messaging", "messaging/dup",
    "rpc", "rpc/dup", "code", "code/dup", "k8s", "k8s/dup", "none",
)  # fmt: skip
"""What OTEL_SEMCONV_STABILITY_OPT_IN may list: today's releases know some of it, `none` is ours."""
_LISTS: Final = {
    "OTEL_SEMCONV_STABILITY_OPT_IN": STABILITY,
    "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": ("logs", "logs/dup"),
}
_INTERNAL_METRICS: Final = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"
_FLAGS: Final = (
    "OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_INSECURE", "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
    "OTEL_EXPORTER_OTLP_METRICS_INSECURE", "OTEL_EXPORTER_OTLP_LOGS_INSECURE", "OTEL_PYTHON_LOG_CORRELATION",
    "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION", _INTERNAL_METRICS,
)  # fmt: skip
_LEVELS: Final = ("OTEL_PYTHON_LOG_HANDLER_LEVEL", "OTEL_PYTHON_LOG_LEVEL", "OTEL_LOG_LEVEL")
_LEVEL_NAMES: Final = ("TRACE", "NOTSET", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL")
_OFFERED: Final = {
    guarded.CONTEXT: ("opentelemetry_context", "contextvars_context"),
    **{name: (group, "unset") for name, group in guarded.PROVIDERS.items()},
    "OTEL_PYTHON_DISTRO": ("opentelemetry_distro", "trax"),
    "OTEL_PYTHON_CONFIGURATOR": ("opentelemetry_configurator", "trax"),
}
"""Variables that name what an installed package offers: its group of entry points, and what holds instead."""
_PATTERNS: Final = r"OTEL_PYTHON_(\w+_)?EXCLUDED_URLS|OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_\w+"


def check(environ: Environment, problems: Problems) -> None:
    """Look at all of them."""
    limits(environ, problems)
    for name in _FLAGS:
        flag(environ, name, problems)
    for name, allowed in _LISTS.items():
        unknown = [value for value in names_in(environ.get(name, "").lower()) if value not in allowed]
        if unknown:
            problems.append(f"{name}={unknown[0]!r}: must be of {', '.join(allowed)}")
    for name in _LEVELS:
        text = environ.get(name, "").strip()
        if text and text.upper() not in _LEVEL_NAMES and not isinstance(logging.getLevelName(text.upper()), int):
            problems.append(f"{name}={text!r}: must be one of {', '.join(_LEVEL_NAMES)}")
    problems += list(not_offered(environ).values())
    problems += list(bad_patterns(environ).values())


def not_offered(environ: Environment) -> dict[str, str]:
    """The variables that name something which no installed package offers, each with its line."""
    given = {**environ, **guarded.unset}  # what the user said, before our own name was filled in
    return {
        name: f"{name}={shown(name, given[name])}: must be {default}, or one that is installed"
        for name, (group, default) in _OFFERED.items()
        if given.get(name, "").strip() and not is_offered(group, given[name].strip())
    }


def bad_patterns(environ: Environment) -> dict[str, str]:
    """The variables with a list of regular expressions of which one is none."""
    return {
        name: f"{name}: entry {place} must be a regular expression: {problem}"
        for name in sorted(environ)
        if re.fullmatch(_PATTERNS, name) and (found := _first_bad(environ[name]))
        for place, problem in [found]
    }


def _first_bad(text: str) -> tuple[int, str] | None:
    for place, entry in enumerate(text.split(","), 1):
        try:
            re.compile(entry.strip())
        except re.error as error:
            return place, str(error)
    return None


def drop_unusable() -> None:
    """Unset, for this process and its children, what is read late and by others: they would fail, or complain each time."""
    problems: Problems = []
    flag(os.environ, _INTERNAL_METRICS, problems)
    for name in [*bad_patterns(os.environ), *((_INTERNAL_METRICS,) if problems else ())]:
        del os.environ[name]
