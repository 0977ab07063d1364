"""Errors: which codes, since when, in which lines and traces, and what their pages say."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from trax_otel import errors as catalogue
from trax_otel import semconv

from .. import layout, names, panels, queries
from ..collected import SPAN_EXCEPTIONS
from ..panels import RED, YELLOW, legend, limits, link, loki, prometheus, tempo
from ..queries import like, per_second, rate, total

PAGES = "https://github.com/trax/trax-otel/blob/main/docs/error-codes.md"
SERVICE, CODE, RETRYABLE = semconv.SERVICE_NAME, semconv.ERROR_CODE, semconv.ERROR_RETRYABLE
OF_CODE = like(CODE, "$code")
NO_ERROR = "No error of these codes was recorded"
NARROW = link("Only this code: its logs and traces", layout.to("trax-errors", code="${__value.text}"))


def errors() -> Any:
    """Everything about errors."""
    code = (
        QueryVariable("code")
        .label("Code")
        .datasource(panels.source("prometheus"))
        .multi(True)
        .include_all(True)
        .all_value(".+")
    )
    code.query({"query": f"label_values({queries.own(semconv.ERRORS)}, {names.label(CODE)})", "refId": "variable-code"})
    code.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    return layout.dashboard(
        "trax-errors",
        "Errors",
        "Errors by code, category and type; new ones; their log lines, their traces and their pages. Choose codes above.",
        [
            ("What goes wrong", glance()),
            ("By code", by_code()),
            ("By kind", by_kind()),
            ("Lines and traces of the chosen codes", evidence()),
            ("What the codes mean", [meaning()]),
        ],
        more=[code.current(VariableOption(selected=True, text="All", value="$__all"))],
    )


def fresh(*by: str) -> str:
    """Codes of this time range that no service had in the day before it."""
    kept = ", ".join(map(names.label, by))
    now, before = (
        f"sum by ({kept}) (last_over_time({queries.own(semconv.ERRORS)}{span}))"
        for span in ("[$__range]", "[1d] offset $__range")
    )
    return f"{now} > 0 unless {before}"


def glance() -> list[Any]:
    """Four numbers."""
    final = queries.equal(semconv.ERROR_RETRYABLE, "false")
    return [
        panels.stat(
            "Errors", "cps", prometheus(per_second(semconv.ERRORS, where=OF_CODE)), width=6, empty=NO_ERROR,
            shows="Errors a second, each counted once however many layers it crossed.",
            act="Look at the tallest code below; it has a page that says what to do.",
        ),
        panels.stat(
            "In the time range", "short", prometheus(queries.over_range(semconv.ERRORS, where=OF_CODE)), width=6, empty=NO_ERROR,
            shows="How many errors there were. The first one of a new series is not in it: a counter has to grow to count.",
            act="Compare with the range before by moving the time range back.",
        ),
        panels.stat(
            "New codes", "none", prometheus(f"count({fresh(SERVICE, CODE)}) or 0 * count({queries.own(semconv.ERRORS)})"),
            width=6, empty="No service reports errors", steps=limits((1, YELLOW), (3, RED)),
            shows="Codes of a service that it did not have in the day before this time range.",
            act="New codes after a deployment are its doing: see New codes below.",
        ),
        panels.stat(
            "Share that no retry helps", "percentunit",
            prometheus(queries.share(per_second(semconv.ERRORS, where=final), per_second(semconv.ERRORS))), width=6,
            empty=NO_ERROR,
            shows="Errors that are not retryable, as a share of all.",
            act="A rise means wrong input, missing rights or a defect: repeating does not help, a change does.",
        ),
    ]  # fmt: skip


def by_code() -> list[Any]:
    """Codes over time, and as a table with their pages."""
    columns = {names.label(CODE): "Code", names.label(semconv.ERROR_CATEGORY): "Category",
               names.label(semconv.ERROR_RETRYABLE): "Retryable",
               names.label(SERVICE): "Service", "Value": "Errors", "page": "Page"}  # fmt: skip
    counted = queries.over_range(
        semconv.ERRORS, CODE, semconv.ERROR_CATEGORY, semconv.ERROR_RETRYABLE, SERVICE, where=OF_CODE
    )
    paged = f'label_replace(sort_desc({counted}), "page", "trax-$1", "{names.label(CODE)}", "TRAX-(.*)")'
    page = link("What it means and what to do", f"{PAGES}#${{__value.text}}")
    of_new = {
        names.label(SERVICE): "Service",
        names.label(CODE): "Code",
        names.label(semconv.ERROR_TYPE): "Type",
        "Value": "Errors",
    }
    return [
        panels.timeseries(
            "Errors by code", "cps", prometheus(per_second(semconv.ERRORS, CODE, where=OF_CODE), legend(CODE)), width=24,
            stacked=True, empty=NO_ERROR,
            links=[link("Only this code", layout.to("trax-errors", code="${__field.labels.trax_error_code}"))],
            shows="Errors a second by TRAX code.",
            act="Click a code to see only it, with its lines and traces.",
        ),
        panels.table(
            "Codes", "short", prometheus(paged, now=True), columns=columns, width=14, empty=NO_ERROR,
            links={"Code": [NARROW], "Page": [page]},
            shows="How often each code came up in the time range, by service.",
            act="The code's link shows only it; the page says its cause and what to do.",
        ),
        panels.table(
            "New codes", "short", prometheus(fresh(SERVICE, CODE, semconv.ERROR_TYPE), now=True), columns=of_new, width=10,
            empty="No code is new", links={"Code": [NARROW]},
            shows="Codes and types that a service did not have in the day before this time range.",
            act="Ask what was deployed or what a peer changed when they began.",
        ),
    ]  # fmt: skip


def by_kind() -> list[Any]:
    """By category, by retryability, by type, and from spans."""
    by_type = queries.top(10, per_second(semconv.ERRORS, SERVICE, semconv.ERROR_TYPE, where=OF_CODE))
    seen = total(rate(queries.derived(SPAN_EXCEPTIONS)), SERVICE, CODE, semconv.EXCEPTION_TYPE)
    return [
        panels.timeseries(
            "By category", "cps",
            prometheus(per_second(semconv.ERRORS, semconv.ERROR_CATEGORY, where=OF_CODE), legend(semconv.ERROR_CATEGORY)),
            width=6, stacked=True, empty=NO_ERROR,
            shows="Errors a second by category.",
            act="network, api: a peer. filesystem: this machine. validation: a caller. configuration: a deployment.",
        ),
        panels.timeseries(
            "Retryable or not", "cps",
            prometheus(per_second(semconv.ERRORS, RETRYABLE, where=OF_CODE), f"retryable: {legend(RETRYABLE)}"),
            width=6, stacked=True, empty=NO_ERROR,
            shows="Whether the same call may succeed when it is made again.",
            act="Many retryable ones: see Resilience. Many others: they need a person.",
        ),
        panels.timeseries(
            "By type", "cps", prometheus(by_type, legend(SERVICE, semconv.ERROR_TYPE)), width=6, empty=NO_ERROR,
            shows="The ten most frequent classes of exceptions.",
            act="The class of a library names the peer or the file that is in trouble.",
        ),
        panels.timeseries(
            "From spans alone", "cps", prometheus(queries.top(10, seen), legend(SERVICE, CODE, semconv.EXCEPTION_TYPE)), width=6,
            empty="No span recorded an exception",
            shows="Exceptions that the collector counted on spans: services that send no metrics are in it too.",
            act="More here than by code: a service sends traces but no metrics. See Telemetry health.",
        ),
    ]  # fmt: skip


def evidence() -> list[Any]:
    """What happened, in words and in traces."""
    return [
        panels.logs(
            "Log lines", loki(queries.lines(OF_CODE)), width=14, height=12, empty="No line bears one of these codes",
            shows="Lines that bear one of the chosen codes, the newest first.",
            act="Open a line: its fields have the fingerprint, which equal errors share, and the link to its trace.",
        ),
        panels.table(
            "Traces", "ns", tempo(queries.traces(f'span.{CODE} =~ "${{code:regex}}"')), columns={}, width=10, height=12,
            empty="No trace bears one of these codes",
            shows="Traces with one of the chosen codes, of all environments.",
            act="Open one: the span with the exception event is where it began.",
        ),
    ]  # fmt: skip


def meaning() -> Any:
    """Every code that the package registers, with its page."""
    rows = [f"| [{one.code}]({PAGES}#{one.code.lower()}) | {one.title} | {one.category} | {'yes' if one.retryable else 'no'} |"
            for one in catalogue.error_codes()]  # fmt: skip
    content = "\n".join(["| code | meaning | category | retryable |", "|---|---|---|---|", *rows])
    return panels.text(
        "Codes of the package", content, height=16, empty="The page was not made: run `python -m tools.grafana`",
        shows="What each code means; services may register codes of their own.",
        act="Follow the code's link: cause, what to do, and the queries that find it.",
    )  # fmt: skip
