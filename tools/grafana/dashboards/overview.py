"""Service overview: is the service well, and if not, where does one look next?"""

from __future__ import annotations

from typing import Any

from trax_otel import semconv

from .. import layout, panels, queries
from ..collected import SPAN_NAME
from ..panels import GREEN, RED, YELLOW, legend, limits, link, prometheus
from ..queries import FAILED, rate, total

SERVICE = semconv.SERVICE_NAME
NO_REQUEST = "No request came in"
NO_ERROR = "No error was recorded"
NO_METRIC = "No metric has come yet: a service exports once a minute"
NO_CHECK = "No health check is registered (add_health_check)"
REQUESTS, FAILURES = queries.requests(), queries.requests(FAILED)
BUCKETS = queries.request_buckets()


def overview() -> Any:
    """The first dashboard to look at."""
    return layout.dashboard(
        "trax-overview",
        "Service overview",
        "How well services do: success, traffic, latency, errors, saturation, health. Start here.",
        [
            ("At a glance", glance()),
            ("Requests", [*traffic(), *latency()]),
            ("Errors", errors()),
            ("Saturation and health", saturation()),
        ],
    )


def success(*by: str) -> str:
    """The share of requests that did not fail."""
    return f"1 - {queries.share(total(rate(FAILURES), *by), total(rate(REQUESTS), *by))}"


def glance() -> list[Any]:
    """Six numbers."""
    not_closed = queries.how_many(semconv.BREAKER_STATES, "== 1", queries.unequal(semconv.BREAKER_STATE, "closed"))
    return [
        panels.stat(
            "Success rate", "percentunit", prometheus(success()), decimals=2, empty=NO_REQUEST,
            steps=limits((0.95, YELLOW), (0.99, GREEN), first=RED),
            shows="The share of requests and messages that ended without an error.",
            act="Below 95% an alert fires. Look at Errors by code below, then at the Errors dashboard.",
        ),
        panels.stat(
            "Requests", "reqps", prometheus(total(rate(REQUESTS))), empty=NO_REQUEST,
            shows="Requests and messages a second that came in.",
            act="A sudden fall with healthy services points in front of them: load balancer, DNS, callers.",
        ),
        panels.stat(
            "Latency p95", "s", prometheus(queries.quantile(0.95, BUCKETS)), empty=NO_REQUEST,
            steps=limits((1, YELLOW), (5, RED)),
            shows="95 of 100 requests were faster than this.",
            act="Find the slow route in Latency by route, then open a slow trace from the heat map.",
        ),
        panels.stat(
            "Errors", "cps", prometheus(queries.per_second(semconv.ERRORS)), empty=NO_ERROR,
            shows="Errors a second that the services recorded, whether a retry or a recovery saved the request or not.",
            act="Many errors with a good success rate: something is being retried. See the Resilience dashboard.",
        ),
        panels.stat(
            "Breakers not closed", "none", prometheus(not_closed), empty="No circuit breaker reports", steps=limits((1, RED)),
            shows="Circuit breakers that are open, half open or isolated, in all instances.",
            act="The Resilience dashboard says which one and why; its peer is the one to look at.",
        ),
        panels.stat(
            "Health checks failing", "none", prometheus(queries.how_many(semconv.HEALTH_CHECKS, "== 0")), empty=NO_CHECK,
            steps=limits((1, RED)),
            shows="Health checks of the services' own whose last run failed.",
            act="Saturation and health below says which; the check's log line says why.",
        ),
    ]  # fmt: skip


def traffic() -> list[Any]:
    """How much comes in, and how much of it fails."""
    failing = queries.top(10, total(rate(FAILURES), SERVICE, SPAN_NAME, semconv.ERROR_CODE))
    return [
        panels.timeseries(
            "Success rate over time", "percentunit", prometheus(success(SERVICE), legend(SERVICE)), width=8, most=1.0,
            least=None, empty=NO_REQUEST, steps=limits((0.95, GREEN), first=RED),
            shows="The share of requests without an error, by service; the line is at 95%.",
            act="Compare the moment of the fall with deployments, and with Errors by code.",
        ),
        panels.timeseries(
            "Requests by service", "reqps", prometheus(total(rate(REQUESTS), SERVICE), legend(SERVICE)), width=8, stacked=True,
            empty=NO_REQUEST,
            shows="Requests and messages a second that came in.",
            act="A flood: look at Usage in Logs and patterns. A hole: is the service up, and who calls it?",
        ),
        panels.timeseries(
            "Failing requests by route", "reqps", prometheus(failing, legend(SERVICE, SPAN_NAME, semconv.ERROR_CODE)), width=8,
            empty="No request failed",
            shows="Requests that ended with an error, by route and code.",
            act="One route: its code or its peer. All routes: something they share.",
        ),
    ]  # fmt: skip


