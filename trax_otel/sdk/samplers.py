"""OTEL_TRACES_SAMPLER, and the other parts that are chosen by name."""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)

from ..lifecycle import process_token
from .environment import without_secrets

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    from .environment import Environment, Problems

_FIXED: Final[dict[str, Sampler]] = {
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
    "parentbased_always_on": DEFAULT_ON,
    "parentbased_always_off": DEFAULT_OFF,
}
_RATIO: Final[dict[str, Callable[[float], Sampler]]] = {
    "traceidratio": TraceIdRatioBased,
    "parentbased_traceidratio": lambda ratio: ParentBased(TraceIdRatioBased(ratio)),
}


def sampler(environ: Environment, problems: Problems) -> Sampler:
    """The sampler that OTEL_TRACES_SAMPLER and _ARG name; `parentbased_always_on` by default."""
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower() or "parentbased_always_on"
    argument = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if name in _FIXED:
        return _FIXED[name]
    if name in _RATIO:
        return _RATIO[name](_ratio(argument, problems))
    try:
        factory = load("opentelemetry_traces_sampler", name)
        made = factory(argument or None)
        if not isinstance(made, Sampler):
            raise TypeError(f"{type(made).__name__} is no Sampler")
        return made
    except LookupError:
        known = ", ".join([*_FIXED, *_RATIO])
        problems.append(f"OTEL_TRACES_SAMPLER={name!r}: must be one of {known}, or a sampler that is installed")
    except Exception as error:
        reason = without_secrets(f"{type(error).__name__}: {error}", environ)
        problems.append(f"OTEL_TRACES_SAMPLER={name!r}: {reason}")
    return DEFAULT_ON


def _ratio(text: str, problems: Problems) -> float:
    try:
        value = float(text or "1")
    except ValueError:
        value = -1.0
    if 0.0 <= value <= 1.0:
        return value
    problems.append(f"OTEL_TRACES_SAMPLER_ARG={text!r}: must be a number from 0 to 1")
    return 1.0


class ProcessIds(RandomIdGenerator):
    """Random ids of a generator that each process seeds anew, whatever the application does to `random`'s own."""

    def __init__(self) -> None:
        self._random = random.Random()  # noqa: S311  # ids are no secrets
        self._token = process_token()

    def generate_trace_id(self) -> int:
        """128 random bits, not all of them 0."""
        return self._bits(128)

    def generate_span_id(self) -> int:
        """64 random bits, not all of them 0."""
        return self._bits(64)

    def _bits(self, count: int) -> int:
        token = process_token()
        if token is not self._token:
            self._random = random.Random()  # noqa: S311
            self._token = token
        while True:
            made = self._random.getrandbits(count)
            if made:
                return made


def id_generator(environ: Environment, problems: Problems) -> IdGenerator:
    """The generator that OTEL_PYTHON_ID_GENERATOR names; a random one by default."""
    name = environ.get("OTEL_PYTHON_ID_GENERATOR", "").strip() or "random"
    if name != "random":
        try:
            made: IdGenerator = load("opentelemetry_id_generator", name)()
            return made
        except LookupError:
            problems.append(f"OTEL_PYTHON_ID_GENERATOR={name!r}: must be random, or a generator that is installed")
        except Exception as error:
            problems.append(f"OTEL_PYTHON_ID_GENERATOR={name!r}: {type(error).__name__}: {error}")
    return ProcessIds()


def load(group: str, name: str) -> Any:
    """What an installed package offers under an entry point. Raises LookupError where none does."""
    for entry_point in entry_points(group=group, name=name):
        return entry_point.load()
    raise LookupError(f"no installed package offers {name!r} ({group})")
