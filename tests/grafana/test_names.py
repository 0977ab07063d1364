"""Every metric, label, field and attribute that a dashboard, a rule or a page names is one that something really emits."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser
import pytest
import yaml

from support import dashboards
from tools.grafana import collected, names
from trax_otel import semconv
from trax_otel.semconv.metrics import MetricSpec

ROOT = dashboards.ROOT
ATTRIBUTES = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
METRICS = {spec.name for spec in vars(semconv.metrics).values() if isinstance(spec, MetricSpec)}
RULES = sorted((ROOT / "grafana/rules").glob("*.yaml"))
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])


class Named(NamedTuple):
    """A query, and who asks it."""

    where: str
    text: str


def rules() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in RULES:
        for group in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("groups", []):
            for rule in group["rules"]:
                yield f"{path.name}: {rule.get('record') or rule['alert']}", rule


RECORDED = {rule["record"] for _, rule in rules() if "record" in rule}
OFFERED = {
    name: frozenset(re.findall(r"(\w+): ", labels))
    for path in RULES
    for name, labels in re.findall(
        r"^#\s+- record: (\S+)\n(?:#.*\n)??#\s+labels: \{(.*)\}$", path.read_text("utf-8"), re.MULTILINE
    )
}
"""Series that a user may add by a rule that stands in a comment, with the labels shown there."""
SERIES = {
    **names.OWN, **collected.DERIVED, **collected.COLLECTOR, **OFFERED,
    "target_info": names.RESOURCE_LABELS, "ALERTS": names.RESOURCE_LABELS | {"alertname", "alertstate", "severity"},
}  # fmt: skip


def blocks(language: str) -> Iterator[Named]:
    """What stands after the name of a query language in a page's block of code."""
    for path in PAGES:
        for block in re.findall(
            r"^```[a-z]*\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
        ):
            for line in re.findall(rf"^{language}:\s+(.+)$", block, flags=re.MULTILINE):
                yield Named(str(path.relative_to(ROOT)), line)


def of_dashboards(store: str) -> Iterator[Named]:
    for one in dashboards.asked():
        if one.store == store:
            yield Named(one.name, one.filled())


def promql() -> list[Named]:
    found = [*of_dashboards("prometheus"), *blocks("PromQL")]
    found += [Named(where, str(rule["expr"])) for where, rule in rules()]
    return [Named(where, _timed(text)) for where, text in found]


def _timed(text: str) -> str:
    for variable, value in dashboards.TIMES.items():
        text = text.replace(variable, value)
    return text


def parts(node: Any) -> Iterator[Any]:
    """An expression and all inside it."""
    yield node
    below = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
    for child in [*below, *(getattr(node, "args", None) or [])]:
        if child is not None and not isinstance(child, (str, int, float)):
            yield from parts(child)


def selected(text: str) -> Iterator[tuple[str, set[str]]]:
    """The series that a query reads, each with the labels that it is asked for by."""
    for node in parts(promql_parser.parse(text)):
        if isinstance(node, promql_parser.VectorSelector):
            matchers = list(node.matchers.matchers)
            name = node.name or next((one.value for one in matchers if one.name == "__name__"), "")
            yield name, {one.name for one in matchers} - {"__name__"}


def grouped(text: str) -> set[str]:
    """The labels that a query groups or joins by."""
    found: set[str] = set()
    for node in parts(promql_parser.parse(text)):
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.AggregateExpr) and modifier is not None:
            found |= set(modifier.labels)
        if isinstance(node, promql_parser.BinaryExpr) and modifier is not None:
            found |= set(modifier.matching.labels if modifier.matching else ()) | set(modifier.group_labels or ())
    return found


def made_here(text: str) -> set[str]:
    """The labels that a query makes by itself."""
    return {node.args[1].val for node in parts(promql_parser.parse(text))
            if isinstance(node, promql_parser.Call) and node.func.name in ("label_replace", "label_join")}  # fmt: skip


@functools.cache
def recorded(name: str) -> frozenset[str]:
    """The labels that a recording rule's series may have: its own, and those of what it reads."""
    found: set[str] = set()
    for _, rule in rules():
        if rule.get("record") == name:
            found |= set(rule.get("labels") or {}) | made_here(rule["expr"])
            for read, _ in selected(rule["expr"]):
                found |= SERIES.get(read) or (recorded(read) if read != name else frozenset())
    return frozenset(found)


def unknown(text: str) -> list[str]:
    """What a PromQL query names that nothing emits."""
    wrong: list[str] = []
    allowed = {"le", "quantile"} | made_here(text)
    for name, labels in selected(text):
        known = recorded(name) if name in RECORDED else SERIES.get(name)
        if known is None:
            wrong.append(name)
        else:
            wrong += [f"{name}{{{label}}}" for label in sorted(labels - known - {"le"})]
            allowed |= known
    return wrong + [f"by {label}" for label in sorted(grouped(text) - allowed)]


PROMQL = promql()
LOGQL = [*of_dashboards("loki"), *blocks("LogQL")]
TRACEQL = [*of_dashboards("tempo"), *blocks("TraceQL")]


@pytest.mark.parametrize("one", PROMQL, ids=[one.where for one in PROMQL])
def test_promql_names_what_is_emitted(one: Named) -> None:
    assert unknown(one.text) == []


