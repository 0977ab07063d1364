"""The report: the page's views in one file that needs neither a server nor a network."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .links import resumed_targets, targets
from .model import Filter
from .queries import Queries
from .schema import private_file

MAX_TRACES: Final = 20
"""Traces with their waterfalls: the failing ones, newest first; the newest of all where none failed."""
MAX_SPANS: Final = 10_000
"""Spans of all these traces together; a trace that would pass it is left out."""
MAX_LOGS: Final = 2_000


def write_report(queries: Queries, path: Path) -> Path:
    """Write the report and return its path. Raises OSError where it cannot be written, ImportError without `[local]`."""
    text, _ = report(queries)
    path.parent.mkdir(parents=True, exist_ok=True)
    with private_file(path) as file:
        file.write(text.encode("utf-8", "replace"))
    return path


def report(queries: Queries) -> tuple[str, str]:
    """The report's HTML, and the Content-Security-Policy that it bears: its own style and script, nothing else."""
    import time

    from .web import templating
    from .web.waterfall import waterfall

    failing = queries.traces(Filter(errors_only=True, limit=MAX_TRACES))
    chosen = failing or queries.traces(Filter(limit=5))
    drawn, spans_left = [], MAX_SPANS
    for summary in chosen:
        if summary.spans > spans_left:
            continue
        spans = queries.trace(summary.trace_id)
        if spans:
            spans_left -= len(spans)
            logs = queries.logs(Filter(trace_id=summary.trace_id, limit=MAX_LOGS))
            drawn.append((summary, waterfall(spans, logs, targets=targets(queries, spans))))
    errors = queries.errors(Filter(limit=200))
    ids = [entry.example_log_id for entry in errors if entry.example_log_id]
    records = [log for log in map(queries.record, ids) if log is not None]
    codes = list(dict.fromkeys(entry.code for entry in errors if entry.code))
    recoveries = queries.recoveries(Filter(limit=200))
    style, script = templating.static("style.css"), templating.static("page.js")
    policy = (
        f"default-src 'none'; style-src {templating.integrity(style)}; script-src {templating.integrity(script)};"
        " base-uri 'none'; form-action 'none'"
    )
    text = templating.render(
        "report.html", at=templating.ReportLinks([summary.trace_id for summary, _ in drawn], codes, ids),
        policy=policy, records=records,
        style=templating.static_markup("style.css"),
        script=templating.static_markup("page.js"), made_ns=time.time_ns(), totals=queries.totals(),
        services=queries.services(), operations=queries.operations(Filter(limit=200)), errors=errors, codes=codes,
        retries=queries.retries(Filter(limit=200)), breakers=queries.breakers(Filter(limit=200)), recoveries=recoveries,
        targets=resumed_targets(queries, recoveries), drawn=drawn, failing=bool(failing), left_out=len(chosen) - len(drawn),
    )  # fmt: skip
    return text, policy
