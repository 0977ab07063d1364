"""Forks, signals and ends of whole processes against a real endpoint."""

from __future__ import annotations

import signal
import time
from collections import defaultdict
from typing import Any

import pytest

from support.otlp_endpoint import HANG, OtlpEndpoint, Reply, attributes_of, wait_until

pytestmark = pytest.mark.servers

START = """
import os, sys, time, logging, signal, threading
import trax_otel
from opentelemetry import trace, metrics
telemetry = trax_otel.configure(service_name="faulty", endpoint=os.environ["ENDPOINT"], log_level="INFO")
tracer = trace.get_tracer("script")
counter = metrics.get_meter("script").create_counter("jobs")
"""


def sums(endpoint: OtlpEndpoint, name: str) -> dict[str, float]:
    """The last value of a counter for every instance."""
    last: dict[str, float] = {}
    for resource, metric in endpoint.metrics():
        if metric.name == name:
            last[resource["service.instance.id"]] = sum(p.as_int or p.as_double for p in metric.sum.data_points)
    return last


def test_a_script_that_just_ends_delivers_all(endpoint: OtlpEndpoint, script: Any) -> None:
    done = script.run(
        START
        + """
with tracer.start_as_current_span("only"):
    logging.getLogger("app").info("a line")
counter.add(2)
sys.exit(3)
""",
        ENDPOINT=endpoint.url,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert [span.name for span in endpoint.spans()] == ["only"]
    assert [record.body.string_value for record in endpoint.log_records()] == ["a line"]
    assert list(sums(endpoint, "jobs").values()) == [2]


@pytest.mark.parametrize("where", ["dead", "hanging"])
def test_the_end_keeps_the_budget_and_the_status(endpoint: OtlpEndpoint, script: Any, where: str) -> None:
    endpoint.behave = lambda path, count, message: HANG
    code = (
        START
        + """
for number in range(100):
    tracer.start_span("lost").end()
logging.getLogger("app").info("lost")
print(time.monotonic())
sys.exit(7)
"""
    )
    url = endpoint.url if where == "hanging" else "http://127.0.0.1:9"
    done = script.run(code, ENDPOINT=url, TRAX_EXIT_TIMEOUT="1.5")
    assert (
        time.monotonic() - float(done.stdout) < 1.5 + 3.0
    )  # the rest is the end of the interpreter, on a busy machine
    assert done.returncode == 7
    [line] = done.stderr.splitlines()
    assert line.startswith("trax-otel: not delivered: 100 spans, ")
    assert "1 log record" in line


def test_sigterm_with_full_queues_on_a_hanging_endpoint(endpoint: OtlpEndpoint, script: Any) -> None:
    endpoint.behave = lambda path, count, message: HANG
    process = script.start(
        START
        + """
for number in range(2048):
    tracer.start_span("lost").end()
    logging.getLogger("app").info("lost")
print("ready", flush=True)
time.sleep(60)
""",
        ENDPOINT=endpoint.url,
        TRAX_EXIT_TIMEOUT="2",
    )
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 3
    assert process.returncode == -signal.SIGTERM
    [line] = [line for line in err.splitlines() if "not delivered" in line]
    assert "2048 spans" in line
    assert "2048 log records" in line


def test_sigterm_delivers_what_is_queued(endpoint: OtlpEndpoint, script: Any) -> None:
    process = script.start(
        START
        + """
for number in range(600):
    tracer.start_span("kept").end()
print("ready", flush=True)
time.sleep(60)
""",
        ENDPOINT=endpoint.url,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    assert err == ""
    assert len(endpoint.spans()) == 600


def test_fifty_forks_during_metric_export(endpoint: OtlpEndpoint, script: Any) -> None:
    def slow(path: str, count: int, message: Any) -> Reply:
        if path == "/v1/metrics":
            time.sleep(0.01)
        return Reply()

    endpoint.behave = slow
    done = script.run(
        START
        + """
counter.add(1000)
tracer.start_span("parent's, queued").end()
children = []
for number in range(50):
    pid = os.fork()
    if pid == 0:
        counter.add(number + 1)
        with tracer.start_as_current_span("child"):
            pass
        sys.exit(0)
    children.append(pid)
    time.sleep(0.005)
statuses = [os.waitpid(pid, 0)[1] for pid in children]
print(set(statuses))
""",
        timeout=100,
        ENDPOINT=endpoint.url,
        OTEL_METRIC_EXPORT_INTERVAL="20",
        PYTHONWARNINGS="ignore",
    )
    assert done.stderr == ""
    assert done.stdout == "{0}\n"
    assert endpoint.broken == []
    by_name: dict[str, int] = defaultdict(int)
    for span in endpoint.spans():
        by_name[span.name] += 1
    assert by_name == {"parent's, queued": 1, "child": 50}
    assert sorted(sums(endpoint, "jobs").values()) == [*range(1, 51), 1000]
    assert len({r["service.instance.id"] for r in endpoint.resources()}) == 51
    assert len({r["process.pid"] for r in endpoint.resources()}) == 51


def test_a_forked_child_starts_its_sums_anew(endpoint: OtlpEndpoint, script: Any) -> None:
    script.run(
        START
        + """
counter.add(5)
time.sleep(0.05)
forked_at = time.time_ns()
if os.fork() == 0:
    counter.add(1)
    sys.exit(0)
os.wait()
print(forked_at)
""",
        ENDPOINT=endpoint.url,
        PYTHONWARNINGS="ignore",
    )
    points = [
        (resource["process.parent_pid"], point)
        for resource, metric in endpoint.metrics()
        if metric.name == "jobs"
        for point in metric.sum.data_points
    ]
    [(_, child), (_, parent)] = sorted(points, key=lambda pair: pair[1].as_int)
    assert (child.as_int, parent.as_int) == (1, 5)
    assert child.start_time_unix_nano > parent.start_time_unix_nano


def test_prefork_workers_do_not_share_a_connection(endpoint: OtlpEndpoint, script: Any) -> None:
    done = script.run(
        START
        + """
tracer.start_span("before").end()
assert telemetry.flush(5)  # a connection is open now
children = []
for worker in range(4):
    if os.fork() == 0:
        for round in range(50):
            for number in range(20):
                tracer.start_span(f"{worker} {round} {number}").end()
            assert telemetry.flush(5)
        sys.exit(0)
print({os.wait()[1] for _ in range(4)})
tracer.start_span("after").end()
assert telemetry.flush(5)
""",
        timeout=100,
        ENDPOINT=endpoint.url,
        OTEL_METRICS_EXPORTER="none",
        PYTHONWARNINGS="ignore",
    )
    assert (done.stdout, done.stderr) == ("{0}\n", "")
    assert endpoint.broken == []
    assert len(endpoint.spans()) == len({span.name for span in endpoint.spans()}) == 4 * 50 * 20 + 2
    assert len({r.client_port for r in endpoint.requests}) == 5


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_multiprocessing_pool_delivers(endpoint: OtlpEndpoint, script: Any, method: str) -> None:
    done = script.run(
        f"""
import multiprocessing, os, sys
import trax_otel
from opentelemetry import trace, metrics
telemetry = trax_otel.configure(service_name="faulty", endpoint=os.environ["ENDPOINT"])

def work(number):
    with trace.get_tracer("pool").start_as_current_span("task"):
        metrics.get_meter("pool").create_counter("jobs").add(number)
    return number

if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(3) as pool:
        print(sum(pool.map(work, range(1, 41), chunksize=1)))
        pool.close()
        pool.join()
""",
        timeout=60,
        ENDPOINT=endpoint.url,
        PYTHONWARNINGS="ignore",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "820\n", "")
    assert wait_until(lambda: len(endpoint.spans()) == 40)
    assert sum(sums(endpoint, "jobs").values()) == 820


def test_a_child_of_a_pool_inside_a_forked_child(endpoint: OtlpEndpoint, script: Any) -> None:
    done = script.run(
        START
        + """
import multiprocessing
def work(number):
    with tracer.start_as_current_span("task"):
        return number
if os.fork() == 0:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert sum(pool.map(work, range(10), chunksize=1)) == 45
        pool.close()
        pool.join()
    sys.exit(0)
print(os.wait()[1])
""",
        ENDPOINT=endpoint.url,
        PYTHONWARNINGS="ignore",
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert sum(span.name == "task" for span in endpoint.spans()) == 10


def test_idle_at_debug_makes_no_records(endpoint: OtlpEndpoint, script: Any) -> None:
    script.run(
        START
        + """
logging.basicConfig(level=logging.DEBUG, stream=open(os.devnull, "w"))
logging.getLogger().setLevel(logging.DEBUG)
time.sleep(1.5)
""",
        ENDPOINT=endpoint.url,
        OTEL_METRIC_EXPORT_INTERVAL="50",
        OTEL_BLRP_SCHEDULE_DELAY="20",
    )
    assert len(endpoint.accepted("/v1/metrics")) > 10
    assert len(endpoint.log_records()) <= 1


def test_an_exit_by_an_exception_delivers_its_span(endpoint: OtlpEndpoint, script: Any) -> None:
    done = script.run(
        START
        + """
with tracer.start_as_current_span("failing"):
    raise RuntimeError("broken")
""",
        ENDPOINT=endpoint.url,
    )
    assert done.returncode == 1
    [span] = endpoint.spans()
    assert span.status.message == "RuntimeError: broken"
    assert attributes_of(span)["error.type"] == "RuntimeError"
