"""The SDK, without the values that it fails on: its modules read variables at their own import, its providers when made.

Limits that are no numbers raise; a resource that a module makes for itself logs each entry that it cannot read, which may be a
secret. So such variables are out of the way here; for each the default holds, and `checks` and `resource` tell.
"""

from __future__ import annotations

import os
from typing import Any, Final

from ..guarded import hidden, is_offered, names_in
from .environment import RESOURCE_ATTRIBUTES, limits, resource_attributes

DETECTORS: Final = "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"


def usable_environment() -> Any:
    """The environment inside the block, without what a provider fails on when it is made."""
    return hidden(limits(os.environ, []))


def _resource_variables() -> set[str]:
    """The variables of resources that the SDK cannot read."""
    problems: list[str] = []
    resource_attributes(os.environ, problems)
    loose = any(not entry.strip() for entry in os.environ.get(RESOURCE_ATTRIBUTES, "").split(","))
    detectors = [name for name in names_in(os.environ.get(DETECTORS, "")) if name != "*"]
    known = all(is_offered("opentelemetry_resource_detector", name) for name in detectors)
    return ({RESOURCE_ATTRIBUTES} if problems or loose else set()) | (set() if known else {DETECTORS})


with usable_environment(), hidden(_resource_variables()):
    import opentelemetry.sdk._logs
    import opentelemetry.sdk.metrics
    import opentelemetry.sdk.trace  # noqa: F401
