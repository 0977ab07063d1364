"""Which instrumentations an environment can use, at the release that fits its OpenTelemetry.

The instrumentations of a release name its other packages with `==`, and not every package is in every release: where one of them
lags behind, no installer can add it without moving OpenTelemetry itself. Here the nearest earlier release of the same
minor is taken, which differs by fixes only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from typing import Final

SEEN_TO: Final = frozenset({"psutil", "pydantic", "structlog"})
"""Libraries that need none: system metrics and structlog's lines are sent anyway, and pydantic stands for an ORM."""
WITHOUT_LIBRARY: Final = ("dbapi", "sqlite3", "urllib", "wsgi")
"""Instrumentations of the standard library that tell what ours do not."""
_PREFIX: Final = "opentelemetry-"
_RELEASE: Final = re.compile(r"0\.(\d+)b(\d+)")


def release() -> str:
    """The release of the conventions that the SDK is bound to: 0.66b1 with 1.45.1. Raises PackageNotFoundError."""
    return version("opentelemetry-semantic-conventions")


def usable() -> list[str]:
    """Requirements of the instrumentations that this environment can use and does not have, sorted."""
    from opentelemetry.instrumentation.bootstrap_gen import libraries
    from packaging.requirements import Requirement

    installed = installed_versions()
    wanted = {f"{_PREFIX}instrumentation-{name}": "==" for name in WITHOUT_LIBRARY}
    for entry in libraries:
        library = Requirement(entry["library"])
        present = installed.get(_normal(library.name))
        if present and _normal(library.name) not in SEEN_TO and library.specifier.contains(present, prereleases=True):
            instrumentation = Requirement(entry["instrumentation"])
            wanted[_normal(instrumentation.name)] = str(instrumentation.specifier)
    return sorted(fitted(name, specifier) for name, specifier in wanted.items() if name not in installed)


def fitted(name: str, specifier: str) -> str:
    """A requirement of a package that is released with OpenTelemetry, for this environment's release; others as they are."""
    known = _RELEASE.fullmatch(release())
    if "==" not in specifier or known is None:
        return f"{name}{specifier}"
    return f"{name}=={known[0]}" if known[2] == "0" else f"{name}>=0.{known[1]}b0,<=0.{known[1]}b{known[2]}"


def lacking(names: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """What installed packages (by name) require and the environment lacks: of OpenTelemetry, fitted, and of others."""
    installed = installed_versions()
    family: dict[str, str] = {}
    others: dict[str, str] = {}
    for name in names:
        for required, specifier in _requirements(name):
            if required not in installed:
                ours = required.startswith(_PREFIX)
                (family if ours else others)[required] = (
                    fitted(required, specifier) if ours else f"{required}{specifier}"
                )
    return sorted(family.values()), sorted(others.values())


def _requirements(name: str) -> Iterator[tuple[str, str]]:
    from packaging.requirements import Requirement

    try:
        texts = requires(name) or ()
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, texts):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _normal(requirement.name), str(requirement.specifier)


def installed_versions() -> dict[str, str]:
    """Every installed package's version, by its normalised name."""
    return {_normal(name): one.version for one in distributions() if (name := one.metadata["Name"])}


def family_versions() -> dict[str, str]:
    """Those of OpenTelemetry."""
    return {name: found for name, found in installed_versions().items() if name.startswith(_PREFIX)}


def name_of(requirement: str) -> str:
    """The normalised name in a requirement."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return _normal(match[0]) if match else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
