"""OTEL_PROPAGATORS, set where it takes effect: the API reads the variable once, at its own import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import propagate
from opentelemetry.propagators.composite import CompositePropagator

from .samplers import load

if TYPE_CHECKING:
    from .environment import Environment, Problems


def set_propagators(environ: Environment, problems: Problems) -> None:
    """Make the propagators that OTEL_PROPAGATORS names the global ones; unset, nothing is touched."""
    text = environ.get("OTEL_PROPAGATORS", "").strip()
    if not text:
        return
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    found: list[Any] = []
    for name in [] if "none" in names else names:
        try:
            found.append(load("opentelemetry_propagator", name)())
        except LookupError:
            problems.append(f"OTEL_PROPAGATORS={name!r}: no installed package offers this propagator")
        except Exception as error:
            problems.append(f"OTEL_PROPAGATORS={name!r}: {type(error).__name__}: {error}")
    if found or "none" in names:
        propagate.set_global_textmap(CompositePropagator(found))
