"""Variables that OpenTelemetry's modules read at their own import, and fail on: out of the way while that import lasts.

The environment stays as it is: a child process may well be able to use what this one cannot. Only a global provider that
nobody offers is unset, for every use of the API before there is a provider would raise. What is wrong is told where the
variable is read for use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

PROPAGATORS: Final = "OTEL_PROPAGATORS"
CONTEXT: Final = "OTEL_PYTHON_CONTEXT"
PROVIDERS: Final = {
    "OTEL_PYTHON_TRACER_PROVIDER": "opentelemetry_tracer_provider",
    "OTEL_PYTHON_METER_PROVIDER": "opentelemetry_meter_provider",
    "OTEL_PYTHON_LOGGER_PROVIDER": "opentelemetry_logger_provider",
}
"""Variables that name a global provider, each with the group of entry points that offers them."""
OURS: Final = "trax"
"""The name of our own providers; with it nothing has to be looked up at the start of each interpreter."""
unset: Final[dict[str, str]] = {}
"""What was unset here, with its value."""
_BUILT_IN: Final = frozenset({"tracecontext", "baggage", "none"})
_DEFAULT_CONTEXT: Final = "contextvars_context"


@contextmanager
def replaced(values: Mapping[str, str | None]) -> Iterator[None]:
    """The environment with other values inside the block; None: unset."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def hidden(names: Iterable[str]) -> Any:
    """The environment without some variables inside the block."""
    return replaced(dict.fromkeys(names))


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def names_in(text: str) -> list[str]:
    """The names of a list separated by commas, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def is_offered(group: str, name: str) -> bool:
    """Whether an installed package offers a name under a group of entry points."""
    from importlib.metadata import entry_points

    return any(entry_points(group=group, name=name))


def import_api() -> None:
    """Import what of OpenTelemetry's API fails at its import with what the environment says; usually nothing."""
    for name, group in PROVIDERS.items():
        provider = os.environ.get(name)
        if provider not in {None, OURS} and not is_offered(group, provider or ""):
            unset[name] = os.environ.pop(name)
    context = os.environ.get(CONTEXT, "")
    if context not in {"", _DEFAULT_CONTEXT} and "opentelemetry.context" not in sys.modules:
        with hidden(() if is_offered("opentelemetry_context", context) else (CONTEXT,)):
            import opentelemetry.context
    text = os.environ.get(PROPAGATORS, "")
    if not text or {name.strip() for name in text.split(",")} <= _BUILT_IN or "opentelemetry.propagate" in sys.modules:
        return
    usable = [name for name in names_in(text) if name in _BUILT_IN or _loads("opentelemetry_propagator", name)]
    with replaced({PROPAGATORS: ",".join(usable) or None}):
        import opentelemetry.propagate  # noqa: F401


def _loads(group: str, name: str) -> bool:
    from importlib.metadata import entry_points

    try:
        return any(entry_point.load()() is not None for entry_point in entry_points(group=group, name=name))
    except Exception:
        return False


import_api()
