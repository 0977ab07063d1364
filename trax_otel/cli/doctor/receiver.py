"""The second half of the way: whether what listens there takes OTLP, with these credentials, and all three signals."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from . import wire, wrong
from .finding import Finding
from .items import CODECS
from .reach import is_loopback
from .stores import DENIED

if TYPE_CHECKING:
    from ...sdk.environment import Endpoint
    from .items import TestItems
    from .targets import Target
    from .wire import Outcome

PAUSE: Final = 2.0
"""The longest to wait where the server says: try again."""
_DENIED_GRPC: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_WORDS: Final = {"traces": "test span", "metrics": "test data point", "logs": "test log record"}


def send_all(targets: Sequence[Target], items: TestItems, timeout: float) -> list[Outcome]:
    """Send each signal's item. Once a server is silent, it is not asked again: every answer would take as long."""
    outcomes: list[Outcome] = []
    for target in targets:
        endpoint = target.endpoint
        if endpoint is None:
            continue
        outcome = wire.send(endpoint, items.payloads[target.signal], timeout)
        if outcome.answer.verdict == "again" and outcome.status:
            time.sleep(min(PAUSE, outcome.answer.retry_after or 0.5))
            outcome = wire.send(endpoint, items.payloads[target.signal], timeout)
        outcomes.append(outcome)
        if outcome.status == 0 and outcome.answer.verdict in {"again", "unreachable"}:
            break
    return outcomes


def judge(targets: Sequence[Target], outcomes: Sequence[Outcome], timeout: float) -> Iterator[Finding]:
    """Protocol, credentials and delivery of signals that go to one server."""
    understood = next((outcome for outcome in outcomes if wrong.understands(outcome)), None)
    if understood is None:
        first = outcomes[0]
        summary, detail, advice = wrong.explain(first, timeout)
        address = first.endpoint.address
        yield Finding("protocol", "error", summary, detail, advice, address)
        yield Finding("authentication", "skipped", "credentials: not checked", "no receiver was reached", "", address)
        for target in targets:
            yield Finding(
                f"send.{target.signal}", "skipped", f"{target.signal}: not accepted", "see protocol", "", address
            )
        return
    end = understood.endpoint
    yield Finding("protocol", "ok", f"{end.address} speaks OTLP, {end.protocol}", subject=end.address)
    yield _authentication(outcomes)
    for outcome in outcomes:
        yield _delivery(outcome)
    for target in targets[len(outcomes) :]:
        yield Finding(f"send.{target.signal}", "error", f"{target.signal}: not sent", "the server has fallen silent",
                      "look into that server's log", end.address)  # fmt: skip


def accepted(outcome: Outcome) -> bool:
    """Whether all of it was taken."""
    return outcome.answer.verdict == "accepted" and wrong.understands(outcome) and _rejected(outcome)[0] == 0


# --- Credentials --------------------------------------------------------------------------------------------------


def _denied(outcome: Outcome) -> bool:
    return outcome.status in DENIED or outcome.grpc_code in _DENIED_GRPC


def _credentials(endpoint: Endpoint) -> str:
    """What is sent along that could be one, by name."""
    names = list(endpoint.headers)
    if urlsplit(endpoint.url).username and endpoint.protocol != "grpc":
        names.append("user and password of the URL")
    if endpoint.client_certificate:
        names.append("client certificate")
    return ", ".join(names)