def latency() -> list[Any]:
    """How long it takes."""
    slowest = queries.top(10, queries.quantile(0.95, BUCKETS, SERVICE, SPAN_NAME))
    curves = [
        prometheus(queries.quantile(share, BUCKETS), f"p{share * 100:.0f}", exemplar=share == 0.99)
        for share in (0.5, 0.95, 0.99)
    ]
    return [
        panels.timeseries(
            "Latency", "s", *curves, width=8, empty=NO_REQUEST,
            shows="How long requests took: half, 95% and 99% were faster. Dots are single requests.",
            act="A dot opens its trace. p99 alone is high: a few slow ones. All are: a resource or a peer.",
        ),
        panels.heatmap(
            "Latency, spread", "s", prometheus(total(rate(BUCKETS), "le"), "{{le}}", exemplar=True, buckets=True), width=8,
            empty=NO_REQUEST,
            shows="How many requests took how long. Dots are single requests, each with its trace.",
            act="Two bands are two kinds of requests, such as cached and not: open a dot of each.",
        ),
        panels.timeseries(
            "Latency by route (p95)", "s", prometheus(slowest, legend(SERVICE, SPAN_NAME)), width=8, empty=NO_REQUEST,
            shows="The ten slowest routes.",
            act="Open the slowest one's traces in Logs and patterns; the longest child span is the place to look.",
        ),
    ]  # fmt: skip


def errors() -> list[Any]:
    """Errors by type and by code."""
    by_type = queries.top(10, queries.per_second(semconv.ERRORS, semconv.ERROR_TYPE))
    open_code = link("Errors of this code", layout.to("trax-errors", code="${__field.labels.trax_error_code}"))
    return [
        panels.timeseries(
            "Errors by code", "cps",
            prometheus(queries.per_second(semconv.ERRORS, semconv.ERROR_CODE), legend(semconv.ERROR_CODE)), stacked=True,
            empty=NO_ERROR, links=[open_code],
            shows="Errors a second, each counted once, by TRAX code.",
            act="Click a code for its logs, its traces and its page, which says what to do.",
        ),
        panels.timeseries(
            "Errors by type", "cps", prometheus(by_type, legend(semconv.ERROR_TYPE)), stacked=True, empty=NO_ERROR,
            shows="Errors a second by the exception's class.",
            act="A class of a library says which peer or file is in trouble.",
        ),
    ]  # fmt: skip


def saturation() -> list[Any]:
    """What runs full, and what the services say of themselves."""
    full = {
        "CPU": queries.worst(semconv.SYSTEM_CPU_UTILIZATION, SERVICE),
        "memory": queries.worst(
            semconv.SYSTEM_MEMORY_UTILIZATION, SERVICE, where=queries.equal(semconv.MEMORY_STATE, "used")
        ),
        "disk": queries.worst(semconv.SYSTEM_FILESYSTEM_UTILIZATION, SERVICE),
    }
    crossed = queries.own(semconv.THRESHOLD_CROSSINGS, queries.equal(semconv.THRESHOLD_STATE, "crossed"))
    operation = (SERVICE, semconv.OPERATION_NAME)
    check = (SERVICE, semconv.HEALTH_CHECK_NAME)
    failing = queries.worst(semconv.HEALTH_CHECKS, *check, worst_is="min")
    slow = queries.slowest(0.95, semconv.OPERATION_DURATION, *operation)
    metric = (SERVICE, semconv.THRESHOLD_METRIC)
    return [
        panels.timeseries(
            "Operations running", "none",
            prometheus(total(queries.own(semconv.OPERATION_ACTIVE), *operation), legend(*operation)), width=8,
            empty="No operation runs: none is timed, retried or recovered",
            shows="Operations that run at this moment.",
            act="A line that only climbs is a queue or a leak: open traces of that operation that have no end.",
        ),
        panels.timeseries(
            "Fullest resources", "percentunit",
            *(prometheus(query, f"{what} {legend(SERVICE)}") for what, query in full.items()), width=8, most=1.0,
            empty=NO_METRIC, steps=limits((0.9, RED)),
            shows="CPU, memory and disk of the services' machines as a share of all; an alert fires at 90%.",
            act="The Resources dashboard shows processes, containers, and when the disk will be full.",
        ),
        panels.timeline(
            "Health checks", "none", prometheus(failing, legend(*check)), width=8, empty=NO_CHECK,
            mappings=panels.meanings(_0=("failing", RED), _1=("passing", GREEN)),
            shows="The services' own health checks; failing where it fails in any instance.",
            act="Its log line says why; the peer that the check asks is the place to look.",
        ),
        panels.timeseries(
            "Slowest operations (p95)", "s", prometheus(slow, legend(*operation), exemplar=True),
            empty="No operation was timed, retried or recovered",
            shows="The ten slowest of the operations that the code names.",
            act="Open a dot's trace. Attempts and back-off count in: see the Resilience dashboard.",
        ),
        panels.timeseries(
            "Thresholds crossed", "none", prometheus(total(queries.grown(crossed), *metric), legend(*metric)),
            empty="No threshold is set (add_threshold, metrics.thresholds)",
            shows="How often a metric crossed a limit that the service itself has set.",
            act="The log line at that moment has value and limit; lift the limit or remove the cause.",
        ),
    ]  # fmt: skip
