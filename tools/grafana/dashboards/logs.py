"""Logs and patterns: which errors repeat, where time goes, who attacks, who uses what."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders.dashboard import CustomVariable
from grafana_foundation_sdk.models.dashboard import VariableOption

from trax_otel import semconv

from .. import layout, panels, queries
from ..collected import (
    CLIENT,
    GRAPH_FAILED,
    GRAPH_REQUESTS,
    GRAPH_SERVER,
    LEVEL,
    SCOPE_NAME,
    SECURITY_DETAILS,
    SERVER,
    SPAN_CALLS,
    SPAN_DURATION,
    SPAN_KIND,
    SPAN_NAME,
)
from ..names import label
from ..panels import RED, YELLOW, legend, limits, link, loki, prometheus, tempo
from ..queries import counted, derived, equal, increase, like, lines, per_second, rate, top, total

SERVICE, CODE, FINGERPRINT = semconv.SERVICE_NAME, semconv.ERROR_CODE, semconv.ERROR_FINGERPRINT
GRAVE = like(LEVEL, "warn|error|critical|fatal")
SECURITY = queries.unequal(semconv.SECURITY_EVENT, "")
FAILURE = equal(semconv.SECURITY_OUTCOME, "failure")
ACTOR, SOURCE, RESOURCE = (SECURITY_DETAILS[detail] for detail in ("actor", "source", "resource"))
NO_LINE = "No line came in: the service logs nothing, or its logs are not exported"
NO_INCIDENT = "No security event was logged (log_security_event)"
NO_CALL = "No service called another with both ends traced"
PATTERN = '| label_format message=`{{ regexReplaceAll "[0-9a-f]{8}[0-9a-f-]*|[0-9]+" __line__ "…" }}`'
"""The line with its numbers and ids taken out, so that equal messages are counted together."""


def logs() -> Any:
    """Everything that is read off lines and traces."""
    slow = CustomVariable("slow").label("Slower than").values("250ms,1s,5s,30s")
    return layout.dashboard(
        "trax-logs",
        "Logs and patterns",
        "Patterns of errors, bottlenecks, security incidents, usage, from log lines and traces.",
        [
            ("Error patterns", patterns()),
            ("Bottlenecks", [*where_time_goes(), *calls()]),
            ("Security incidents", security()),
            ("Usage", usage()),
            ("All lines", [everything()]),
        ],
        more=[slow.current(VariableOption(selected=True, text="250ms", value="250ms"))],
    )


def patterns() -> list[Any]:
    """Lines by level, equal errors, equal messages."""
    equal_errors = counted(
        lines(queries.unequal(FINGERPRINT, "")), FINGERPRINT, CODE, semconv.ERROR_TYPE, SERVICE, over="$__range"
    )
    messages = counted(f"{lines(GRAVE)} {PATTERN}", "message", LEVEL, SCOPE_NAME, SERVICE, over="$__range")
    narrow = link("Errors of this code", layout.to("trax-errors", code="${__value.text}"))
    error_columns = {
        label(FINGERPRINT): "Fingerprint",
        label(CODE): "Code",
        label(semconv.ERROR_TYPE): "Type",
        label(SERVICE): "Service",
        "Value #A": "Lines",
    }
    message_columns = {
        "message": "Message",
        LEVEL: "Level",
        SCOPE_NAME: "Logger",
        label(SERVICE): "Service",
        "Value #A": "Lines",
    }
    return [
        panels.timeseries(
            "Lines by level", "short", loki(counted(lines(), LEVEL), legend(LEVEL)), width=24, height=7, stacked=True,
            empty=NO_LINE,
            shows="Log lines in each step, by level.",
            act="A wall of warnings or errors: see which message it is below. A hole: see Telemetry health.",
        ),
        panels.table(
            "Errors that repeat", "short", loki(top(20, equal_errors), now=True), columns=error_columns,
            links={"Code": [narrow]}, empty="No line bears a fingerprint",
            shows="Errors that belong together by code, type and place in the code, the most frequent ones.",
            act="One fingerprint is one defect: repair the first of the list first.",
        ),
        panels.table(
            "Messages that repeat", "short", loki(top(20, messages), now=True), columns=message_columns,
            empty="No warning and no error",
            shows="Warnings and errors without their numbers and ids, the most frequent ones.",
            act="What repeats thousands of times hides the rest: repair it, or log it once.",
        ),
        panels.logs(
            "Errors in full", loki(lines(like(LEVEL, "error|critical|fatal"))), empty="No error was logged",
            shows="The lines of errors, the newest first.",
            act="Open a line for its code, its stack trace and the link to its trace.",
        ),
    ]  # fmt: skip


def where_time_goes() -> list[Any]:
    """Spans by the time that they take."""
    span = (SERVICE, SPAN_NAME)
    inner = like(SPAN_KIND, "SPAN_KIND_INTERNAL|SPAN_KIND_CLIENT|SPAN_KIND_PRODUCER")
    busy = top(10, total(rate(derived(f"{SPAN_DURATION}_sum", inner)), *span))
    slowest = top(10, queries.quantile(0.95, derived(f"{SPAN_DURATION}_bucket", inner), *span))
    return [
        panels.timeseries(
            "Where time goes", "none", prometheus(busy, legend(*span)), width=8, stacked=True,
            empty="No span inside a request came in",
            shows="Seconds spent in each kind of span a second; nested spans count twice.",
            act="The largest is the one whose speed-up helps most.",
        ),
        panels.timeseries(
            "Slowest spans (p95)", "s", prometheus(slowest, legend(*span)), width=8, empty="No span inside a request came in",
            shows="95 of 100 spans of this name were faster.",
            act="Slow and rare, or slow and frequent? The panel before tells.",
        ),
        panels.table(
            "Slow traces", "ns", tempo(queries.traces("duration > $slow")), columns={}, width=8,
            empty="No trace is slower than chosen above",
            shows="Traces with a span that took longer than what is chosen above, of all environments.",
            act="Open one: the longest span without children is the bottleneck.",
        ),
    ]  # fmt: skip


def calls() -> list[Any]:
    """Calls between services, from the service graph."""
    pair = (CLIENT, SERVER)
    chosen = like(SERVER, "$service")
    return [
        panels.timeseries(
            "Calls between services", "reqps",
            prometheus(total(rate(f"{GRAPH_REQUESTS}{{{chosen}}}"), *pair), "{{client}} → {{server}}"), width=8, empty=NO_CALL,
            shows="Calls to the chosen services, by caller.",
            act="A caller that floods: limit it. The map of all is Tempo's service graph (Explore).",
        ),
        panels.timeseries(
            "Latency of calls (p95)", "s",
            prometheus(queries.quantile(0.95, f"{GRAPH_SERVER}_bucket{{{chosen}}}", *pair), "{{client}} → {{server}}"), width=8,
            empty=NO_CALL,
            shows="How long the called service took, by caller.",
            act="One caller alone is slow: what it asks for is. All: the service is.",
        ),
        panels.timeseries(
            "Failing calls", "reqps", prometheus(total(rate(f"{GRAPH_FAILED}{{{chosen}}}"), *pair), "{{client}} → {{server}}"),
            width=8, empty="No call failed",
            shows="Calls that ended with an error at either end.",
            act="The called service's Errors dashboard says why; if it has none, the way between them is broken.",
        ),
    ]  # fmt: skip


def security() -> list[Any]:
    """Who was refused what."""
    kind = (semconv.SECURITY_EVENT, semconv.SECURITY_OUTCOME)
    columns = {label(SOURCE): "Source", label(ACTOR): "Actor", label(semconv.SECURITY_EVENT): "Event",
               label(RESOURCE): "Resource", label(SERVICE): "Service", "Value #A": "Failures"}  # fmt: skip
    failures = counted(
        lines(SECURITY, FAILURE), SOURCE, ACTOR, semconv.SECURITY_EVENT, RESOURCE, SERVICE, over="$__range"
    )
    return [
        panels.stat(
            "Failures", "short", prometheus(queries.over_range(semconv.SECURITY_EVENTS, where=FAILURE)), height=8,
            empty=NO_INCIDENT, steps=limits((1, YELLOW), (50, RED)),
            shows="Refused logins, denied access and the like in the time range.",
            act="A few are people. Many from one source, or of one actor, are an attack.",
        ),
        panels.timeseries(
            "Security events", "cps", prometheus(per_second(semconv.SECURITY_EVENTS, *kind), legend(*kind)), width=10,
            stacked=True, empty=NO_INCIDENT,
            shows="Security events a second by kind and outcome.",
            act="Many authentication failures: somebody guesses passwords. Block the source, lock the account.",
        ),
        panels.table(
            "Who fails", "short", loki(top(20, failures), now=True), columns=columns, width=10, empty=NO_INCIDENT,
            shows="Failures by source and actor, the most frequent ones.",
            act="Block the source in front of the service; ask the actor whether it was them.",
        ),
        panels.logs(
            "Security lines", loki(lines(SECURITY)), empty=NO_INCIDENT,
            shows="The lines of security events, the newest first.",
            act="A line's trace shows what the same request did besides.",
        ),
    ]  # fmt: skip


def usage() -> list[Any]:
    """What is used, and how much."""
    route = (SERVICE, SPAN_NAME)
    operation = (SERVICE, semconv.OPERATION_NAME)
    columns = {label(SERVICE): "Service", SPAN_NAME: "Route", "Value": "Requests"}
    asked = top(20, total(increase(queries.requests()), *route))
    done = top(10, total(rate(queries.own(semconv.OPERATION_DURATION, part="count")), *operation))
    volume = f"sum by ({label(SERVICE)}) (bytes_over_time({lines()} [$__interval]))"
    return [
        panels.table(
            "Most used routes", "short", prometheus(asked, now=True), columns=columns, width=8, empty="No request came in",
            shows="Requests of the time range, by route.",
            act="A route that nobody used before: who calls it, and since when?",
        ),
        panels.timeseries(
            "Most used operations", "ops", prometheus(done, legend(*operation)), width=8,
            empty="No operation was timed, retried or recovered",
            shows="Operations that ended a second, by name.",
            act="Compare with the same hours of last week before you scale.",
        ),
        panels.timeseries(
            "Volume of lines", "bytes", loki(volume, legend(SERVICE)), width=8, stacked=True, empty=NO_LINE,
            shows="Bytes of log lines in each step.",
            act="A jump costs money and hides the rest: is debug mode still on?",
        ),
        panels.timeseries(
            "Spans by service", "ops",
            prometheus(total(rate(derived(SPAN_CALLS)), SERVICE, SPAN_KIND), legend(SERVICE, SPAN_KIND)), width=24, height=6,
            stacked=True, empty="No span came in",
            shows="Spans a second, before sampling.",
            act="Spans that outgrow the requests: a loop is traced. Lower its detail or the share that is kept.",
        ),
    ]  # fmt: skip


def everything() -> Any:
    """All lines."""
    return panels.logs(
        "Lines", loki(lines()), height=14, empty=NO_LINE,
        shows="All lines of the chosen services, the newest first.",
        act="Filter in Explore: fields such as trace_id, level and code are there without parsing.",
    )  # fmt: skip
