"""The span of a request bears the names that the user asked for."""

from __future__ import annotations

import pytest

from trax_otel.instrumentation.servers.facts import of_scope
from trax_otel.instrumentation.servers.naming import named
from trax_otel.instrumentation.servers.settings import forget

SCOPE = {
    "type": "http", "method": "GET", "path": "/a", "query_string": b"b=1", "scheme": "http", "http_version": "1.1",
    "headers": [(b"host", b"shop.example:8080"), (b"user-agent", b"probe")], "client": ("10.0.0.7", 5),
}  # fmt: skip
STABLE = {
    "http.request.method": "GET", "url.path": "/a", "url.scheme": "http", "server.address": "shop.example", "server.port": 8080,
    "network.protocol.version": "1.1", "url.query": "b=1", "user_agent.original": "probe", "client.address": "10.0.0.7",
    "client.port": 5,
}  # fmt: skip
OLD = {
    "http.method": "GET", "http.target": "/a?b=1", "http.scheme": "http", "net.host.name": "shop.example", "net.host.port": 8080,
    "http.flavor": "1.1", "http.user_agent": "probe", "net.peer.ip": "10.0.0.7", "net.peer.port": 5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, STABLE),
        ("", STABLE),
        ("http,database", STABLE),
        ("none", OLD),
        ("database", OLD),
        ("http/dup,database/dup", STABLE | OLD),
        ("http, http/dup", STABLE | OLD),
    ],
)
def test_names_are_those_that_were_asked_for(
    setting: str | None, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_SEMCONV_STABILITY_OPT_IN", raising=False)
    if setting is not None:
        monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", setting)
    forget()
    try:
        assert named(of_scope(SCOPE).attributes()) == expected
    finally:
        forget()
