"""Stores: told apart by what their API answers, and asked for what was sent."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from email.message import Message
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .bounded import within
from .finding import Finding

if TYPE_CHECKING:
    from ...sdk.environment import Signal
    from .items import TestItems

KINDS: Final = ("jaeger", "tempo", "prometheus", "loki", "local")
NAMES: Final = {
    "jaeger": "Jaeger", "tempo": "Tempo", "prometheus": "Prometheus", "loki": "Loki", "local": "trax-otel local",
    "grafana": "Grafana", "collector_health": "a collector's health check", "collector_metrics": "a collector's own metrics",
}  # fmt: skip
HOLDS: Final[dict[str, tuple[Signal, ...]]] = {
    "jaeger": ("traces",), "tempo": ("traces",), "prometheus": ("metrics",), "loki": ("logs",),
    "local": ("traces", "metrics", "logs"),
}  # fmt: skip
DENIED: Final = frozenset({401, 403, 407})
MAX_BODY: Final = 4 << 20
PAUSE: Final = 0.5


class Reply(NamedTuple):
    """What an HTTP server answered."""

    status: int
    headers: Message
    body: bytes
    at: float
    """The wall clock when the answer began."""

    @property
    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Store(NamedTuple):
    """One store to ask; `kind` is empty where it is to be found out."""

    url: str
    kind: str = ""

    @property
    def address(self) -> str:
        """Without credentials."""
        parts = urllib.parse.urlsplit(self.url)
        return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def parse(written: str) -> Store:
    """`[KIND=]URL`. Raises ValueError."""
    kind, equals, url = written.partition("=")
    if not equals or "://" in kind:
        kind, url = "", written
    if kind and kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of store: write one of {', '.join(KINDS)}")
    try:
        parts = urllib.parse.urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"{Store(url).address if '://' in url else url!r} is no URL such as http://localhost:3200")
    return Store(url, kind)


# --- Asking -------------------------------------------------------------------------------------------------------


def ask(store: Store, path: str, timeout: float, certificate: str | None = None, **query: str) -> Reply:
    """GET it, with the URL's user and password. Raises OSError where nobody answers."""
    parts = urllib.parse.urlsplit(store.url)
    headers = {"accept": "application/json, */*;q=0.5"}
    if parts.username:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    url = store.address + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
    request = urllib.request.Request(url, headers=headers)

    def get() -> Reply:
        context = ssl.create_default_context(cafile=certificate) if parts.scheme == "https" else None
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
                return Reply(answer.status, answer.headers, answer.read(MAX_BODY), time.time())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Reply(refusal.code, refusal.headers, refusal.read(MAX_BODY), time.time())

    try:
        return within(timeout, get)
    except OSError:
        raise
    except Exception as error:  # what http.client makes of an answer that is no HTTP
        raise OSError(f"{type(error).__name__}: {error}") from error


def _is_jaeger(reply: Reply) -> bool:
    return isinstance(reply.json, dict) and "data" in reply.json and "total" in reply.json


def _has_version(reply: Reply) -> bool:
    return reply.status == 200 and isinstance(reply.json, dict) and "version" in reply.json


def _is_prometheus(reply: Reply) -> bool:
    return isinstance(reply.json, dict) and reply.json.get("status") == "success" and "data" in reply.json


_SIGNS: Final[tuple[tuple[str, str, Callable[[Reply], bool]], ...]] = (
    ("jaeger", "/api/services", _is_jaeger),
    ("loki", "/loki/api/v1/status/buildinfo", _has_version),
    ("tempo", "/api/echo", lambda reply: reply.status == 200 and reply.body.strip() == b"echo"),
    ("prometheus", "/api/v1/status/buildinfo", _is_prometheus),
    ("local", "/", lambda reply: b"trax local</title>" in reply.body),
    ("grafana", "/api/health", lambda reply: isinstance(reply.json, dict) and "database" in reply.json),
    ("collector_health", "/", lambda reply: isinstance(reply.json, dict) and "upSince" in reply.json),
    ("collector_metrics", "/metrics", lambda reply: b"otelcol_" in reply.body),
)


def identify(store: Store, timeout: float, certificate: str | None = None) -> tuple[str, Reply]:
    """The kind of server, empty where it cannot be told, and its last answer. Raises OSError."""
    reply = denied = None
    for kind, path, fits in _SIGNS:
        reply = ask(store, path, timeout, certificate)
        if fits(reply):
            return kind, reply
        if reply.status in DENIED:
            denied = reply
    last = denied or reply
    assert last is not None  # there are signs
    return "", last


# --- Finding ------------------------------------------------------------------------------------------------------


