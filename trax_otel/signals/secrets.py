"""Which fields are secret, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

REDACTED: Final = "[redacted]"
MAX_DEPTH: Final = 8


@cache
def _secret_names() -> re.Pattern[str]:
    # Compiled when first asked for: that takes as long as importing several modules.
    return re.compile(
        r"passw|passphrase|secret|token|authori[sz]ation|cookie|credential|api.?key|private.?key|session.?id|\bpin\b|otp",
        re.IGNORECASE,
    )


def is_secret(name: str) -> bool:
    """Whether a field's or a parameter's name says that its value is secret."""
    return _secret_names().search(name) is not None


def without_secrets(value: Any, depth: int = 0) -> Any:
    """The value, in whose mappings what a name says is secret is replaced; deeper than MAX_DEPTH it is one text."""
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {key: REDACTED if _hides(key) else without_secrets(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(inner, depth + 1) for inner in value]
    return value


def _hides(key: object) -> bool:
    try:
        return is_secret(str(key))
    except Exception:  # a key whose __str__ raises
        return False
