"""The OTEL_* variables of export, and a line for each value that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from trax_otel.sdk import temporality
from trax_otel.sdk.environment import batching, endpoint, exporter_names, metric_interval
from trax_otel.sdk.samplers import ProcessIds, id_generator, sampler

PREFIX = "OTEL_EXPORTER_OTLP_"


def read(signal: Any = "traces", name: str = "otlp", **environ: str) -> Any:
    problems: list[str] = []
    found = endpoint({PREFIX + key: value for key, value in environ.items()}, signal, problems, name)
    assert problems == []
    return found


def test_defaults_are_the_standards() -> None:
    found = read()
    assert (found.url, found.protocol, found.timeout) == ("http://localhost:4318/v1/traces", "http/protobuf", 10.0)
    assert read(PROTOCOL="grpc").url == "http://localhost:4317"
    assert (found.compression, found.secure, dict(found.headers)) == ("none", False, {})


def test_a_signals_own_variable_comes_first_and_is_taken_whole() -> None:
    found = read("logs", ENDPOINT="http://a:1/base/", LOGS_ENDPOINT="https://b/exact", TIMEOUT="3", LOGS_TIMEOUT="0.5")
    assert (found.url, found.timeout, found.secure) == ("https://b/exact", 0.5, True)
    assert read("metrics", ENDPOINT="http://a:1/base/").url == "http://a:1/base/v1/metrics"


def test_an_endpoints_query_stays_behind_its_path() -> None:
    assert read(ENDPOINT="https://c/base/?tenant=a").url == "https://c/base/v1/traces?tenant=a"
    assert read("logs", ENDPOINT="https://c?tenant=a").url == "https://c/v1/logs?tenant=a"
    assert read("logs", LOGS_ENDPOINT="https://c/exact?tenant=a").url == "https://c/exact?tenant=a"


def test_headers_are_decoded() -> None:
    assert dict(read(HEADERS="Authorization=Basic%20abc,x-a=b").headers) == {"authorization": "Basic abc", "x-a": "b"}


def test_the_protocol_may_be_in_the_exporters_name() -> None:
    assert read(name="otlp_proto_grpc").protocol == "grpc"
    assert read(name="otlp_proto_http", PROTOCOL="grpc").protocol == "http/protobuf"


def test_a_bare_grpc_target_is_secure_unless_said_otherwise() -> None:
    assert read(PROTOCOL="grpc", ENDPOINT="collector:4317").url == "https://collector:4317"
    assert read(PROTOCOL="grpc", ENDPOINT="collector:4317", INSECURE="true").url == "http://collector:4317"


def test_an_address_holds_no_credentials() -> None:
    assert read(ENDPOINT="http://user:secret@host:4318/path").address == "http://host:4318"


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"ENDPOINT": "nonsense"},
            "OTEL_EXPORTER_OTLP_ENDPOINT='nonsense': must be a URL such as http://localhost:4318",
        ),
        ({"ENDPOINT": "http://h:99999"}, "OTEL_EXPORTER_OTLP_ENDPOINT='http://h:99999': must be a URL"),
        (
            {"TRACES_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL='http/json': must be http/protobuf or grpc",
        ),
        ({"TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP_TIMEOUT='soon': must be seconds above 0, such as 10"),
        ({"COMPRESSION": "zip"}, "OTEL_EXPORTER_OTLP_COMPRESSION='zip': must be none, gzip or deflate"),
    ],
)
def test_a_bad_value_is_one_line_and_the_default_holds(environ: dict[str, str], line: str) -> None:
    problems: list[str] = []
    found = endpoint({PREFIX + key: value for key, value in environ.items()}, "traces", problems)
    assert len(problems) == 1
    assert problems[0].startswith(line)
    assert found == endpoint({}, "traces", [])


def test_exporter_names() -> None:
    assert exporter_names({}, "logs") == ("otlp",)
    assert exporter_names({"OTEL_LOGS_EXPORTER": " console , otlp,console"}, "logs") == ("console", "otlp")
    assert exporter_names({"OTEL_LOGS_EXPORTER": "none"}, "logs") == ()


def test_queues_are_set_in_milliseconds() -> None:
    environ = {"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_SCHEDULE_DELAY": "250", "OTEL_BSP_EXPORT_TIMEOUT": "7000"}
    found = batching(environ, "traces", [])
    assert (found.max_queue, found.max_batch, found.delay, found.patience) == (100, 100, 0.25, 7.0)
    assert batching(environ, "logs", []).max_queue == 2048
    problems: list[str] = []
    assert batching({**environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "101"}, "traces", problems).max_batch == 100
    assert problems == ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE=101: at most OTEL_BSP_MAX_QUEUE_SIZE, 100"]


def test_metric_intervals() -> None:
    assert metric_interval({}, []) == (60.0, 30.0)
    problems: list[str] = []
    assert metric_interval({"OTEL_METRIC_EXPORT_INTERVAL": "0"}, problems) == (60.0, 30.0)
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("name", "argument", "description"),
    [
        ("", "", "ParentBased{root:AlwaysOnSampler"),
        ("always_off", "", "AlwaysOffSampler"),
        ("traceidratio", "0.25", "TraceIdRatioBased{0.25}"),
        ("parentbased_traceidratio", "0.5", "ParentBased{root:TraceIdRatioBased{0.5}"),
    ],
)
def test_samplers_by_name(name: str, argument: str, description: str) -> None:
    problems: list[str] = []
    found = sampler({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument}, problems)
    assert found.get_description().startswith(description)
    assert problems == []


def test_an_unknown_id_generator_is_a_problem() -> None:
    problems: list[str] = []
    assert isinstance(id_generator({"OTEL_PYTHON_ID_GENERATOR": "dice"}, problems), ProcessIds)
    assert "dice" in problems[0]
    assert isinstance(id_generator({}, []), ProcessIds)


def test_temporality_and_histograms() -> None:
    delta = temporality.preferred({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "DELTA"}, [])
    assert delta[ObservableCounter] is AggregationTemporality.DELTA
    low = temporality.preferred({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "lowmemory"}, [])
    assert (set(low), low[Counter]) == ({Counter, Histogram}, AggregationTemporality.DELTA)
    name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
    found = temporality.histograms({name: "base2_exponential_bucket_histogram"}, [])
    assert isinstance(found[Histogram], ExponentialBucketHistogramAggregation)
    problems: list[str] = []
    temporality.exemplar_filter({"OTEL_METRICS_EXEMPLAR_FILTER": "some"}, problems)
    assert problems == ["OTEL_METRICS_EXEMPLAR_FILTER='some': must be one of trace_based, always_on, always_off"]
