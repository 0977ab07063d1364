"""`configure`: what it sets up, what it refuses, and that it can be called again."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, propagate, trace
from opentelemetry._logs import get_logger_provider

import trax_otel
from support.otlp_endpoint import OtlpEndpoint, attributes_of
from trax_otel import lifecycle, sdk, semconv
from trax_otel.errors import InvalidConfigError

pytestmark = pytest.mark.usefixtures("globals_of_otel")


def test_one_call_delivers_all_three_signals(endpoint: OtlpEndpoint) -> None:
    handle = trax_otel.configure(
        service_name="shop", endpoint=endpoint.url, log_level="INFO", headers={"x-team": "a b"}
    )
    with trace.get_tracer("t").start_as_current_span("work"):
        logging.getLogger("shop").info("one line")
    metrics.get_meter("t").create_counter("orders").add(3)
    assert handle.flush(5)
    [span] = endpoint.spans()
    [record] = endpoint.log_records()
    assert record.body.string_value == "one line"
    assert record.trace_id == span.trace_id
    found = {metric.name for _, metric in endpoint.metrics()}
    assert {"orders", "process.cpu.time", semconv.TELEMETRY_DROPPED.name} <= found
    assert {request.headers["x-team"] for request in endpoint.requests} == {"a b"}
    [resource] = endpoint.resources()
    assert resource["service.name"] == "shop"


def test_the_same_call_again_is_the_same_set_up(endpoint: OtlpEndpoint) -> None:
    first = trax_otel.configure(service_name="shop", endpoint=endpoint.url)
    assert trax_otel.configure(service_name="shop", endpoint=endpoint.url) is first
    assert trax_otel.configure() is first
    assert sdk.current() is first


def test_other_arguments_set_up_anew_and_lose_nothing(endpoint: OtlpEndpoint) -> None:
    trax_otel.configure(service_name="old", endpoint=endpoint.url)
    tracer = trace.get_tracer("kept by a library")
    counter = metrics.get_meter("kept by a library").create_counter("calls")
    tracer.start_span("before").end()
    counter.add(1)
    handle = trax_otel.configure(service_name="new", endpoint=endpoint.url)
    tracer.start_span("after").end()
    counter.add(2)
    assert handle.flush(5)
    names = {}
    for message in endpoint.accepted("/v1/traces"):
        for resource in message.resource_spans:
            for scope in resource.scope_spans:
                names.update({s.name: attributes_of(resource.resource)["service.name"] for s in scope.spans})
    assert names == {"before": "old", "after": "new"}
    last = {r["service.name"]: m.sum.data_points[0].as_int for r, m in endpoint.metrics() if m.name == "calls"}
    assert last == {"old": 1, "new": 2}


def test_shutdown_leaves_the_globals_free(endpoint: OtlpEndpoint) -> None:
    first = trax_otel.configure(endpoint=endpoint.url)
    assert first.shutdown()
    assert first.shutdown()
    assert first.closed
    assert not first.flush()
    second = trax_otel.configure(endpoint=endpoint.url)
    assert second is not first
    trace.get_tracer("t").start_span("second life").end()
    assert second.flush(5)
    assert [span.name for span in endpoint.spans()] == ["second life"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"endpoint": "localhost:4318"}, "endpoint='localhost:4318': must be a URL such as http://localhost:4318"),
        ({"protocol": "thrift"}, "protocol='thrift': must be http/protobuf or grpc"),
        ({"ratio": 2}, "ratio='2': must be a number from 0 to 1"),
        ({"sampler": "sometimes"}, "sampler='sometimes': must be one of always_on, "),
        ({"exit_timeout": -1}, "exit_timeout"),
        ({"log_level": "LOUD"}, "LOUD"),
        ({"config_file": "/nonexistent.json"}, "/nonexistent.json"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_clear_line(arguments: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidConfigError) as raised:
        trax_otel.configure(**arguments)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)
    assert sdk.current() is None


def test_an_unknown_exporter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkn")
    with pytest.raises(InvalidConfigError, match="OTEL_TRACES_EXPORTER='zipkn': must be otlp, console, none or"):
        trax_otel.configure()


def test_zero_code_says_the_line_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], endpoint: OtlpEndpoint
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "many")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.url)
    handle = sdk.configure_from_environment()
    assert handle.signals == ("traces", "logs", "metrics")
    [line] = capsys.readouterr().err.splitlines()
    assert line == "trax-otel: OTEL_BSP_MAX_QUEUE_SIZE='many': must be a whole number above 0, such as 2048"


def test_the_sdk_can_be_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "TRUE")
    handle = trax_otel.configure()
    assert handle.signals == ()
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert handle.flush()
    assert handle.shutdown()


def test_none_keeps_trace_ids_and_exports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for signal in ("TRACES", "METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    handle = trax_otel.configure()
    assert handle.signals == ("traces",)
    assert trace.get_tracer("t").start_span("s").get_span_context().is_valid
    assert handle.flush(1)


def test_metric_export_has_a_switch(endpoint: OtlpEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAX_METRICS_EXPORT_ENABLED", "false")
    handle = trax_otel.configure(endpoint=endpoint.url)
    metrics.get_meter("t").create_counter("c").add(1)
    handle.shutdown()
    assert handle.signals == ("traces", "logs")
    assert endpoint.accepted("/v1/metrics") == []


def test_the_console_exporter_stands_beside_otlp(endpoint: OtlpEndpoint) -> None:
    code = f"""
import trax_otel
from opentelemetry import trace
trax_otel.configure(endpoint={endpoint.url!r}, metrics=False, logs=False, console=True)
trace.get_tracer("t").start_span("seen twice").end()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert '"name": "seen twice"' in done.stdout
    assert [span.name for span in endpoint.spans()] == ["seen twice"]


