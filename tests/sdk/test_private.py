"""Without any one of OpenTelemetry's private names something is off, which one line says; no call raises."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "trax_otel"
SPANS = {"timed", "attempt", "generator", "logs", "other", "in the child"}


@pytest.fixture
def endpoint() -> Iterator[OtlpEndpoint]:
    with otlp_endpoint() as running:
        yield running


def run(names: str, endpoint: OtlpEndpoint) -> tuple[dict[str, str], list[str]]:
    """What raised, and what was said."""
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-m", "support.private_program", names, endpoint.url],
        cwd=TESTS, env={**os.environ, "OTEL_BSP_SCHEDULE_DELAY": "50"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    raised: dict[str, str] = json.loads(done.stdout)
    return raised, done.stderr.splitlines()


def test_with_all_names_nothing_is_said(endpoint: OtlpEndpoint) -> None:
    assert run("", endpoint) == ({}, [])
    assert {span.name for span in endpoint.spans()} >= SPANS
    assert "logged" in {record.body.string_value for record in endpoint.log_records()}


REFUSED = "a provider that the application sets later is refused"
STAY = "what libraries have of ours stays with ours when the application sets a provider"
COUNTS = "metrics of a forked child begin with its parent's counts"
LOCKS = "a forked child may inherit a lock that is held"


OTHERWISE = (
    "_real_meter_provider _lock _propagators _advisory _all_metric_readers_lock _dict _attributes "
    "_handle_fork _preferred_temporality _preferred_aggregation"
)
"""What has an equal by public names, or only tunes: nothing is said."""


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("_TRACER_PROVIDER _METER_PROVIDER _LOGGER_PROVIDER", {REFUSED}),
        ("_TRACER_PROVIDER_SET_ONCE _METER_PROVIDER_SET_ONCE _LOGGER_PROVIDER_SET_ONCE", {REFUSED}),
        ("_RUNTIME_CONTEXT _SUPPRESS_INSTRUMENTATION_KEY", {
            "a block that ends in another context than it began in is logged",
            "some libraries' calls inside an export or a store are traced",
        }),
        ("_PROXY_METER_PROVIDER", {"instruments made before the set-up stay without figures"}),
        ("on_set_meter_provider", {"instruments made before the set-up stay without figures"}),
        ("opentelemetry.exporter.otlp.proto.common._log_encoder", {"log records are not sent"}),
        ("_instrumentation_scope _meters", {STAY}),
        ("_instrument_id_instrument", {STAY}),
        ("_callbacks", {STAY}),
        ("_measurement_consumer _active_span_processor _multi_log_record_processor", {COUNTS, LOCKS}),
        ("MetricReaderStorage", {COUNTS}),
        ("_reader_storages", {COUNTS}),
        ("_sdk_config", {COUNTS}),
        ("_instrument_class_temporality _instrument_class_aggregation", {COUNTS}),
        (OTHERWISE, set()),
    ],
)  # fmt: skip
def test_without_a_name_one_line_says_what_is_off_and_no_call_raises(
    names: str, said: set[str], endpoint: OtlpEndpoint
) -> None:
    raised, lines = run(names, endpoint)
    assert raised == {}
    assert {span.name for span in endpoint.spans()} >= SPANS
    told = [line for line in lines if line.startswith("trax-otel: OpenTelemetry")]
    assert {line.partition(" any more: ")[2] for line in told} == said
    assert len(told) == len(set(told)) or "_meters" in names  # seen at two moments: in the child, and later here
    logged = "logged" in {record.body.string_value for record in endpoint.log_records()}
    assert logged is not names.endswith("_log_encoder")


def test_no_other_file_touches_a_private_name_of_opentelemetry() -> None:
    found = [line for path in sorted(PACKAGE.rglob("*.py")) if path.name != "private.py" for line in touched(path)]
    assert found == []


OVERRIDDEN = {"_handle_fork", "_receive_metrics", "_configure"}
"""Methods that OpenTelemetry asks its subclasses to define, or calls on them."""


def touched(path: Path) -> Iterator[str]:
    """Where a file imports a private module or name of OpenTelemetry, or reaches for one of those in `private.py`."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("opentelemetry"):
            names = [*(node.module or "").split(".")[1:], *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [
                part for alias in node.names if alias.name.startswith("opentelemetry") for part in alias.name.split(".")
            ]
        elif isinstance(node, ast.Attribute) and node.attr in private_names():
            itself = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            names = [] if itself and node.attr in defined(path) else [node.attr]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in private_names():
            names = [node.value]
        for name in names:
            ours = {"_logs", *OVERRIDDEN} if "sdk" in path.parts else {"_logs", "_attributes", *OVERRIDDEN}
            if name.startswith("_") and not name.startswith("__") and name not in ours:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}: {name}"  # type: ignore[attr-defined]


@cache
def private_names() -> frozenset[str]:
    """The names that the two `private.py` know."""
    found: set[str] = set()
    for path in PACKAGE.rglob("private.py"):
        tree = ast.parse(path.read_text())
        own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"_[a-zA-Z_]+", node.value)
            ):
                found.add(node.value)
            elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                found.add(node.attr)
        found -= own
    return frozenset(found - {"_lock"})  # every class here has one of its own


@cache
def defined(path: Path) -> frozenset[str]:
    """The attributes that the classes of a file set on themselves."""
    targets = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    return frozenset(node.attr for node in targets if isinstance(node.ctx, ast.Store))