@pytest.mark.parametrize(("text", "wrong"), [
    ("sum(rate(trax_errors_total[5m]))", []),
    ("sum(rate(trax_error_total[5m]))", ["trax_error_total"]),
    ('trax_errors_total{trax_code="x"}', ["trax_errors_total{trax_code}"]),
    ("sum by (colour) (trax_errors_total)", ["by colour"]),
    ("up / on (colour) up", ["by colour"]),
    ("max by (le) (trax_operation_duration_seconds_bucket)", []),
    ('sum by (page) (label_replace(up, "page", "$1", "job", "(.*)"))', []),
    ('topk(3, count_over_time({__name__="trax_made_up"}[5m]))', ["trax_made_up"]),
])  # fmt: skip
def test_a_name_that_nothing_emits_is_found(text: str, wrong: list[str]) -> None:
    assert unknown(text) == wrong


def line_fields(text: str) -> set[str]:
    """The fields that a LogQL query reads: matched, filtered or grouped by, without those that it makes."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"|`[^`]*`', '""', text)
    made = set(re.findall(r"label_format (\w+)=", bare))
    read = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"\"", bare))
    for inside in re.findall(r"\bby \(([^)]*)\)", bare):
        read |= {field.strip() for field in inside.split(",")}
    return read - made


@pytest.mark.parametrize("one", LOGQL, ids=[one.where for one in LOGQL])
def test_logql_reads_fields_that_lines_have(one: Named) -> None:
    known = collected.LINE_FIELDS | collected.SECURITY_FIELDS | {names.label(attribute) for attribute in ATTRIBUTES}
    assert line_fields(one.text) - known == set()


@pytest.mark.parametrize("one", TRACEQL, ids=[one.where for one in TRACEQL])
def test_traceql_reads_attributes_that_spans_have(one: Named) -> None:
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', one.text)
    named = re.findall(r"\b(?:span|resource|event)\.([a-z_.]+[a-z_])", bare)
    assert set(named) - ATTRIBUTES == set()
    words = set(re.findall(r"[a-zA-Z:]+", re.sub(r"\b(?:span|resource|event)\.[a-z_.]+|\b\d+[a-z]+\b", "", bare)))
    assert words - collected.SPAN_INTRINSICS == set()


def test_the_readers_of_logql_and_traceql_find_what_they_should() -> None:
    query = 'sum by (colour) (count_over_time({service_name="x"} | size=~`.*` | label_format made=`{{__line__}}` [5m]))'
    assert line_fields(query) == {"colour", "service_name", "size"}
    assert TRACEQL
    assert LOGQL


PROSE = re.compile(r"(?<![\w.`/-])`?(trax(?:_[a-z]+)+|trax(?:\.[a-z_]+)+)`?")
"""A metric, label or attribute in a panel's words; file names have a path or an ending of their own."""


def words_of_dashboards() -> Iterator[Named]:
    for dashboard in dashboards.dashboards():
        for panel in dashboards.panels(dashboard):
            legends = " ".join(str(target.get("legendFormat", "")) for target in panel.get("targets", []))
            for text in (panel["description"], legends):
                yield Named(f"{dashboard['uid']}: {panel['title']}", text)


def test_legends_and_descriptions_name_what_is_emitted() -> None:
    labels = {"le"}.union(collected.LINE_FIELDS, *SERIES.values(), *map(recorded, RECORDED))
    for where, text in words_of_dashboards():
        shown = set(re.findall(r"\{\{(\w+)\}\}", text))
        assert shown <= labels, where
        written = {name for name in PROSE.findall(text) if not name.startswith("trax_otel")}
        assert written <= ATTRIBUTES | labels | set(SERIES) | METRICS, where


def runbook_code() -> Iterator[Named]:
    """Blocks of PromQL in pages, whole (```promql)."""
    for path in PAGES:
        for block in re.findall(
            r"^```promql\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
        ):
            yield Named(str(path.relative_to(ROOT)), block)


def test_blocks_of_promql_in_pages_name_what_is_emitted() -> None:
    assert {one.where: unknown(_timed(one.text)) for one in runbook_code() if unknown(_timed(one.text))} == {}


def test_series_are_named_as_prometheus_names_them() -> None:
    specs = [spec for spec in vars(semconv.metrics).values() if isinstance(spec, MetricSpec)]
    assert names.series(semconv.ERRORS) == "trax_errors_total"
    assert names.all_series(semconv.OPERATION_DURATION)[0] == "trax_operation_duration_seconds_bucket"
    assert names.series(semconv.PROCESS_CPU_UTILIZATION) == "process_cpu_utilization_ratio"
    assert names.series(semconv.BREAKER_STATES) == "trax_circuit_breaker_state"
    assert names.series(semconv.PROCESS_MEMORY_USAGE) == "process_memory_usage_bytes"
    assert len(names.OWN) == sum(len(names.all_series(spec)) for spec in specs)


def test_what_the_collector_counts_from_spans_is_what_its_config_says() -> None:
    counted = yaml.safe_load((ROOT / "collector-config/shared/count-codes.yaml").read_text(encoding="utf-8"))[
        "spanevents"
    ]
    for name, what in counted.items():
        labels = {names.label(attribute["key"]) for attribute in what["attributes"]}
        assert collected.DERIVED[f"{names.label(name)}_total"] - collected.SERVICE == labels
    shared = yaml.safe_load(Path(ROOT / "collector-config/shared/span-metrics.yaml").read_text(encoding="utf-8"))
    dimensions = {names.label(dimension["name"]) for dimension in shared["dimensions"]}
    assert dimensions <= collected.DERIVED[collected.SPAN_CALLS]
