"""`os._exit`, exec, forks that Python is not told of, and frozen processes, against a real endpoint."""

from __future__ import annotations

import time
from typing import Any

import pytest

from support.otlp_endpoint import HANG, OtlpEndpoint, Reply

pytestmark = pytest.mark.servers

START = """
import ctypes, os, sys, time, logging, signal, threading
import trax_otel
from opentelemetry import trace, metrics
telemetry = trax_otel.configure(service_name="leaving", endpoint=os.environ["ENDPOINT"], log_level="INFO")
tracer = trace.get_tracer("script")
counter = metrics.get_meter("script").create_counter("jobs")

def make(name):
    with tracer.start_as_current_span(name):
        logging.getLogger("app").info(name)
    counter.add(1)
"""
SLOW = {
    "OTEL_BSP_SCHEDULE_DELAY": "60000",
    "OTEL_BLRP_SCHEDULE_DELAY": "60000",
    "OTEL_METRIC_EXPORT_INTERVAL": "60000",
    "PYTHONWARNINGS": "ignore",
}
"""Nothing leaves by itself: what arrives was delivered at an end."""


def sums(endpoint: OtlpEndpoint) -> dict[int, float]:
    """The last value of the script's counter in each process."""
    return {
        resource["process.pid"]: sum(point.as_int for point in metric.sum.data_points)
        for resource, metric in endpoint.metrics()
        if metric.name == "jobs"
    }


def names(endpoint: OtlpEndpoint) -> list[str]:
    return sorted(span.name for span in endpoint.spans())


def bodies(endpoint: OtlpEndpoint) -> list[str]:
    return sorted(record.body.string_value for record in endpoint.log_records())


LEAVES = {
    "from the main thread": "os._exit(5)",
    "from another thread": "threading.Thread(target=os._exit, args=(5,)).start(); time.sleep(30)",
    "from a signal's handler": "signal.signal(signal.SIGTERM, lambda *_: os._exit(5)); signal.raise_signal(15)",
    "by exec": "os.execl('/bin/sh', 'sh', '-c', 'exit 5')",
    "by exec with an environment": "os.execve('/bin/sh', ['sh', '-c', 'exit $STATUS'], {'STATUS': '5'})",
    "by exec along PATH": "os.execlp('sh', 'sh', '-c', 'exit 5')",
}


@pytest.mark.parametrize("how", LEAVES)
def test_a_process_that_leaves_delivers_what_it_made(endpoint: OtlpEndpoint, script: Any, how: str) -> None:
    done = script.run(START + f"make('made')\n{LEAVES[how]}\n", ENDPOINT=endpoint.url, **SLOW)
    assert (done.returncode, done.stdout, done.stderr) == (5, "", "")
    assert (names(endpoint), bodies(endpoint), list(sums(endpoint).values())) == (["made"], ["made"], [1])