def test_signals_have_their_own_endpoints(endpoint: OtlpEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{endpoint.url}/my/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"{endpoint.url}/")
    handle = trax_otel.configure(logs=False)
    trace.get_tracer("t").start_span("s").end()
    handle.flush(5)
    assert {request.path for request in endpoint.requests} == {"/my/traces", "/v1/metrics"}


def test_the_exit_budget_is_taken_over() -> None:
    trax_otel.configure(exit_timeout=0.25, endpoint="http://127.0.0.1:9")
    assert lifecycle.exit_budget() == 0.25


def test_propagators_take_effect_when_they_are_set_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", "b3multi,baggage")
    before = propagate.get_global_textmap()
    try:
        trax_otel.configure(endpoint="http://127.0.0.1:9")
        carrier: dict[str, str] = {}
        with trace.get_tracer("t").start_as_current_span("s"):
            propagate.inject(carrier)
        assert "x-b3-traceid" in carrier
        assert "traceparent" not in carrier
    finally:
        propagate.set_global_textmap(before)


def test_a_declarative_file_without_its_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_CONFIG_FILE", "otel.yaml")
    monkeypatch.setitem(sys.modules, "opentelemetry.configuration", None)
    with pytest.raises(InvalidConfigError, match=r"trax-otel\[otlp\]"):
        trax_otel.configure()
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert type(get_logger_provider()).__name__ == "ProxyLoggerProvider"


def test_a_declarative_file_sets_everything_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: OtlpEndpoint
) -> None:
    file = tmp_path / "otel.yaml"
    file.write_text(
        """
file_format: "1.0"
resource: {attributes: [{name: service.name, value: declared}]}
tracer_provider: {processors: [{batch: {exporter: {trax_otlp: {}}}}]}
"""
    )
    monkeypatch.setenv("OTEL_CONFIG_FILE", str(file))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.url)
    handle = trax_otel.configure(service_name="not taken")
    assert handle.signals == ()
    trace.get_tracer("t").start_span("declared\ud800").end()
    trace.get_tracer_provider().shutdown()  # type: ignore[attr-defined]
    assert [span.name for span in endpoint.spans()] == ["declared\\ud800"]


@pytest.mark.parametrize("text", ["a: [\n", 'file_format: "1.0"\ntracer_provider: {processors: 7}\n', "- 1\n" * 500])
def test_a_declarative_file_that_cannot_be_used_is_one_line(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "otel.yaml").write_text(text)
    monkeypatch.setenv("OTEL_CONFIG_FILE", str(tmp_path / "otel.yaml"))
    with pytest.raises(InvalidConfigError, match="OTEL_CONFIG_FILE") as refused:
        trax_otel.configure()
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 500


def test_limits_that_cannot_be_read_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "lots")
    with pytest.raises(InvalidConfigError, match="OTEL_SPAN_EVENT_COUNT_LIMIT"):
        trax_otel.configure()


def test_ratio_and_sampler(endpoint: OtlpEndpoint) -> None:
    handle = trax_otel.configure(endpoint=endpoint.url, ratio=0.0, metrics=False)
    trace.get_tracer("t").start_span("sampled out").end()
    assert handle.flush(5)
    assert endpoint.spans() == []


LOGS_FILE = """
file_format: "1.0"
resource: {attributes: [{name: service.name, value: declared}]}
tracer_provider: {processors: [{batch: {schedule_delay: 60000, exporter: {trax_otlp: {}}}}]}
logger_provider: {processors: [{batch: {schedule_delay: 60000, exporter: {trax_otlp: {}}}}]}
"""


@pytest.mark.parametrize("end", ["import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", ""])
def test_a_declarative_file_gets_plain_log_records_at_the_end_too(
    end: str, tmp_path: Path, endpoint: OtlpEndpoint
) -> None:
    file = tmp_path / "otel.yaml"
    file.write_text(LOGS_FILE)
    script = f"import logging; logging.getLogger('shop').warning('sold out')\n{end}"
    done = subprocess.run(
        [sys.executable, "-m", "trax_otel", "run", "--", sys.executable, "-c", script],
        env={**os.environ, "OTEL_CONFIG_FILE": str(file), "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint.url,
             "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (-15 if end else 0, "", "sold out\n")
    assert [record.body.string_value for record in endpoint.log_records()] == ["sold out"]


def test_security_events_count_from_zero(endpoint: OtlpEndpoint) -> None:
    handle = trax_otel.configure(endpoint=endpoint.url)
    assert handle.flush(5)
    assert semconv.SECURITY_EVENTS.name in {metric.name for _, metric in endpoint.metrics()}


def test_what_was_declared_before_the_sdk_is_exported_as_zero(endpoint: OtlpEndpoint) -> None:
    from trax_otel.signals import counter

    counter(semconv.RECOVERY_FALLBACKS).declare({semconv.OPERATION_NAME: "early", semconv.RECOVERY_FALLBACK: "spare"})
    handle = trax_otel.configure(endpoint=endpoint.url)
    assert handle.flush(5)
    (metric,) = [metric for _, metric in endpoint.metrics() if metric.name == semconv.RECOVERY_FALLBACKS.name]
    early = [point for point in metric.sum.data_points if attributes_of(point)[semconv.OPERATION_NAME] == "early"]
    assert [point.as_double or point.as_int for point in early] == [0]


def test_exported_metrics_bear_the_name_that_was_configured(endpoint: OtlpEndpoint) -> None:
    from trax_otel.metrics import export_all_metrics

    handle = trax_otel.configure(endpoint=endpoint.url, service_name="named-here")
    assert json.loads(export_all_metrics())["service"]["name"] == "named-here"
    handle.shutdown(5)
    assert json.loads(export_all_metrics())["service"]["name"] != "named-here"
