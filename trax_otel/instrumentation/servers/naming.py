"""The span's attributes by the names that the user asked for: today's, those of 2021, or both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from ... import semconv
from ..conventions import OPT_IN_VARIABLE
from .settings import setting

OLD: Final[Mapping[str, str]] = {
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
"""Today's name → that of 2021. Path and query were one, `http.target`."""


def named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes, given by today's names, under those that are asked for."""
    today, former = _asked(setting(OPT_IN_VARIABLE))
    if not former:
        return dict(attributes)
    renamed = {OLD[name]: value for name, value in attributes.items() if name in OLD}
    if semconv.URL_PATH in attributes:
        query = attributes.get(semconv.URL_QUERY)
        renamed["http.target"] = attributes[semconv.URL_PATH] + (f"?{query}" if query else "")
    replaced = {} if today else {*OLD, semconv.URL_PATH, semconv.URL_QUERY}
    return {**{name: value for name, value in attributes.items() if name not in replaced}, **renamed}


def names_of_today() -> bool:
    """Whether today's names are asked for, alone or beside those of 2021."""
    return _asked(setting(OPT_IN_VARIABLE))[0]


@lru_cache(maxsize=8)
def _asked(text: str) -> tuple[bool, bool]:
    """Whether today's names are asked for, and whether the former ones are; today's where nothing is said."""
    values = {part.strip() for part in text.split(",")}
    if "http/dup" in values:
        return True, True
    today = "http" in values or not text.strip()
    return today, not today
