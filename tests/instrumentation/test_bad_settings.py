"""Under `trax-otel run` no variable of OpenTelemetry's or ours keeps a command from starting, or another signal from leaving.

A value that cannot be used is one line on stderr, said once for a process and its children, that names the variable and what
is allowed; never a value that may be a secret.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint
from trax_otel.config.fields import FIELDS
from trax_otel.sdk import environment

SECRET = "s3cr3t"
NOT_OFFERED = "no-such"
SIGNALS = ("", "TRACES_", "METRICS_", "LOGS_")
OTLP = {
    "ENDPOINT": f"ftp://user:{SECRET}@collector",
    "PROTOCOL": "http/json",
    "HEADERS": f"authorization=Bearer%20{SECRET},{SECRET}",
    "TIMEOUT": "soon",
    "COMPRESSION": "zip",
    "INSECURE": "perhaps",
    "CERTIFICATE": "/no/such/file",
    "CLIENT_CERTIFICATE": "/no/such/file",
    "CLIENT_KEY": "/no/such/file",
}
FREE = {"TRAX_LOG_DIR", "TRAX_CORRELATION_HEADERS"}
"""Variables for which any text will do."""
BAD = {
    **{f"OTEL_EXPORTER_OTLP_{signal}{part}": value for signal in SIGNALS for part, value in OTLP.items()},
    **dict.fromkeys(environment.LIMITS, "many"),
    **{f"OTEL_{signal}_EXPORTER": f"otlp,{NOT_OFFERED}" for signal in ("TRACES", "METRICS", "LOGS")},
    **{f"OTEL_{queue}_{part}": "-1" for queue in ("BSP", "BLRP")
       for part in ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE")},
    "OTEL_CONFIG_FILE": "/no/such/file.yaml",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": NOT_OFFERED,
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "round",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "both",
    "OTEL_LOG_LEVEL": "loud",
    "OTEL_METRICS_EXEMPLAR_FILTER": "some",
    "OTEL_METRIC_EXPORT_INTERVAL": "often",
    "OTEL_METRIC_EXPORT_TIMEOUT": "0",
    "OTEL_PROPAGATORS": f"tracecontext,{NOT_OFFERED}",
    "OTEL_PYTHON_CONFIGURATOR": NOT_OFFERED,
    "OTEL_PYTHON_CONTEXT": NOT_OFFERED,
    "OTEL_PYTHON_DISTRO": NOT_OFFERED,
    "OTEL_PYTHON_EXCLUDED_URLS": "health,[",
    "OTEL_PYTHON_FLASK_EXCLUDED_URLS": "(",
    "OTEL_PYTHON_ID_GENERATOR": NOT_OFFERED,
    "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION": "perhaps",
    "OTEL_PYTHON_LOG_CORRELATION": "perhaps",
    "OTEL_PYTHON_LOG_HANDLER_LEVEL": "loud",
    "OTEL_PYTHON_LOG_LEVEL": "loud",
    "OTEL_PYTHON_LOGGER_PROVIDER": NOT_OFFERED,
    "OTEL_PYTHON_METER_PROVIDER": NOT_OFFERED,
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "perhaps",
    "OTEL_PYTHON_TRACER_PROVIDER": NOT_OFFERED,
    "OTEL_RESOURCE_ATTRIBUTES": f"team=shop,{SECRET}",
    "OTEL_SDK_DISABLED": "perhaps",
    "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": "spans",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "htpp",
    "OTEL_TRACES_SAMPLER": "sometimes",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "x-.*,*",
    **{field.variable: "\x01" for field in FIELDS if field.variable and field.variable not in FREE},
    "TRAX_CONFIG_FILE": "/no/such/file.json",
}  # fmt: skip
NOT_DELIVERED = {
    "OTEL_CONFIG_FILE": {"traces", "metrics", "logs"},
    "OTEL_EXPORTER_OTLP_ENDPOINT": {"traces"},
    **{f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT": {signal} for signal in environment.SIGNALS},
}
"""What the default of a variable costs: the file sets up everything or nothing; nobody listens at the default endpoint."""

PROGRAM = """
import logging, subprocess, sys
from opentelemetry import trace
with trace.get_tracer("app").start_as_current_span("work"):
    logging.getLogger("app").error("said")
print("out")
if len(sys.argv) > 1:
    subprocess.run([sys.executable, __file__], check=False)
sys.exit(3)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def endpoint() -> Iterator[OtlpEndpoint]:
    with otlp_endpoint() as running:
        yield running


