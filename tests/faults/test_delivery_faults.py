"""What happens to telemetry when the endpoint misbehaves: nothing is lost in silence, and the counts are exact."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from support.otlp_endpoint import HANG, OtlpEndpoint, Reply, wait_until
from trax_otel.sdk.tally import Tally
from trax_otel.sdk.telemetry import Telemetry

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
Make = Callable[..., Telemetry]

QUICK = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BLRP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}


def make_spans(telemetry: Telemetry, count: int, name: str = "work") -> None:
    tracer = telemetry.pipelines[0].provider.get_tracer("faults")
    for number in range(count):
        tracer.start_span(f"{name} {number}").end()


def tally(telemetry: Telemetry, signal: str = "traces") -> Tally:
    [found] = [p.outlets[0].tally for p in telemetry.pipelines if p.signal == signal]
    return found


def spans_in(message: Any) -> int:
    return sum(len(scope.spans) for resource in message.resource_spans for scope in resource.scope_spans)


def test_one_poison_span_of_512_is_made_sendable(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    telemetry = telemetry_for(endpoint.url, **QUICK)
    tracer = telemetry.pipelines[0].provider.get_tracer("faults")
    for number in range(512):
        span = tracer.start_span("lone \udcff surrogate" if number == 100 else f"good {number}")
        if number == 200:
            span.set_attribute("path", "caf\udce9")
            span.add_event("ev\ud800ent", {"k\udfff": ["a\udc00"]})
        span.end()
    assert telemetry.flush(5)
    names = {span.name for span in endpoint.spans()}
    assert len(names) == 512
    assert "lone \\udcff surrogate" in names
    assert tally(telemetry).lost["unencodable"] == 0


def test_one_span_that_the_endpoint_calls_invalid_loses_only_itself(
    endpoint: OtlpEndpoint, telemetry_for: Make
) -> None:
    def refuse_poison(path: str, count: int, message: Any) -> Reply:
        names = {s.name for r in message.resource_spans for sc in r.scope_spans for s in sc.spans}
        return Reply(400) if "work 77" in names else Reply()

    endpoint.behave = refuse_poison
    telemetry = telemetry_for(endpoint.url, OTEL_BSP_SCHEDULE_DELAY="60000", OTEL_METRICS_EXPORTER="none")
    make_spans(telemetry, 512)
    assert not telemetry.flush(10)
    assert wait_until(lambda: len(endpoint.spans()) == 511)
    assert tally(telemetry).delivered == 511
    assert tally(telemetry).lost["rejected"] == 1


def test_a_wrong_endpoint_is_not_stormed(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    endpoint.behave = lambda path, count, message: Reply(400)
    telemetry = telemetry_for(endpoint.url, OTEL_BSP_SCHEDULE_DELAY="60000", OTEL_METRICS_EXPORTER="none")
    make_spans(telemetry, 512)
    assert not telemetry.flush(20)
    assert tally(telemetry).lost["rejected"] == 512
    assert len(endpoint.requests) < 200


def test_a_batch_that_is_too_large_is_halved(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    endpoint.behave = lambda path, count, message: (
        Reply(413) if path == "/v1/traces" and spans_in(message) > 100 else Reply()
    )
    telemetry = telemetry_for(endpoint.url, OTEL_BSP_SCHEDULE_DELAY="60000")
    make_spans(telemetry, 512)
    assert telemetry.flush(10)
    assert tally(telemetry).delivered == 512 == len(endpoint.spans())


def test_an_overlong_attribute_does_not_take_its_batch_along(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    telemetry = telemetry_for(endpoint.url, OTEL_BSP_SCHEDULE_DELAY="60000")
    tracer = telemetry.pipelines[0].provider.get_tracer("faults")
    for _ in range(5):
        tracer.start_span("large", attributes={"text": "x" * 3_000_000}).end()
    assert telemetry.flush(20)
    assert tally(telemetry).delivered == 5
    assert len(endpoint.accepted("/v1/traces")) == 5


@pytest.mark.parametrize("status", [302, 401, 403, 404])
def test_a_refusal_is_no_success(
    endpoint: OtlpEndpoint, telemetry_for: Make, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.behave = lambda path, count, message: Reply(status, {"location": "http://elsewhere/v1/traces"})
    telemetry = telemetry_for(endpoint.url, OTEL_METRICS_EXPORTER="none", **QUICK)
    make_spans(telemetry, 10)
    assert not telemetry.flush(5)
    assert tally(telemetry).lost["rejected"] == 10
    assert tally(telemetry).delivered == 0
    assert str(status) in caplog.text


def test_overload_is_waited_out_as_long_as_the_endpoint_asks(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    arrivals: list[float] = []

    def busy(path: str, count: int, message: Any) -> Reply:
        if path != "/v1/traces":
            return Reply()
        arrivals.append(time.monotonic())
        return Reply(503, {"retry-after": "1"}) if count == 1 else Reply()

    endpoint.behave = busy
    telemetry = telemetry_for(endpoint.url, **QUICK)
    make_spans(telemetry, 3)
    assert wait_until(lambda: len(endpoint.spans()) == 3)
    assert arrivals[1] - arrivals[0] >= 0.95
    assert tally(telemetry).lost == dict.fromkeys(tally(telemetry).lost, 0)


def test_a_partial_success_is_counted(
    endpoint: OtlpEndpoint, telemetry_for: Make, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 3
    answer.partial_success.error_message = "no thanks"
    endpoint.behave = lambda path, count, message: Reply(body=answer.SerializeToString())
    telemetry = telemetry_for(endpoint.url, OTEL_METRICS_EXPORTER="none", **QUICK)
    make_spans(telemetry, 10)
    assert not telemetry.flush(5)
    assert (tally(telemetry).delivered, tally(telemetry).lost["rejected"]) == (7, 3)
    assert "no thanks" in caplog.text


def test_a_failing_server_is_asked_three_times(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    endpoint.behave = lambda path, count, message: Reply(500)
    telemetry = telemetry_for(endpoint.url, OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none", **QUICK)
    make_spans(telemetry, 1)
    assert wait_until(lambda: tally(telemetry).lost["rejected"] == 1, 15)
    assert len(endpoint.requests) == 3


def test_spans_made_while_nobody_listens_arrive_later(telemetry_for: Make, endpoint: OtlpEndpoint) -> None:
    down = threading.Event()
    down.set()
    endpoint.behave = lambda path, count, message: Reply(503) if down.is_set() else Reply()
    telemetry = telemetry_for(endpoint.url, **QUICK)
    make_spans(telemetry, 20)
    assert not telemetry.flush(0.3)
    down.clear()
    assert telemetry.flush(5)
    assert len(endpoint.spans()) == 20
    assert tally(telemetry).outstanding == 0


def test_flush_keeps_its_time_and_tells_the_truth(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    endpoint.behave = lambda path, count, message: HANG
    telemetry = telemetry_for(endpoint.url, **QUICK)
    make_spans(telemetry, 1)
    began = time.monotonic()
    assert telemetry.flush(0.5) is False
    assert time.monotonic() - began < 0.8
    provider = telemetry.pipelines[0].provider
    began = time.monotonic()
    assert provider.force_flush(300) is False
    assert time.monotonic() - began < 0.6


def test_flush_of_nothing_is_true_at_once(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    telemetry = telemetry_for(endpoint.url, OTEL_METRICS_EXPORTER="none")
    assert telemetry.flush(2)
    assert endpoint.requests == []


def test_a_full_queue_drops_and_counts(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    endpoint.behave = lambda path, count, message: HANG
    telemetry = telemetry_for(
        endpoint.url, OTEL_BSP_MAX_QUEUE_SIZE="50", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10", OTEL_METRICS_EXPORTER="none"
    )
    make_spans(telemetry, 200)
    lost = tally(telemetry).lost["queue_full"]
    assert 130 <= lost <= 150  # 50 wait, and at most two batches are on their way
    telemetry.shutdown(0.3)
    assert tally(telemetry).outstanding == 200


def test_a_hanging_endpoint_holds_the_end_no_longer_than_allowed(
    endpoint: OtlpEndpoint, telemetry_for: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.behave = lambda path, count, message: HANG
    telemetry = telemetry_for(endpoint.url)
    make_spans(telemetry, 1000)
    telemetry.pipelines[1].provider.get_logger("faults").emit(body="a record")
    telemetry.pipelines[2].provider.get_meter("faults").create_counter("c").add(1)
    began = time.monotonic()
    assert telemetry.shutdown(1.0) is False
    assert time.monotonic() - began < 1.3
    [line] = capsys.readouterr().err.splitlines()
    assert "not delivered: 1000 spans, " in line
    assert "1 log record" in line


def test_a_dead_endpoint_is_given_up_early(telemetry_for: Make, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = telemetry_for("http://127.0.0.1:9")
    make_spans(telemetry, 600)
    began = time.monotonic()
    assert telemetry.shutdown(5) is False
    assert time.monotonic() - began < 2
    [line] = capsys.readouterr().err.splitlines()
    assert "not delivered: 600 spans" in line
    assert "http://127.0.0.1:9: connection refused" in line


def test_ten_seconds_of_outage_are_a_handful_of_lines(telemetry_for: Make, caplog: pytest.LogCaptureFixture) -> None:
    telemetry = telemetry_for("http://127.0.0.1:9", OTEL_METRIC_EXPORT_INTERVAL="100", **QUICK)
    with caplog.at_level(logging.DEBUG):
        for _ in range(20):
            make_spans(telemetry, 2)
            telemetry.flush(0.05)
    assert len(caplog.records) <= 4
    assert all(record.name == "trax_otel.sdk" for record in caplog.records)


def test_an_answer_that_is_no_protobuf_still_counts(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    endpoint.behave = lambda path, count, message: Reply(body=b"{}")
    telemetry = telemetry_for(endpoint.url, **QUICK)
    make_spans(telemetry, 2)
    assert telemetry.flush(5)
    assert tally(telemetry).delivered == 2


def test_a_connection_closed_between_two_batches_is_replaced(endpoint: OtlpEndpoint, telemetry_for: Make) -> None:
    telemetry = telemetry_for(endpoint.url, OTEL_METRICS_EXPORTER="none")
    make_spans(telemetry, 1)
    assert telemetry.flush(5)
    queue: Any = telemetry.pipelines[0].outlets[0]
    queue._delivery._sender._connection.sock.shutdown(1)  # the other side sees the end and closes
    time.sleep(0.05)
    make_spans(telemetry, 1)
    assert telemetry.flush(5)
    assert len({r.client_port for r in endpoint.requests}) == 2


def test_a_proxy_of_the_environment_is_used(
    endpoint: OtlpEndpoint, telemetry_for: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", endpoint.url.replace("http://", "http://user:word@"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    telemetry = telemetry_for("http://collector.example:4318", OTEL_METRICS_EXPORTER="none")
    make_spans(telemetry, 1)
    assert telemetry.flush(5)
    [request] = endpoint.requests
    assert request.path == "http://collector.example:4318/v1/traces"
    assert request.headers["proxy-authorization"].startswith("Basic ")
