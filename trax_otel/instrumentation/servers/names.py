"""The names of a request's attributes, as the user asked for them: stable ones, old ones, or both.

The same words as for contrib's instrumentations, so that a span which a framework's instrumentation shares bears one set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from ... import semconv
from ..conventions import OPT_IN_VARIABLE

_OLD: Final = {
    semconv.HTTP_REQUEST_METHOD: "http.method",
    semconv.HTTP_RESPONSE_STATUS_CODE: "http.status_code",
    semconv.URL_SCHEME: "http.scheme",
    semconv.SERVER_ADDRESS: "net.host.name",
    semconv.SERVER_PORT: "net.host.port",
    semconv.CLIENT_ADDRESS: "net.peer.ip",
    semconv.CLIENT_PORT: "net.peer.port",
    semconv.NETWORK_PROTOCOL_VERSION: "http.flavor",
    semconv.USER_AGENT_ORIGINAL: "http.user_agent",
}
_TARGET: Final = "http.target"


def named(found: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes, given by their stable names, by those that were asked for."""
    stable, old = _asked(os.environ.get(OPT_IN_VARIABLE))
    if not old:
        return dict(found)
    named = {_OLD[name]: value for name, value in found.items() if name in _OLD}
    if semconv.URL_PATH in found:
        query = found.get(semconv.URL_QUERY)
        named[_TARGET] = f"{found[semconv.URL_PATH]}?{query}" if query else found[semconv.URL_PATH]
    moved = {*_OLD, semconv.URL_PATH, semconv.URL_QUERY, semconv.HTTP_REQUEST_METHOD_ORIGINAL}
    return {**named, **{name: value for name, value in found.items() if stable or name not in moved}}


@lru_cache(maxsize=8)
def _asked(setting: str | None) -> tuple[bool, bool]:
    """Whether stable and whether old names are asked for; nothing asked for means stable ones."""
    words = {word.strip() for word in (setting or "").split(",") if word.strip()}
    both = "http/dup" in words
    stable = both or "http" in words or not words
    return stable, both or not stable
