"""An interpreter under `trax-otel run` starts with hooks alone; telemetry is set up when it is first needed, once and for all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint
from support.services import BIN, lean, observed

pytestmark = pytest.mark.servers

PATCHABLE = [
    "select", "socket", "ssl", "queue", "selectors", "multiprocessing", "concurrent.futures.thread", "http.client",
    "urllib.request", "asyncio", "subprocess", "logging", "opentelemetry",
]  # fmt: skip


@pytest.fixture(scope="module")
def endpoint() -> Iterator[OtlpEndpoint]:
    with otlp_endpoint() as running:
        yield running


def ended(
    endpoint: OtlpEndpoint, code: str, folder: Path, *, by: str = "run", **environ: str
) -> subprocess.CompletedProcess[str]:
    """A script's end under `trax-otel run`, or under `opentelemetry-instrument`."""
    script = folder / "script.py"
    script.write_text(code)
    command = observed(endpoint.url, "deferred", [sys.executable, str(script)])
    if by != "run":
        command = [str(BIN / "opentelemetry-instrument"), sys.executable, str(script)]
        environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint.url, "OTEL_PYTHON_DISTRO": "trax"}
        environ["OTEL_PYTHON_CONFIGURATOR"] = "trax"
    return subprocess.run(
        command, env={**os.environ, **lean(), **environ}, capture_output=True, text=True, timeout=60, check=False
    )


