"""What the standard variables say of spans of servers: excluded URLs, captured headers, known methods."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Final

EXCLUDED_VARIABLE: Final = "OTEL_PYTHON_EXCLUDED_URLS"
METHODS_VARIABLE: Final = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"
ALL_METHODS_VARIABLE: Final = "OTEL_PYTHON_INSTRUMENTATION_HTTP_CAPTURE_ALL_METHODS"
REQUEST_HEADERS_VARIABLE: Final = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST"
RESPONSE_HEADERS_VARIABLE: Final = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE"
SANITIZE_VARIABLE: Final = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"

METHODS: Final = "GET,HEAD,POST,PUT,DELETE,CONNECT,OPTIONS,TRACE,PATCH,QUERY"
OTHER_METHOD: Final = "_OTHER"
REDACTED: Final = "[REDACTED]"
FRAMEWORKS: Final[Mapping[str, str]] = {
    "aiohttp": "AIOHTTP_SERVER", "django": "DJANGO", "falcon": "FALCON", "fastapi": "FASTAPI", "flask": "FLASK",
    "pyramid": "PYRAMID", "starlette": "STARLETTE", "tornado": "TORNADO",
}  # fmt: skip
"""Framework → the name in its own variable, `OTEL_PYTHON_<NAME>_EXCLUDED_URLS`."""


@cache
def setting(variable: str) -> str:
    """What the environment says, as it was at the first request: it is asked several times for each."""
    return os.environ.get(variable, "")


def forget() -> None:
    """Read the environment anew."""
    setting.cache_clear()
    _exclusions.cache_clear()


def known_method(method: str) -> str:
    """The method in capitals, or `_OTHER`."""
    known = method.upper()
    if known in _parts(setting(METHODS_VARIABLE) or METHODS) or setting(ALL_METHODS_VARIABLE):
        return known
    return OTHER_METHOD


def is_excluded(url: str) -> bool:
    """Whether a URL is not to be observed: by the list for all, or by that of a framework which this process uses."""
    return any(module in sys.modules and pattern.search(url) for module, pattern in _exclusions())


@cache
def _exclusions() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The lists that are set, each with the module that must be there for it to count."""
    variables = {"sys": EXCLUDED_VARIABLE}
    variables |= {module: f"OTEL_PYTHON_{name}_EXCLUDED_URLS" for module, name in FRAMEWORKS.items()}
    found = [(module, _pattern(setting(variable))) for module, variable in variables.items()]
    return tuple((module, pattern) for module, pattern in found if pattern is not None)


def captured_headers(variable: str, prefix: str, headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The attributes of those headers that the variable names."""
    wanted = _pattern(setting(variable), re.IGNORECASE)
    if wanted is None:
        return {}
    secret = _pattern(setting(SANITIZE_VARIABLE), re.IGNORECASE)
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if wanted.fullmatch(name):
            key = f"{prefix}{name.lower().replace('-', '_')}"  # as OpenTelemetry's own instrumentations name them
            found.setdefault(key, []).append(REDACTED if secret is not None and secret.search(name) else value)
    return found


@lru_cache(maxsize=32)
def _parts(text: str) -> frozenset[str]:
    return frozenset(part.strip().upper() for part in text.split(","))


@lru_cache(maxsize=64)
def _pattern(text: str, flags: int = 0) -> re.Pattern[str] | None:
    """One pattern for a list of them; those that are none are left out."""
    good = []
    for part in text.split(","):
        try:
            re.compile(part.strip())
        except re.error:
            continue
        good += [part.strip()] if part.strip() else []
    return re.compile("|".join(f"(?:{part})" for part in good), flags) if good else None