def _authentication(outcomes: Sequence[Outcome]) -> Finding:
    chosen = next((outcome for outcome in outcomes if _denied(outcome)), outcomes[0])
    endpoint, shown = chosen.endpoint, _credentials(chosen.endpoint)
    address = endpoint.address
    if not _denied(chosen):
        bare = [name for name in endpoint.headers if name.lower() == "authorization"] or urlsplit(endpoint.url).username
        if bare and not endpoint.secure and not is_loopback(wire.place(endpoint)[0]):
            return Finding("authentication", "warning", "credentials are sent without TLS", f"to {address}",
                           "write https:// where the server has it", address)  # fmt: skip
        return Finding("authentication", "ok", f"not refused, with {shown}" if shown else "no credentials are asked for",
                       subject=address)  # fmt: skip
    wanted = chosen.headers.get("www-authenticate", "")
    detail = chosen.answer.reason + (f"; it asks for {wanted}" if wanted else "")
    if chosen.status == 407:
        return Finding("authentication", "error", "the proxy asks for credentials", detail,
                       "write them into HTTP_PROXY or HTTPS_PROXY: http://USER:PASSWORD@HOST", address)  # fmt: skip
    if not shown:
        return Finding("authentication", "error", f"{address} asks for credentials, and none are set", detail,
                       "set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN", address)  # fmt: skip
    if chosen.status == 403 or chosen.grpc_code == "PERMISSION_DENIED":
        return Finding("authentication", "error", f"{address} does not allow this (sent: {shown})", detail,
                       "check what these credentials may do: their scope, the tenant", address)  # fmt: skip
    return Finding("authentication", "error", f"{address} refuses the credentials (sent: {shown})", detail,
                   "check the token itself, its scheme (Bearer or Basic), that a space is written %20, and that it "
                   "has not expired", address)  # fmt: skip


# --- Delivery -----------------------------------------------------------------------------------------------------


def _rejected(outcome: Outcome) -> tuple[int, str]:
    try:
        count, message = CODECS[outcome.endpoint.signal].rejected(outcome.answer.body)
    except Exception:  # an answer that is no message: `{}` of JSON, or nothing
        return 0, ""
    return int(count), str(message)


def _delivery(outcome: Outcome) -> Finding:
    endpoint, answer = outcome.endpoint, outcome.answer
    signal, thing = endpoint.signal, _WORDS[endpoint.signal]
    check, address = f"send.{signal}", endpoint.address
    if answer.verdict == "accepted" and wrong.takes_anything(outcome):
        return Finding(check, "error", f"{signal}: answered with a web page", "there is no receiver at this path",
                       f"send {signal} to a collector, or set OTEL_{signal.upper()}_EXPORTER=none", address)  # fmt: skip
    if answer.verdict == "accepted":
        count, message = _rejected(outcome)
        if count:
            return Finding(check, "error", f"{signal}: the {thing} was rejected ({count} of 1)", message,
                           "the server says why; check its limits and what it takes", address)  # fmt: skip
        took = f"{thing} accepted in {outcome.seconds * 1000:.0f} ms"
        if message:
            return Finding(check, "warning", f"{signal}: {took}, with a remark", message, "heed the remark", address)
        return Finding(check, "ok", f"{signal}: {took}", subject=address)
    if _denied(outcome):
        return Finding(check, "skipped", f"{signal}: not accepted", "see authentication", "", address)
    return Finding(check, "error", f"{signal}: the {thing} was not accepted", _why(outcome), _advice(outcome), address)


def _why(outcome: Outcome) -> str:
    """The reason, and the server's own words where they are text."""
    kind = outcome.headers.get("content-type", "")
    if outcome.body and ("json" in kind or kind.startswith("text/plain")):
        return f"{outcome.answer.reason}: {outcome.body[:300].decode('utf-8', 'replace').strip()}"
    return outcome.answer.reason


def _advice(outcome: Outcome) -> str:
    signal, status, code = outcome.endpoint.signal, outcome.status, outcome.grpc_code
    if outcome.answer.verdict == "too_large":
        return "raise the server's limit (max_request_body_size, max_recv_msg_size_mib)"
    if status == 429 or code == "RESOURCE_EXHAUSTED":
        return "the server limits what it takes: raise its rate or quota, or send less"
    if status in {502, 503, 504}:
        return "what stands behind the server is away or overloaded: look into its log; a service keeps and repeats"
    if 300 <= status < 400:
        return "telemetry follows no redirect: write the address that it leads to"
    if status in {404, 405} or code == "UNIMPLEMENTED":
        return (
            f"this server takes no {signal} (Jaeger and Tempo take traces alone): set OTEL_{signal.upper()}_EXPORTER=none, "
            "or send to a collector"
        )
    return "look into that server's log"