def printed(endpoint: OtlpEndpoint, code: str, folder: Path, *, by: str = "run", **environ: str) -> str:
    done = ended(endpoint, code, folder, by=by, **environ)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_nothing_that_can_be_patched_is_imported_and_no_thread_is_known(endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    code = f"import sys, threading; print([m for m in {PATCHABLE} if m in sys.modules], len(threading.enumerate()))"
    assert printed(endpoint, code, tmp_path) == "[] 1"


BY = pytest.mark.parametrize("by", ["run", "opentelemetry-instrument"])


@BY
def test_the_first_access_gives_the_final_providers(by: str, endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from opentelemetry import trace, metrics, _logs\n"
        "print('opentelemetry.sdk.trace' in sys.modules)\n"
        "got = trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()\n"
        "from opentelemetry.sdk.trace import TracerProvider, SpanProcessor\n"
        "from opentelemetry.sdk.metrics import MeterProvider\n"
        "from opentelemetry.sdk._logs import LoggerProvider\n"
        "print([isinstance(*pair) for pair in zip(got, (TracerProvider, MeterProvider, LoggerProvider))])\n"
        "class Prints(SpanProcessor):\n"
        "    def on_end(self, span): print(span.name)\n"
        "got[0].add_span_processor(Prints())\n"
        "trace.get_tracer('a').start_span('seen').end()\n"
        "print(got == (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()))\n"
    )
    assert printed(endpoint, code, tmp_path, by=by) == "False\n[True, True, True]\nseen\nTrue"


@pytest.mark.parametrize("first", ["", "trace.get_tracer_provider(); metrics.get_meter_provider()"])
def test_providers_of_the_application_s_own_win(first: str, endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    code = (
        "import logging\n"
        "from opentelemetry import trace, metrics\n"
        f"{first}\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.metrics import MeterProvider\n"
        "own = TracerProvider(), MeterProvider()\n"
        "trace.set_tracer_provider(own[0]); metrics.set_meter_provider(own[1])\n"
        "logging.getLogger('a').error('a record')\n"
        "print(own == (trace.get_tracer_provider(), metrics.get_meter_provider()))\n"
    )
    done = ended(endpoint, code, tmp_path)
    assert (done.stdout, done.stderr) == ("True\n", "a record\n")


def test_a_signal_without_exporter_leaves_its_place_to_the_application(endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    code = (
        "from opentelemetry import metrics, _logs\n"
        "metrics.get_meter('a').create_counter('c').add(1); _logs.get_logger('a')\n"
        "from opentelemetry.sdk.metrics import MeterProvider\n"
        "from opentelemetry.sdk._logs import LoggerProvider\n"
        "own = MeterProvider(), LoggerProvider()\n"
        "metrics.set_meter_provider(own[0]); _logs.set_logger_provider(own[1])\n"
        "print(own == (metrics.get_meter_provider(), _logs.get_logger_provider()))\n"
    )
    assert printed(endpoint, code, tmp_path, OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none") == "True"


@pytest.mark.parametrize(
    "code",
    [
        "import logging; logging.getLogger('a').error('made')",
        "from opentelemetry import trace; trace.get_tracer('a').start_span('made').end()",
        "from trax_otel.metrics import timing_context\nwith timing_context('made'): pass",
        "import sqlite3; sqlite3.connect(':memory:').cursor().execute('select 1')",
        "import os\nif os.fork() == 0: import logging; logging.getLogger('a').error('made')\nelse: os.wait()",
    ],
    ids=["record", "span", "operation", "library", "forked child"],
)
def test_a_program_that_ends_at_once_delivers_what_it_made(endpoint: OtlpEndpoint, code: str, tmp_path: Path) -> None:
    before = len(endpoint.requests)
    assert ended(endpoint, code, tmp_path, **lean("sqlite3")).returncode == 0
    assert len(endpoint.requests) > before


def test_an_error_that_nobody_catches_is_delivered(endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    before = len(endpoint.requests)
    done = ended(endpoint, "raise ValueError('made')", tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: made\n")
    assert len(endpoint.requests) > before


def test_a_program_that_makes_nothing_in_its_first_second_sends_nothing(endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    before = len(endpoint.requests)
    assert printed(endpoint, "print('done')", tmp_path) == "done"
    assert len(endpoint.requests) == before


@pytest.mark.parametrize(
    "code", ["import time; time.sleep(6)", "import time, os\nif os.fork() == 0: time.sleep(6)\nelse: os.wait()"]
)
def test_a_process_that_lives_on_sends_its_metrics(endpoint: OtlpEndpoint, code: str, tmp_path: Path) -> None:
    before = len(endpoint.requests)
    assert printed(endpoint, code, tmp_path) == ""
    assert any(request.path == "/v1/metrics" for request in endpoint.requests[before:])


def test_children_forked_while_telemetry_is_set_up_do_not_hang(endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "end = time.monotonic() + 4\n"
        "while time.monotonic() < end:\n"
        "    if (pid := os.fork()) == 0:\n"
        "        from opentelemetry import trace\n"
        "        import trax_otel.sdk\n"
        "        trace.get_tracer('a').start_span('made').end()\n"
        "        os._exit(7)\n"
        "    assert os.waitpid(pid, 0)[1] == 7 << 8\n"
        "    time.sleep(0.05)\n"
    )
    assert printed(endpoint, code, tmp_path) == ""


@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit"])
def test_a_set_up_that_fails_is_one_line_and_the_service_goes_on(
    error: str, endpoint: OtlpEndpoint, tmp_path: Path
) -> None:
    code = (
        "import trax_otel.sdk.configuration as configuration\n"
        f"def fail(*_, **__): raise {error}('broken')\n"
        "configuration._build = fail\n"
        "from opentelemetry import trace\n"
        "for _ in range(3): trace.get_tracer('a').start_span('made').end()\n"
        "print('goes on')\n"
    )
    done = ended(endpoint, code, tmp_path)
    assert (done.returncode, done.stdout) == (0, "goes on\n")
    assert done.stderr == f"trax-otel: telemetry could not be started: {error}: broken\n"


def test_configure_in_the_code_is_the_only_set_up(endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    code = (
        "import trax_otel\n"
        "from opentelemetry import trace\n"
        "made = trax_otel.configure(service_name='own')\n"
        "print(trace.get_tracer_provider() is made.pipelines[0].provider, made.service_name)\n"
    )
    assert printed(endpoint, code, tmp_path) == "True own"


def test_an_interpreter_that_lacks_this_package_is_not_led_to_it(tmp_path: Path) -> None:
    from trax_otel.instrumentation.start import AUTOSTART

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    environ = {**os.environ, "PYTHONPATH": AUTOSTART, "OTEL_PYTHON_TRACER_PROVIDER": "trax"}
    code = "import os; print(os.environ.get('OTEL_PYTHON_TRACER_PROVIDER'))"
    done = subprocess.run(
        [str(tmp_path / "venv" / "bin" / "python"), "-c", code],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "None\n"
    assert "cannot import trax_otel" in done.stderr


def test_what_is_observed_before_the_set_up_is_sent(endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    code = """
import time
from trax_otel.retry import CircuitBreaker, retry

@retry(max_retries=2, initial_delay=0)
def load():
    return 1

breaker = CircuitBreaker(name="rates")
load()
breaker.call(load)
time.sleep(1.5)
"""
    assert printed(endpoint, code, tmp_path) == ""
    sent = {metric.name for _, metric in endpoint.metrics()}
    assert sent >= {"trax.retry.operations", "trax.retry.attempts", "trax.circuit_breaker.state"}


# --- Imports, threads and ends at the moment of the set-up ------------------------------------------------------------------

CROWD = """
import os, random, sys, threading, time
MODULES = ["opentelemetry.sdk.trace.export", "opentelemetry.sdk.metrics.export", "opentelemetry.sdk._logs.export",
           "trax_otel.retry", "trax_otel.recovery", "trax_otel.sdk.reader", "asyncio", "concurrent.futures.thread",
           "urllib.request"]
wrong = []
def imports():
    for module in MODULES:
        __import__(module)
def uses():
    from opentelemetry import trace
    if not hasattr(trace.get_tracer_provider(), "add_span_processor"):
        wrong.append(trace.get_tracer_provider())
    trace.get_tracer("a").start_span("made").end()
def contained(job):
    try:
        job()
    except BaseException as error:
        wrong.append(repr(error))
chance = random.Random({seed})
chance.shuffle(MODULES)
jobs = [imports, uses, uses]
chance.shuffle(jobs)
time.sleep({delay} + chance.uniform(0, 0.1))
threads = [threading.Thread(target=contained, args=(job,)) for job in jobs]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(wrong)
"""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("delay", [0.0, 0.97], ids=["before the first second is over", "at its end"])
def test_threads_that_import_and_use_at_the_same_time_all_get_what_they_ask_for(
    delay: float, seed: int, endpoint: OtlpEndpoint, tmp_path: Path
) -> None:
    assert printed(endpoint, CROWD.format(seed=seed, delay=delay), tmp_path) == "[]"


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 2),
    reason="these start no thread once the main thread is over, ours or others'",
)
@pytest.mark.parametrize("imported", ["", "import concurrent.futures.thread"], ids=["", "pools are closed"])
@pytest.mark.parametrize("delay", [0.2, 1.5])
def test_threads_that_go_on_after_the_main_thread_are_observed(
    delay: float, imported: str, endpoint: OtlpEndpoint, tmp_path: Path
) -> None:
    before = len(endpoint.spans())
    code = (
        f"{imported}\n"
        "import threading, time\n"
        "def work():\n"
        f"    time.sleep({delay})\n"
        "    from opentelemetry import trace\n"
        "    trace.get_tracer('a').start_span('made').end()\n"
        "threading.Thread(target=work).start()\n"
    )
    assert printed(endpoint, code, tmp_path) == ""
    assert len(endpoint.spans()) == before + 1


@pytest.mark.parametrize("seconds", [0.85, 0.95, 1.0, 1.05, 1.15])
def test_a_program_that_ends_when_the_first_second_is_over_ends_quietly(
    seconds: float, endpoint: OtlpEndpoint, tmp_path: Path
) -> None:
    assert printed(endpoint, f"import time; time.sleep({seconds})", tmp_path) == ""


def test_children_that_do_not_start_with_us_are_told_of_no_provider(endpoint: OtlpEndpoint, tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys\n"
        "from opentelemetry import trace\n"
        "child = 'import os; print([name for name in os.environ if name.endswith(\"_PROVIDER\")])'\n"
        "for environ in (None, dict(os.environ)):\n"
        "    subprocess.run([sys.executable, '-I', '-c', child], env=environ)\n"
        "print(type(trace.get_tracer_provider()).__module__, flush=True)\n"
    )
    assert printed(endpoint, code, tmp_path).split() == ["[]", "[]", "trax_otel.sdk.fork"]
