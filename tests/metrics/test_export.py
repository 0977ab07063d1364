from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from trax_otel import semconv
from trax_otel.metrics import (
    SCHEMA_VERSION,
    Operation,
    add_health_check,
    add_threshold,
    create_counter,
    create_gauge,
    create_histogram,
    create_ratio,
    evaluate_thresholds,
    export_all_metrics,
    publish_health_metrics,
    timing_context,
)

PAGE = Path(__file__).parents[2] / "docs" / "metrics-export.md"


@pytest.fixture(scope="module")
def schema() -> Any:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return json.loads(text)


@pytest.fixture
def everything(still) -> Iterator[None]:
    """Something of each sort."""
    for seconds, error in ((0.1, None), (0.2, None), (3, OSError("x")), (1, KeyboardInterrupt())):
        operation = Operation("export.work", resources=True).begin()
        still.advance(seconds)
        operation.end(error)
    create_counter("export.orders", labels=["plan"]).add(3, plan="pro")
    create_gauge("export.size", unit="By").set(3 * 1024 * 1024)
    create_histogram("export.basket").record(7)
    create_ratio("export.paid").hit()
    undo = [
        publish_health_metrics(),
        add_health_check("export", lambda: (True, "fine")),
        add_threshold("export.size", above=1),
    ]
    evaluate_thresholds()
    yield
    for end in undo:
        end()


def test_a_real_export_follows_the_documented_schema(schema, everything):
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(export_all_metrics())
    jsonschema.validate(document, schema)
    assert document["schema_version"] == SCHEMA_VERSION == schema["properties"]["schema_version"]["const"]


def test_every_field_of_a_real_export_is_documented(schema, everything):
    """The schema's optional objects name exactly what is really there."""
    health = json.loads(export_all_metrics())["health"]
    for part in ("process", "system", "container"):
        if health[part] is not None:
            assert set(health[part]) == set(schema["$defs"]["health"]["properties"][part]["properties"])


def metric(document: Any, name: str) -> Any:
    return next(entry for entry in document["metrics"] if entry["name"] == name)


def test_operations_have_rates_and_milliseconds(everything):
    document = json.loads(export_all_metrics())
    operation = next(entry for entry in document["operations"] if entry["name"] == "export.work")
    assert operation["outcomes"] == {"success": 2, "failure": 1, "cancelled": 1}
    assert (operation["count"], operation["active"]) == (4, 0)
    assert operation["success_rate"] == pytest.approx(2 / 3)
    assert operation["failure_rate"] == pytest.approx(1 / 3)
    assert list(operation["errors"].values()) == [1]
    duration = operation["duration_ms"]
    assert (duration["min"], duration["max"]) == (pytest.approx(100), 3000)
    assert duration["sum"] == pytest.approx(4300)
    assert 100 <= duration["p50"] <= 250
    assert 1000 <= duration["p95"] <= 3000
    assert sum(bucket["count"] for bucket in duration["buckets"]) == 4
    assert operation["memory_mb"] > 1
    assert operation["cpu_percent"] >= 0


def test_errors_are_counted(everything):
    (error,) = json.loads(export_all_metrics())["errors"]
    assert (error["type"], error["count"]) == ("OSError", 1)


def test_units_are_the_specifications(everything):
    document = json.loads(export_all_metrics())
    size = metric(document, "export.size")
    assert (size["unit"], size["series"][0]["value"]) == ("MB", 3)
    assert metric(document, semconv.OPERATION_DURATION.name)["unit"] == "ms"
    assert metric(document, "export.orders")["series"] == [{"attributes": {"plan": "pro"}, "value": 3}]
    assert metric(document, "process.memory.usage")["unit"] == "MB"


def test_what_json_has_no_number_for_is_null():
    """A metric may hold any float at all; strict parsers refuse NaN."""
    from trax_otel.metrics.export import _finite

    assert _finite({1: [math.nan, math.inf, 1.5], "b": (True, None, object)}) == {
        "1": [None, None, 1.5],
        "b": [True, None, str(object)],
    }


def test_an_operation_in_progress_is_listed():
    with timing_context("export.running"):
        document = json.loads(export_all_metrics())
    running = next(entry for entry in document["operations"] if entry["name"] == "export.running")
    assert (running["active"], running["count"], running["success_rate"]) == (1, 0, None)


def test_it_works_in_a_bare_process_without_any_sdk(schema):
    program = (
        "import sys\n"
        "from trax_otel.metrics import export_all_metrics, timing_context\n"
        "with timing_context('bare'): pass\n"
        "print(export_all_metrics())\n"
        "assert not any(name.startswith('opentelemetry.sdk') for name in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema)
    assert [entry["name"] for entry in document["operations"]] == ["bare"]
    assert not done.stderr


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, None),
        ({"OTEL_RESOURCE_ATTRIBUTES": "a=b, service.name=my%20shop"}, "my shop"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=other", "OTEL_SERVICE_NAME": "shop"}, "shop"),
    ],
)
def test_the_service_is_named_by_the_standard_variables(
    environ: dict[str, str], name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    assert json.loads(export_all_metrics())["service"]["name"] == name
