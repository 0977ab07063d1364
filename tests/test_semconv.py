"""Telemetry names are written once, and the generated pages follow them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import trax_otel
from trax_otel import semconv
from trax_otel.semconv import attributes

PACKAGE = Path(trax_otel.__file__).parent
ROOT = PACKAGE.parent
CONSTANTS = {name: value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
METRICS = [value for value in vars(semconv).values() if isinstance(value, semconv.MetricSpec)]


def test_no_telemetry_name_is_written_anywhere_else() -> None:
    literal = re.compile(r"""["']trax\.(?!log["']|jsonl)[a-z]""")  # the log files are called so
    offenders = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "semconv"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if literal.search(line)
    ]
    assert offenders == []


def test_every_constant_has_a_docstring() -> None:
    source = Path(attributes.__file__).read_text(encoding="utf-8")
    lines = source.splitlines()
    for name in CONSTANTS:
        (at,) = [n for n, line in enumerate(lines) if line.startswith(f"{name}: Final")]
        assert lines[at + 1].startswith('"""'), name


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.name)
def test_a_metric_is_described_with_unit_and_known_attributes(spec: semconv.MetricSpec) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+", spec.name)
    assert re.fullmatch(r"s|By|1|\{[a-z_]+\}", spec.unit), spec.unit
    assert spec.description.endswith(".")
    unknown = [name for name in spec.attributes if name.startswith("trax.") and name not in CONSTANTS.values()]
    assert unknown == []
    assert (spec.buckets is not None) == (spec.kind == "histogram")


def test_every_name_is_emitted_somewhere() -> None:
    """What docs/telemetry.md promises, some module that makes telemetry names; those that only read it do not count."""
    readers = {"semconv", "local", "cli", "testing"}
    made = "\n".join(
        path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in readers and path.name != "reference.py"
    )
    specs = {name for name, value in vars(semconv).items() if isinstance(value, semconv.MetricSpec)}
    ours = {name for name, value in CONSTANTS.items() if value.startswith("trax.")}
    assert sorted(name for name in ours | specs if not re.search(rf"\b{name}\b", made)) == []


def test_metric_names_are_unique() -> None:
    assert len({spec.name for spec in METRICS}) == len(METRICS)


def test_durations_are_kept_apart_beyond_the_thirty_seconds_that_alerts_ask_about() -> None:
    assert {30.0, 60.0, 120.0} <= set(semconv.DURATION_BUCKETS)


def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "tools/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
