"""Names of the OpenTelemetry API that begin with an underscore; nothing else in this package touches them.

They are looked for once, at import. Each stands behind a function that works without it, by what is public: then the
feature that needs the name is off, which `lost` lists (`trax-otel doctor` and a line at the set-up tell), and no call raises.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry import _logs as logs_api
from opentelemetry import context as context_api
from opentelemetry import metrics as metrics_api
from opentelemetry import trace as trace_api

if TYPE_CHECKING:
    from contextvars import Token
    from types import ModuleType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

_missing: Final[dict[str, str]] = {}


def lost() -> list[str]:
    """What is off with the installed OpenTelemetry, a line for each name that is not there any more."""
    return [f"OpenTelemetry has no {name} any more: {feature}" for name, feature in _missing.items()]


def lacks(name: str, feature: str) -> None:
    """Remember that a name is missing, and what is off without it."""
    _missing[name] = feature


# --- Providers --------------------------------------------------------------------------------------------------------------


class Global:
    """One of OpenTelemetry's three global providers, and the guard that lets it be set once.

    `provider()` is the one that stands there, or None. `yields` says whether a provider can be placed so that the application's
    own, set later, wins.
    """

    def __init__(self, module: ModuleType, signal: str, get: Callable[[], Any], set_: Callable[[Any], None]) -> None:
        self._names = vars(module)
        self._provider = f"_{signal}_PROVIDER"
        self._once = f"_{signal}_PROVIDER_SET_ONCE"
        self._get, self._set = get, set_
        self._unused: Any = self._names.get(self._once)
        known = self._provider in self._names
        self.yields = known and self._unused is not None
        self.provider: Callable[[], Any] = self._known if known else self._asked
        if not self.yields:
            lacks(f"{module.__name__}.{self._once if known else self._provider}",
                  "a provider that the application sets later is refused")  # fmt: skip

    @property
    def slot(self) -> tuple[dict[str, Any], str]:
        """Where the provider stands, for who looks at each call: the dictionary and the key. Without the name, a place that stays
        empty."""
        return (
            (self._names, self._provider) if self._provider in self._names else ({self._provider: None}, self._provider)
        )

    def _known(self) -> Any:
        return self._names[self._provider]

    def _asked(self) -> Any:
        try:
            provider = self._get()
        except Exception:  # OTEL_PYTHON_*_PROVIDER names one that cannot be loaded
            return None
        return None if "Proxy" in type(provider).__name__ else provider

    def place(self, provider: Any, guard: Any) -> bool:
        """Put a provider there, its one setting still to come under `guard`; False where it had to be set for good."""
        if not self.yields:
            self._set(provider)
            return False
        self._names[self._once] = guard
        self._names[self._provider] = provider
        return True

    def clear(self) -> None:
        """Leave the place as if nobody had stood there."""
        if self.yields:
            self._names[self._provider] = None
            self._names[self._once] = self._unused


def _internal(module: Any) -> Any:
    """The module that keeps the global of `metrics` or `_logs`: the package itself only shows what is in it."""
    return getattr(module, "_internal", module)


TRACER: Final = Global(trace_api, "TRACER", trace_api.get_tracer_provider, trace_api.set_tracer_provider)
METER: Final = Global(_internal(metrics_api), "METER", metrics_api.get_meter_provider, metrics_api.set_meter_provider)
LOGGER: Final = Global(
    _internal(logs_api), "LOGGER", logs_api.get_logger_provider, logs_api.set_logger_provider
)  # fmt: skip

logger_provider: Final = LOGGER.provider

_proxy_meters: Final[Any] = getattr(_internal(metrics_api), "_PROXY_METER_PROVIDER", None)
if not hasattr(_proxy_meters, "on_set_meter_provider"):
    lacks("metrics._internal._PROXY_METER_PROVIDER", "instruments made before the set-up stay without figures")


def wake_instruments(provider: Any) -> None:
    """Give the instruments that were made before there was any meter provider their real ones."""
    wake = getattr(_proxy_meters, "on_set_meter_provider", None)
    if wake is not None:
        wake(provider)


def waiting_meter_provider() -> Any:
    """OpenTelemetry's own stand-in, whose instruments wake up when a meter provider is set; without it, one that does nothing."""
    return metrics_api.NoOpMeterProvider() if _proxy_meters is None else _proxy_meters


def stand_in_for_meters() -> Any:
    """One more of that kind, to be told by hand (`on_set_meter_provider`)."""
    return metrics_api.NoOpMeterProvider() if _proxy_meters is None else type(_proxy_meters)()


def rest_instruments() -> None:
    """Undo `wake_instruments` for meters that are still to come."""
    if hasattr(_proxy_meters, "_real_meter_provider"):
        _proxy_meters._real_meter_provider = None


# --- Context ----------------------------------------------------------------------------------------------------------------


def _quiet_detach() -> Callable[[Token[Context]], None]:
    runtime = getattr(context_api, "_RUNTIME_CONTEXT", None)
    found: Callable[[Token[Context]], None] | None = getattr(runtime, "detach", None)
    if found is None:
        lacks("context._RUNTIME_CONTEXT", "a block that ends in another context than it began in is logged")
        return context_api.detach
    return found


detach: Final = _quiet_detach()
"""Undo an attach. Raises where the block ended in another context than it began in; the public `detach` logs that."""


def _suppression_keys() -> tuple[str, ...]:
    own = getattr(context_api, "_SUPPRESS_INSTRUMENTATION_KEY", None)
    if own is None:
        lacks("context._SUPPRESS_INSTRUMENTATION_KEY", "some libraries' calls inside an export or a store are traced")
        return (_COMMON_KEY,)
    return (own, _COMMON_KEY)


_COMMON_KEY: Final = "suppress_instrumentation"  # the instrumentations' own name, beside the API's
SUPPRESSION_KEYS: Final = _suppression_keys()
"""The keys of the context under which a true value keeps libraries from making telemetry."""


def without_instrumentation(context: Context | None = None) -> Context:
    """The context (the current one unless given) in which nothing is traced."""
    suppressed = context_api.get_current() if context is None else context
    for key in SUPPRESSION_KEYS:
        suppressed = context_api.set_value(key, True, suppressed)
    return suppressed


def is_suppressed(context: Context | None) -> bool:
    """Whether nothing is to be traced in this context."""
    return context is not None and any(context.get(key) for key in SUPPRESSION_KEYS)


Function = TypeVar("Function", bound=Callable[..., Any])


def _agnostic() -> Callable[[Function], Function]:
    try:
        from opentelemetry.util._decorator import _agnosticcontextmanager
    except ImportError:
        lacks("util._decorator", "`use_span` as a decorator of an async function ends the span too soon")
        return contextlib.contextmanager  # type: ignore[return-value]
    return _agnosticcontextmanager  # type: ignore[return-value]


agnostic_context_manager = _agnostic()
"""Makes a context manager of a generator function that also decorates functions, async ones too."""


# --- Objects ----------------------------------------------------------------------------------------------------------------


def lock_of(span: Span) -> Any:
    """The lock that a span of the SDK takes while it is written, or None."""
    return getattr(span, "_lock", None)


def members_of(propagator: Any) -> list[Any]:
    """The propagators that a composite one consists of; one that is not composite stands alone."""
    return list(getattr(propagator, "_propagators", [propagator]))
