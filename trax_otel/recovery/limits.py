"""What the section `recovery` of the settings limits, where an argument does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import config
from ..config import Section
from ..errors import InvalidConfigError


class Limits(Section):
    """What settings may give, resolved. `timeout` is seconds."""

    enabled: bool
    max_fallbacks: int
    timeout: float


class GivenLimits:
    """The limits that were passed. What is None falls through to the settings when it is first needed.

    Raises:
        InvalidConfigError: a value is not allowed; `owner` names whose.
    """

    __slots__ = ("_given", "_resolved")

    def __init__(self, owner: str, enabled: bool | None, max_fallbacks: int | None, timeout: float | None) -> None:
        given = {"enabled": enabled, "max_fallbacks": max_fallbacks, "timeout": timeout}
        self._given: Mapping[str, Any] = {name: value for name, value in given.items() if value is not None}
        self._resolved: Limits | None = None
        _, problems = config.load({"recovery": self._given}, environ={})
        if problems:
            told = "; ".join(f"{problem.name.removeprefix('recovery.')}: {problem.message}" for problem in problems)
            raise InvalidConfigError(f"{owner}: {told}")

    def resolve(self) -> Limits:
        """What was passed, and for the rest what the settings say."""
        if self._resolved is None:
            section = config.settings().recovery
            self._resolved = Limits(**{name: self._given.get(name, getattr(section, name)) for name in Limits.names})
        return self._resolved