def check(
    store: Store, items: TestItems, accepted: set[Signal], timeout: float, wait: float, certificate: str | None = None
) -> Iterator[tuple[Finding, Reply | None]]:
    """Whether what was sent is found there: a finding each, and the store's answer for its clock."""
    address = store.address
    try:
        kind, reply = identify(store, timeout, certificate)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        yield Finding("store", "error", f"{address} cannot be reached", str(reason),
                      "check that the store runs, and its address: its own, not the collector's", address), None  # fmt: skip
        return
    if reply.status in DENIED and not kind:
        yield Finding("store", "error", f"{address} asks for credentials", f"HTTP {reply.status}",
                      "write them into the URL: https://USER:PASSWORD@HOST", address), reply  # fmt: skip
        return
    kind = store.kind or kind
    if kind not in KINDS:
        yield Finding("store", "error", f"{address} is {NAMES.get(kind, 'no store that is known here')}", "",
                      f"name the store itself, or its kind: --store {KINDS[1]}={address}", address), reply  # fmt: skip
        return
    yield Finding("store", "ok", f"{address} is {NAMES[kind]}", subject=address), reply
    for signal in HOLDS[kind]:
        if signal in accepted:
            yield _search(Store(store.url, kind), signal, items, timeout, wait, certificate), None
        else:
            yield Finding(f"store.{signal}", "skipped", f"{signal}: not looked for in {NAMES[kind]}",
                          "none was accepted", "", address), None  # fmt: skip


def _search(
    store: Store, signal: Signal, items: TestItems, timeout: float, wait: float, certificate: str | None
) -> Finding:
    began, name, last = time.monotonic(), NAMES[store.kind], ""
    while True:
        try:
            reply = ask(store, timeout=timeout, certificate=certificate, **_question(store.kind, signal, items))
            last = f"its last answer: HTTP {reply.status}"
            if reply.status < 300 and _holds(store.kind, signal, items, reply):
                took = time.monotonic() - began
                return Finding(f"store.{signal}", "ok", f"{signal}: found in {name} after {took:.1f} s",
                               _proof(signal, items), "", store.address)  # fmt: skip
        except OSError as error:
            last = f"its last answer: {error}"
        if time.monotonic() - began + PAUSE > wait:
            break
        time.sleep(PAUSE)
    return Finding(
        f"store.{signal}", "error", f"{signal}: accepted, and not found in {name} within {wait:g} s",
        f"{_proof(signal, items)}; {last}",
        _MISSING[signal] + "; --wait for a longer search", store.address,
    )  # fmt: skip


_PIPELINE: Final = "look at the collector's log and its otelcol_exporter_send_failed metrics"
_MISSING: Final[dict[Signal, str]] = {
    "traces": f"is there sampling after the endpoint, a pipeline that leads here, another tenant? {_PIPELINE}",
    "metrics": f"does a pipeline lead here, is the OTLP receiver or remote write on, another tenant? {_PIPELINE}",
    "logs": f"does a pipeline lead here, is service_name a label, another tenant? {_PIPELINE}",
}


def _proof(signal: Signal, items: TestItems) -> str:
    told = {"traces": f"trace {items.trace_id}", "metrics": f"{items.metric} of instance {items.run}"}
    return told.get(signal, f"log record of run {items.run}")


def _question(kind: str, signal: Signal, items: TestItems) -> dict[str, str]:
    """Path and query."""
    if kind == "prometheus":
        return {
            "path": "/api/v1/query",
            "query": f'{{instance="{items.run}"}} or {{service_instance_id="{items.run}"}}',
        }
    if kind == "loki":
        return {"path": "/loki/api/v1/query_range", "since": "10m", "limit": "10",
                "query": f'{{service_name="{_quoted(items.service)}"}} |= "{items.run}"'}  # fmt: skip
    if kind == "local":
        return {
            "traces": {"path": f"/traces/{items.trace_id}"},
            "logs": {"path": "/logs", "service": items.service, "text": items.run},
            "metrics": {"path": f"/metrics/{items.metric}", "service": items.service, "since": _since(items)},
        }[signal]
    return {"path": f"/api/traces/{items.trace_id}"}


def _since(items: TestItems) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(items.began - 1))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _holds(kind: str, signal: Signal, items: TestItems, reply: Reply) -> bool:
    content = reply.json
    if kind in {"prometheus", "loki"}:
        return isinstance(content, dict) and bool((content.get("data") or {}).get("result"))
    if kind == "jaeger":
        return isinstance(content, dict) and bool(content.get("data"))
    if kind == "tempo":
        return bool(content) and content != {"batches": []}
    return signal != "logs" or f"a test record of trax-otel doctor, run {items.run}".encode() in reply.body