@pytest.mark.parametrize("how", ["os._exit(3)", "os.execl('/bin/sh', 'sh', '-c', 'exit 3')"])
def test_a_forked_child_delivers_its_own_and_nothing_of_its_parents(
    endpoint: OtlpEndpoint, script: Any, how: str
) -> None:
    done = script.run(
        START
        + f"""
make("parent's")
if os.fork() == 0:
    make("child's")
    {how}
print(os.wait()[1] >> 8)
""",
        ENDPOINT=endpoint.url,
        **SLOW,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
    assert names(endpoint) == bodies(endpoint) == ["child's", "parent's"]
    assert list(sums(endpoint).values()) == [1, 1]
    assert len({resource["service.instance.id"] for resource in endpoint.resources()}) == 2


def test_a_child_that_only_counted_delivers_its_count(endpoint: OtlpEndpoint, script: Any) -> None:
    script.run(
        START + "if os.fork() == 0:\n    counter.add(7)\n    os._exit(0)\nos.wait()\n", ENDPOINT=endpoint.url, **SLOW
    )
    assert 7 in sums(endpoint).values()


def test_a_child_that_made_nothing_sends_nothing(endpoint: OtlpEndpoint, script: Any) -> None:
    done = script.run(
        START
        + """
make("parent's")
for _ in range(5):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
print(os.getpid())
""",
        ENDPOINT=endpoint.url,
        **SLOW,
    )
    assert done.stderr == ""
    assert {resource["process.pid"] for resource in endpoint.resources()} == {int(done.stdout)}
    assert names(endpoint) == ["parent's"]


def test_an_exec_that_fails_raises_as_ever_and_the_process_goes_on(endpoint: OtlpEndpoint, script: Any) -> None:
    done = script.run(
        START
        + """
make("before")
try:
    os.execv("/nowhere/at-all", ["at-all"])
except FileNotFoundError as error:
    print(error.errno, error.filename)
make("after")
""",
        ENDPOINT=endpoint.url,
        **SLOW,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 None\n", "")
    assert names(endpoint) == bodies(endpoint) == ["after", "before"]
    assert list(sums(endpoint).values()) == [2]


@pytest.mark.parametrize("where", ["dead", "hanging"])
def test_nobody_listens_and_the_end_is_held_up_by_half_a_second_at_the_longest(
    endpoint: OtlpEndpoint, script: Any, where: str
) -> None:
    endpoint.behave = lambda path, count, message: HANG
    done = script.run(
        START + "make('lost')\nbegan = time.monotonic()\nprint(began, flush=True)\nos._exit(9)\n",
        ENDPOINT=endpoint.url if where == "hanging" else "http://127.0.0.1:9",
        **SLOW,
    )
    assert time.monotonic() - float(done.stdout) < 0.5 + 2.0  # the rest is a busy machine's
    assert done.returncode == 9
    [line] = done.stderr.splitlines()
    assert line.startswith("trax-otel: not delivered: 1 span, ")
    assert "1 log record" in line


def test_where_the_last_export_failed_nothing_is_tried(endpoint: OtlpEndpoint, script: Any) -> None:
    endpoint.behave = lambda path, count, message: Reply(503)
    done = script.run(
        START
        + """
make("parent's")
telemetry.flush(0.3)
print("failed", flush=True)
if os.fork() == 0:
    make("child's")
    os._exit(0)
os.wait()
os._exit(0)
""",
        ENDPOINT=endpoint.url,
        **SLOW,
    )
    lines = [line for line in done.stderr.splitlines() if "not delivered" in line]
    assert len(lines) == 2, done.stderr  # the child's, then the parent's
    assert all("1 span" in line for line in lines)
    assert {attributes["process.pid"] for attributes in endpoint.resources()} == set()  # none was accepted


def test_switched_off_the_originals_are_back(endpoint: OtlpEndpoint, script: Any) -> None:
    done = script.run(
        START
        + """
from trax_otel import originals
print(os._exit is originals.exit_now, os.execv is originals.execv, os.execve is originals.execve, flush=True)
make("lost")
os._exit(4)
""",
        ENDPOINT=endpoint.url,
        TRAX_FLUSH_ON_EXIT="off",
        **SLOW,
    )
    assert (done.returncode, done.stdout, done.stderr) == (4, "True True True\n", "")
    assert names(endpoint) == []


FORK_IN_C = """
libc = ctypes.PyDLL(None)  # holds the interpreter's lock, as a server does that forks in C
def fork():
    time.sleep(0.3)  # Python's own limit (docs/compatibility.md): no other thread may wait for its lock at such a fork
    return libc.fork()
"""


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)"])
def test_a_fork_that_python_is_not_told_of(endpoint: OtlpEndpoint, script: Any, end: str) -> None:
    done = script.run(
        START
        + FORK_IN_C
        + f"""
make("parent's")
for number in range(3):
    if fork() == 0:
        make("child's")
        {end}
print([os.wait()[1] for _ in range(3)])
make("parent's")
""",
        ENDPOINT=endpoint.url,
        **SLOW,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0, 0, 0]\n", "")
    assert names(endpoint) == bodies(endpoint) == ["child's"] * 3 + ["parent's"] * 2
    assert sorted(sums(endpoint).values()) == [1, 1, 1, 2]
    assert len({resource["service.instance.id"] for resource in endpoint.resources()}) == 4
    assert len({span.trace_id for span in endpoint.spans()}) == 5


def test_such_a_child_waits_for_no_lock_that_was_held_at_its_fork(endpoint: OtlpEndpoint, script: Any) -> None:
    done = script.run(
        START
        + FORK_IN_C
        + """
from trax_otel import lifecycle
lock = lifecycle.ForkSafeLock()
def hold():
    with lock, telemetry.pipelines[0].provider._active_span_processor._lock:
        held.set(); time.sleep(3)
held = threading.Event()
threading.Thread(target=hold, daemon=True).start()
held.wait()
if fork() == 0:
    with lock:
        make("child's")
    os._exit(0)
print(os.wait()[1])
os._exit(0)
""",
        ENDPOINT=endpoint.url,
        **SLOW,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert names(endpoint) == ["child's"]


REQUEST = """
from opentelemetry.trace import SpanKind
with tracer.start_as_current_span("request", kind=SpanKind.SERVER):
    make("work")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("environ", "arrives"),
    [
        ({"TRAX_FLUSH_EACH_REQUEST": "on"}, True),
        ({"AWS_LAMBDA_FUNCTION_NAME": "resize"}, True),
        ({"AWS_LAMBDA_FUNCTION_NAME": "resize", "TRAX_FLUSH_EACH_REQUEST": "off"}, False),
        ({}, False),
    ],
    ids=["on", "lambda", "lambda, off", "elsewhere"],
)
def test_a_frozen_process_has_delivered_each_request(
    endpoint: OtlpEndpoint, script: Any, environ: dict[str, str], arrives: bool
) -> None:
    done = script.run(START + REQUEST, ENDPOINT=endpoint.url, **SLOW, **environ)
    assert done.returncode == -9
    assert names(endpoint) == (["request", "work"] if arrives else [])
    assert bodies(endpoint) == (["work"] if arrives else [])
    assert list(sums(endpoint).values()) == ([1] if arrives else [])


def test_requests_wait_for_no_endpoint_that_failed_before(endpoint: OtlpEndpoint, script: Any) -> None:
    endpoint.behave = lambda path, count, message: HANG
    done = script.run(
        START
        + """
from opentelemetry.trace import SpanKind
began = time.monotonic()
for _ in range(3):
    tracer.start_span("request", kind=SpanKind.SERVER).end()
print(time.monotonic() - began, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
""",
        ENDPOINT=endpoint.url,
        TRAX_FLUSH_EACH_REQUEST="on",
        **SLOW,
    )
    assert float(done.stdout) < 3 * 0.5 + 2.0
