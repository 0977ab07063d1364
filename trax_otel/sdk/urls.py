"""URLs for telemetry: without user and password, and without the values of parameters whose names say that they are secret."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from ..signals.secrets import is_secret

HIDDEN: Final = "REDACTED"
"""What OpenTelemetry's conventions write in place of a secret."""
_OF_URLS: Final = frozenset({"auth", "jwt", "key", "pwd", "sig", "signature", "x-amz-signature", "x-goog-signature"})
"""Names that are secret in a query, though they need not be elsewhere."""


def without_secrets(url: str) -> str:
    """A URL, a path with its query, or a query alone; what is none of these comes back as it is. Never raises."""
    if "@" in url:
        url = _user().sub(rf"\1{HIDDEN}:{HIDDEN}@", url, count=1)
    if "=" not in url:
        return url
    address, hash_mark, fragment = url.partition("#")
    return _in_query(address) + hash_mark + _in_query(fragment)


def _in_query(text: str) -> str:
    """The text with the secrets behind its `?` hidden; without one, all of it is a query, unless it is a path."""
    path, mark, query = text.partition("?")
    if not mark and "/" not in path.partition("=")[0]:
        path, query = "", text
    return path + mark + _parameter().sub(_hidden, query)


def _hidden(parameter: re.Match[str]) -> str:
    return f"{parameter[1]}={HIDDEN}" if _names_a_secret(parameter[1]) else parameter[0]


@lru_cache(maxsize=1024)
def _names_a_secret(name: str) -> bool:
    plain = unquote_plus(name).strip().lower()
    return plain in _OF_URLS or is_secret(plain)


# Compiled when the first URL comes, not at import.


@lru_cache(maxsize=1)
def _user() -> re.Pattern[str]:
    return re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://|//)[^/?#]*@")


@lru_cache(maxsize=1)
def _parameter() -> re.Pattern[str]:
    return re.compile(r"([^=&;]+)=([^&;]+)")
