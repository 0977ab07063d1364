"""Planted secrets, in every field that a service can fill, never arrive at a store."""

from __future__ import annotations

import secrets
import time

import pytest

from support import otlp_data
from support.real_stack import Stack, until

pytestmark = pytest.mark.stack
TEXTS = [
    "password=hunter2-{n}", "passwd: {n}secretly", "pwd='{n}-letmein'", "api_key={n}abcdef", 'client_secret="{n}xyz"',
    '{{"password": "{n}-json"}}', "DB_PASSWORD={n}!x", "token={n}", "access_token: {n}", "private-key={n}",
    "Authorization: Bearer {n}abcdefgh", "bearer {n}.abcdefgh", "Basic QWxhZGRpbjp{n}", "Cookie: sid={n}; theme=dark",
    "Set-Cookie: sid={n}; HttpOnly", "postgresql://app:{n}@db/shop", "https://user:{n}@host/path?x=1",
    "eyJhbGciOi{n}.eyJzdWIiOi{n}.c2ln{n}", "AKIAABCDEFGHIJ{upper}", "ghp_{n}0123456789abcdef", "glpat-{n}0123456789",
    "xoxb-{n}-12345", "sk_live_{n}0123456789", "sk-{n}0123456789abcdef", "AIza{n}0123456789abcdefghijklmno",
    "npm_{n}0123456789abcdefghijklmno", "pypi-{n}0123456789abcdef",
    "-----BEGIN RSA PRIVATE KEY-----\n{n}\nMIIE\n-----END RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n{n}",
    "{n}@example.com", "ask {n}.b+c@mail.example.org today",
]  # fmt: skip
KEYS = [
    "password", "db.password", "user.passphrase", "client_secret", "http.request.header.authorization", "x-api-key",
    "http.request.header.cookie", "http.response.header.set-cookie", "access_token", "user.email", "phone", "user.ssn",
    "payment.card_number",
]  # fmt: skip
NUMBERS = ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "DE89 3704 0044 0532 0130 00", "078-05-1120",
           "+49 170 1234567"]  # fmt: skip


class Planted:
    """Secrets, each with a needle of its own that must not be found anywhere."""

    def __init__(self) -> None:
        self.needles: list[str] = []

    def needle(self) -> str:
        self.needles.append("q" + secrets.token_hex(4) + "z")
        return self.needles[-1]

    def texts(self) -> list[str]:
        made = []
        for text in TEXTS:
            needle = self.needle()
            if "{upper}" in text:
                self.needles[-1] = needle = needle.upper()[:6]
                made.append(text.format(upper=needle))
            else:
                made.append(text.format(n=needle))
        return made

    def everywhere(self) -> dict[str, object]:
        """Attributes: every text in an attribute of its own, in an array and in a map, and every key that says it is secret."""
        found: dict[str, object] = {
            f"text.{number}": f"before {text} after" for number, text in enumerate(self.texts())
        }
        found["list"] = [f"x {text}" for text in self.texts()]
        found["map"] = {"inner": {"deep": self.texts()}, "password": self.needle()}
        found |= {key: self.needle() for key in KEYS}
        found |= {f"number.{index}": f"no. {number}." for index, number in enumerate(NUMBERS)}
        found["card"] = 4111111111111111
        return found


def test_planted_secrets_never_arrive(stack: Stack) -> None:
    planted = Planted()
    trace = secrets.token_bytes(16)
    spans, records = [], []
    for text in [*planted.texts(), *NUMBERS]:
        span = otlp_data.span(f"GET {text}", trace=trace, attributes={"kept": "yes"})
        span.status.code, span.status.message = 2, f"failed with {text}"
        span.events.add(name=f"event {text}", time_unix_nano=time.time_ns())
        spans.append(span)
        # a span without events goes another way through the collector
        plain = otlp_data.span(f"PUT {text}", trace=trace)
        plain.status.code, plain.status.message = 2, f"broke with {text}"
        spans.append(plain)
        records.append(otlp_data.record(f"line {text}", trace_id=trace, severity_text=f"INFO {text}"))
    rich = otlp_data.span("rich", trace=trace, attributes=planted.everywhere(),
                          exceptions=[planted.everywhere(), {"exception.message": planted.texts()[0]}])  # fmt: skip
    records.append(otlp_data.record({"body": planted.everywhere()}, trace_id=trace, attributes=planted.everywhere()))
    resource = {"owner.email": f"{planted.needle()}@example.com", "env": f"SECRET={planted.needle()}"}
    in_traces = otlp_data.traces(*spans, rich, service="leaky", resource=resource)
    in_logs = otlp_data.logs(*records, service="leaky", resource=resource)
    for scope in (in_traces.resource_spans[0].scope_spans[0].scope, in_logs.resource_logs[0].scope_logs[0].scope):
        scope.name = f"library {planted.texts()[0]}"
        scope.attributes.extend(otlp_data.pairs({"password": planted.needle()}))
    stack.send(in_traces)
    stack.send(in_logs, "logs")
    stack.send(otlp_data.metrics(otlp_data.counter("leaky", 1, who=planted.texts()[-2], password=planted.needle()),
                                 service="leaky"), "metrics")  # fmt: skip
    assert len(planted.needles) > 50

    stored_spans = until(lambda: stack.tempo_trace(trace.hex()), "the trace in Tempo", 60)
    jaeger = str(until(lambda: stack.jaeger_trace(trace.hex()), "the trace in Jaeger", 60))
    lines = until(lambda: stack.loki('{service_name="leaky"}'), "the lines in Loki", 60)
    series = until(lambda: stack.prometheus('{service_name="leaky"}'), "the series in Prometheus", 60)
    assert "kept" in stored_spans
    assert "failed with" in jaeger
    assert len(lines) == len(records)
    for place, stored in {
        "Tempo": stored_spans,
        "Jaeger": jaeger,
        "Loki": str(lines),
        "Prometheus": str(series),
    }.items():
        assert [needle for needle in planted.needles if needle in stored] == [], place
        assert [number for number in [*NUMBERS, "4111111111111111"] if number in stored] == [], place


def test_ordinary_telemetry_is_left_as_it_is(stack: Stack) -> None:
    """Ids, versions, addresses, times and amounts are no secrets."""
    kept = {
        "id": "550e8400-e29b-41d4-a716-446655440000", "hex": secrets.token_hex(16), "at": 1790000000000000000,
        "bytes": 4_000_000_000,
        "url.full": "https://shop.example/orders/42?page=2", "version": "1.45.2", "client.address": "192.0.2.7", "share": 0.25,
        "gen_ai.usage.input_tokens": 42, "trax.error.code": "TRAX-001", "sql": "SELECT * FROM users WHERE id = ?",
        "trax.operation.name": "charge", "path": "/var/lib/app/file.txt", "date": "2026-11-23T22:00:00Z",
    }  # fmt: skip
    trace = secrets.token_bytes(16)
    span = otlp_data.span("GET /orders/{id}", trace=trace, attributes=kept)
    span.events.add(name="trax.retry.scheduled", time_unix_nano=time.time_ns())
    stack.send(otlp_data.traces(span, service="plain"))
    found = until(lambda: stack.jaeger_trace(trace.hex()), "the trace in Jaeger", 60)["spans"][0]
    tags = {tag["key"]: tag["value"] for tag in found["tags"]}
    assert {key: str(tags.get(key)) for key in kept} == {key: str(value) for key, value in kept.items()}
    assert found["operationName"] == "GET /orders/{id}"
    assert "trax.retry.scheduled" in str(found["logs"])
    assert not [key for key in tags if key.startswith("redact")]
