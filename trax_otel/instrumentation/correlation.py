"""The correlation id over HTTP and messages, as a propagator: so every instrumentation of a server brings it in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import get_current_span

from .. import config
from ..signals import Correlation, current_correlation, roots, valid_correlation_id
from ..signals.correlation import with_correlation
from ..signals.private import members_of


class CorrelationPropagator(TextMapPropagator):
    """Takes the id from the first of the configured headers that has a valid one.

    It is sent on only where `TRAX_PROPAGATE_CORRELATION` says so: default propagators send to third parties too.
    """

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """The context with the id, or as it was."""
        for name in config.settings().runtime.correlation_headers:
            for spelling in (name, name.lower()):
                found = _first(getter.get(carrier, spelling))
                correlation_id = valid_correlation_id(found)
                if correlation_id is not None:
                    fields = current_correlation(context).fields
                    return with_correlation(Correlation(correlation_id, fields), context)
        return context if context is not None else Context()

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Set the first configured header, where the id is to be sent on."""
        roots.refer_to(get_current_span(context))
        runtime = config.settings().runtime
        correlation_id = current_correlation(context).id
        if runtime.propagate_correlation and runtime.correlation_headers and correlation_id is not None:
            setter.set(carrier, runtime.correlation_headers[0], correlation_id)

    @property
    def fields(self) -> set[str]:
        """The headers that are read or set."""
        return set(config.settings().runtime.correlation_headers)


def _first(values: Any) -> str | None:
    if isinstance(values, str):
        return values
    if isinstance(values, Iterable):
        return next((value for value in values if isinstance(value, str)), None)
    return None


def install_correlation() -> None:
    """Add the propagator to the global ones; doing it twice changes nothing."""
    present = propagate.get_global_textmap()
    members = members_of(present)
    if not any(isinstance(member, CorrelationPropagator) for member in members):
        propagate.set_global_textmap(CompositePropagator([*members, CorrelationPropagator()]))