def run(
    program: Path, endpoint: OtlpEndpoint, words: tuple[str, ...] = (), **environ: str
) -> subprocess.CompletedProcess[str]:
    own = {
        f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT": f"{endpoint.url}/v1/{signal}" for signal in ("metrics", "logs")
    }
    common = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint.url}
    place = own if "OTEL_EXPORTER_OTLP_ENDPOINT" in environ else common
    return subprocess.run(
        [sys.executable, "-m", "trax_otel", "run", "--", sys.executable, str(program), *words],
        env={**os.environ, **place, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*", "OTEL_BSP_SCHEDULE_DELAY": "50", **environ},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def received(endpoint: OtlpEndpoint) -> set[str]:
    found = {"traces": endpoint.spans(), "metrics": endpoint.metrics(), "logs": endpoint.log_records()}
    return {signal for signal, items in found.items() if items}


def said(stderr: str) -> list[str]:
    """What is there beside the program's own line, and beside what the end of the process counts."""
    return [
        line for line in stderr.splitlines() if line != "said" and not line.startswith("trax-otel: not delivered: ")
    ]


ALONE = (
    "OTEL_CONFIG_FILE", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_PROPAGATORS", "OTEL_PYTHON_CONFIGURATOR", "OTEL_PYTHON_CONTEXT", "OTEL_PYTHON_DISTRO", "OTEL_PYTHON_METER_PROVIDER",
    "OTEL_PYTHON_TRACER_PROVIDER", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "TRAX_CONFIG_FILE",
)  # fmt: skip
"""What OpenTelemetry or we read early, or what replaces all else; the others are tried together, which takes one start."""


@pytest.mark.parametrize("variable", ALONE)
def test_a_bad_value_is_one_line_and_all_else_goes_on(variable: str, program: Path, endpoint: OtlpEndpoint) -> None:
    done = run(program, endpoint, **{variable: BAD[variable]})
    assert (done.returncode, done.stdout) == (3, "out\n")
    [line] = said(done.stderr)
    assert line.startswith("trax-otel: ")
    assert variable in line
    assert SECRET not in done.stderr
    assert received(endpoint) == set(environment.SIGNALS) - NOT_DELIVERED.get(variable, set())


COMMON = {f"OTEL_EXPORTER_OTLP_{part}" for part in OTLP}
"""Not read where every signal has a variable of its own: so these are tried apart from the rest."""


@pytest.mark.parametrize("common", [True, False])
def test_each_of_all_bad_values_is_one_line_in_all_processes_together(
    common: bool, program: Path, endpoint: OtlpEndpoint
) -> None:
    """The program starts another of itself, which has nothing to add."""
    left_out = {*NOT_DELIVERED, "TRAX_CONFIG_FILE"}
    together = {name: value for name, value in BAD.items() if name not in left_out and (name in COMMON) is common}
    done = run(program, endpoint, ("child",), **together)
    assert (done.returncode, done.stdout) == (3, "out\nout\n")
    lines = said(done.stderr)
    assert all(line.startswith("trax-otel: ") for line in lines)
    assert [len([line for line in lines if re.search(rf"\b{name}\b", line)]) for name in together] == [1] * len(
        together
    )
    assert len(lines) == len(together)
    assert SECRET not in done.stderr
    assert received(endpoint) == set(environment.SIGNALS)
    assert len(endpoint.spans()) == 2


def test_a_variable_that_another_asks_for(program: Path, endpoint: OtlpEndpoint) -> None:
    done = run(program, endpoint, OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="most")
    assert said(done.stderr) == ["trax-otel: OTEL_TRACES_SAMPLER_ARG='most': must be a number from 0 to 1"]


def test_what_is_merely_untidy_is_not_worth_a_line(program: Path, endpoint: OtlpEndpoint) -> None:
    untidy = {
        "OTEL_RESOURCE_ATTRIBUTES": "team=shop,", "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a, ", "OTEL_PROPAGATORS": "baggage,",
        "OTEL_TRACES_EXPORTER": "otlp,", "OTEL_SPAN_EVENT_COUNT_LIMIT": "", "OTEL_EXPORTER_OTLP_HEADERS_": "",
    }  # fmt: skip
    done = run(program, endpoint, **untidy)
    assert (done.returncode, said(done.stderr)) == (3, [])
    assert received(endpoint) == set(environment.SIGNALS)


@pytest.mark.parametrize(
    "variable",
    ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_PROPAGATORS", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_PYTHON_CONTEXT"],
)
def test_in_code_the_same_is_an_error_of_ours(variable: str) -> None:
    program = (
        "from trax_otel import configure\nfrom trax_otel.errors import InvalidConfigError\n"
        "try:\n    configure()\nexcept InvalidConfigError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, variable: BAD[variable]}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert variable in done.stdout
    assert done.stderr == ""
    assert SECRET not in done.stdout


@pytest.mark.parametrize("variable", environment.LIMITS)
def test_a_bad_limit_leaves_the_others(variable: str) -> None:
    problems: list[str] = []
    assert environment.limits({variable: "-1", "OTEL_SPAN_LINK_COUNT_LIMIT": "5"} | {variable: "-1"}, problems) == {
        variable
    }
    assert problems == [f"{variable}='-1': must be a whole number from 0 up, or empty for no limit"]
