"""OTEL_PROPAGATORS, set where it takes effect: the API reads the variable once, at its own import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import propagate
from opentelemetry.propagators.composite import CompositePropagator

from ..guarded import PROPAGATORS, names_in
from .samplers import load

if TYPE_CHECKING:
    from opentelemetry.propagators.textmap import TextMapPropagator

    from .environment import Environment, Problems

_DEFAULT: Final = "tracecontext,baggage"


def propagators(environ: Environment, problems: Problems) -> TextMapPropagator | None:
    """The propagators that OTEL_PROPAGATORS names, those that can be had; unset, None."""
    names = names_in(environ.get(PROPAGATORS, ""))
    if not names:
        return None
    if "none" in names:
        return CompositePropagator([])
    return CompositePropagator(_loaded(names, problems) or _loaded(names_in(_DEFAULT), problems))


def _loaded(names: list[str], problems: Problems) -> list[Any]:
    found: list[Any] = []
    for name in names:
        try:
            found.append(load("opentelemetry_propagator", name)())
        except LookupError:
            problems.append(
                f"{PROPAGATORS}={name!r}: must be tracecontext, baggage, none or a propagator that is installed"
            )
        except Exception as error:
            problems.append(f"{PROPAGATORS}={name!r}: {type(error).__name__}: {error}")
    return found


def set_propagators(chosen: TextMapPropagator | None) -> None:
    """Make them the global ones; None leaves everything as it is."""
    if chosen is not None:
        propagate.set_global_textmap(chosen)
