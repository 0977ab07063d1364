"""The page's routes. Each handler reads the store and renders a template; starlette runs it on a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ...errors.codes import error_code
from ..analysis import analyze
from ..asked import ERRORS_SINCE
from ..links import incoming, resumed_targets, targets
from ..model import Filter
from ..queries import Queries
from ..report import report
from . import forms, templating
from .live import live
from .plots import plots
from .waterfall import waterfall

if TYPE_CHECKING:
    from starlette.requests import Request

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
MAX_LOGS: Final = 10_000
"""Log records of one trace that its page shows."""
ANALYSED: Final = 10
"""Rows of each list of the analysis."""
MAX_METRICS: Final = 60
"""Metrics that the page of metrics plots."""


def routes(queries: Queries, stopping: Callable[[], bool] = lambda: False) -> list[BaseRoute]:
    """The page's routes; `stopping()` says that the server is about to end, so that live pages let go of it."""
    pages = Pages(queries)

    def page(path: str, handler: Callable[[Request], Response]) -> Route:
        def respond(request: Request) -> Response:
            # Read first: what arrives while the page is made is news to it.
            request.state.revision = queries.revision()
            return handler(request)

        return Route(path, respond)

    return [
        page("/", pages.overview),
        page("/services", pages.services),
        page("/retries", pages.retries),
        page("/breakers", pages.breakers),
        page("/recoveries", pages.recoveries),
        page("/operations", pages.operations),
        page("/traces", pages.traces),
        page("/traces/{trace_id}", pages.trace),
        page("/traces/{trace_id}/size", pages.size),
        page("/traces/{trace_id}/spans/{span_id}", pages.span),
        page("/logs", pages.logs),
        page("/logs/{log_id:int}", pages.record),
        page("/metrics", pages.metrics),
        page("/metrics/{name:path}", pages.metric),
        page("/analysis", pages.analysis),
        page("/errors", pages.errors),
        page("/errors/{code:path}", pages.code),
        page("/report.html", pages.report),
        Route("/live", live(queries, stopping)),
        Route("/static/{name}", _static),
    ]


class Pages:
    """The handlers."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def overview(self, request: Request) -> Response:
        asked = self._queries
        return _page(
            request, "overview.html", totals=asked.totals(), services=asked.services(),
            failing=asked.traces(Filter(errors_only=True, limit=8)), traces=asked.traces(Filter(limit=8)),
            errors=asked.errors(Filter(limit=8)), operations=asked.operations(Filter(limit=10)),
            retries=asked.retries(Filter(limit=8)), breakers=asked.breakers(Filter(limit=8)),
        )  # fmt: skip

    def services(self, request: Request) -> Response:
        return _page(request, "services.html", services=self._queries.services())

    def operations(self, request: Request) -> Response:
        search = forms.read(request.query_params, limit=200)
        found = self._queries.operations(search.wanted)
        left_out = self._queries.left_out(search.wanted)
        return self._list(request, "operations.html", search, operations=found, left_out=left_out)

    def traces(self, request: Request) -> Response:
        search = forms.read(request.query_params)
        found = self._queries.traces(search.wanted)
        return self._list(request, "traces.html", search, traces=found, left_out=self._queries.left_out(search.wanted))

    def logs(self, request: Request) -> Response:
        search = forms.read(request.query_params, limit=200)
        return self._list(request, "logs.html", search, logs=self._queries.logs(search.wanted))

    def record(self, request: Request) -> Response:
        log = self._queries.record(request.path_params["log_id"])
        if log is None:
            return _missing(request, "There is no such log record.")
        stored = bool(log.trace_id) and bool(self._queries.traces(Filter(trace_id=log.trace_id or "", limit=1)))
        return _page(request, "record.html", log=log, stored=stored)

    def errors(self, request: Request) -> Response:
        search = forms.read(request.query_params, since=ERRORS_SINCE)
        found = self._queries.errors(search.wanted)
        older = not found and bool(self._queries.errors(replace(search.wanted, since_ns=0, limit=1)))
        return self._list(request, "errors.html", search, errors=found, older=older)

    def analysis(self, request: Request) -> Response:
        search = forms.read(request.query_params, limit=ANALYSED)
        found = analyze(self._queries, search.wanted)
        return self._list(request, "analysis.html", search, found=found)

    def retries(self, request: Request) -> Response:
        search = forms.read(request.query_params, limit=200)
        return self._list(request, "retries.html", search, retries=self._queries.retries(search.wanted))

    def breakers(self, request: Request) -> Response:
        search = forms.read(request.query_params, limit=200)
        return self._list(request, "breakers.html", search, breakers=self._queries.breakers(search.wanted))

    def recoveries(self, request: Request) -> Response:
        search = forms.read(request.query_params, limit=200)
        found = self._queries.recoveries(search.wanted)
        return self._list(
            request, "recoveries.html", search, recoveries=found, targets=resumed_targets(self._queries, found)
        )

    def _list(self, request: Request, template: str, search: forms.Search, **found: Any) -> Response:
        services = [entry.service for entry in self._queries.services()]
        versions = self._queries.versions()
        status = 400 if search.problems else 200
        anything = bool(services)
        return _page(
            request,
            template,
            status,
            search=search,
            service_names=services,
            versions=versions,
            anything=anything,
            **found,
        )

    def trace(self, request: Request) -> Response:
        try:
            spans = self._queries.trace(request.path_params["trace_id"])
        except ValueError as error:
            return _missing(request, str(error))
        if not spans:
            return _missing(request, f"No trace begins with {request.path_params['trace_id']}.")
        logs = self._queries.logs(Filter(trace_id=spans[0].trace_id, limit=MAX_LOGS))
        drawn = waterfall(spans, logs, targets=targets(self._queries, spans))
        return _page(request, "trace.html", trace=drawn, incoming=incoming(self._queries, drawn.trace_id))

    def size(self, request: Request) -> Response:
        """How many spans the trace has by now: an open page asks when something arrived."""
        found = self._queries.traces(Filter(trace_id=request.path_params["trace_id"], limit=1))
        return PlainTextResponse(str(found[0].spans if found else 0), headers=HEADERS)

    def span(self, request: Request) -> Response:
        trace_id, span_id = request.path_params["trace_id"], request.path_params["span_id"]
        span = self._queries.span(trace_id, span_id)
        summary = self._queries.traces(Filter(trace_id=trace_id, limit=1))
        if span is None or not summary:
            return _missing(request, "There is no such span.")
        logs = [log for log in self._queries.logs(Filter(trace_id=trace_id, limit=MAX_LOGS)) if log.span_id == span_id]
        window = (summary[0].start_ns, summary[0].start_ns + summary[0].duration_ns)
        row = waterfall([span], logs, window, targets(self._queries, [span])).rows[0]
        return _page(request, "span.html", row=row, bare="bare" in request.query_params)

    def metrics(self, request: Request) -> Response:
        search = forms.read(request.query_params, limit=MAX_METRICS)
        wanted = replace(search.wanted, limit=min(search.wanted.limit, MAX_METRICS))
        found = self._queries.metrics(wanted)
        bounds = Filter(service=wanted.service, since_ns=wanted.since_ns, until_ns=wanted.until_ns, extra=wanted.extra)
        drawn = {info.name: plots(self._queries.metric(info.name, bounds), 1) for info in found}
        return self._list(request, "metrics.html", search, metrics=found, drawn=drawn)

    def metric(self, request: Request) -> Response:
        name = request.path_params["name"]
        search = forms.read(request.query_params)
        series = self._queries.metric(name, search.wanted)
        name = series[0].name if series else name
        info = next(
            (entry for entry in self._queries.metrics(Filter(text=name, limit=1_000)) if entry.name == name), None
        )
        if info is None:
            return _missing(request, f"No metric is called {name}.")
        return self._list(request, "metric.html", search, info=info, series=series, plots=plots(series))

    def code(self, request: Request) -> Response:
        code = request.path_params["code"]
        found = self._queries.errors(Filter(code=code))
        if error_code(code) is None and not found:
            return _missing(request, f"No error with the code {code} has arrived, and it is none of trax_otel's own.")
        traces = self._queries.traces(Filter(code=code, limit=10))
        return _page(request, "code.html", code=code, errors=found, traces=traces)

    def report(self, request: Request) -> Response:
        text, policy = report(self._queries)
        headers = {**HEADERS, "Content-Security-Policy": policy}
        return HTMLResponse(text.encode("utf-8", "replace"), headers=headers)


def _page(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    text = templating.render(
        template,
        at=templating.PageLinks(),
        path=request.url.path,
        version=templating.version(),
        revision=request.state.revision,
        **context,
    )
    return HTMLResponse(text.encode("utf-8", "replace"), status, headers=HEADERS)


def _missing(request: Request, message: str) -> Response:
    return _page(request, "missing.html", 404, message=message)


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    kind = templating.CONTENT_TYPES.get(name)
    if kind is None:
        return PlainTextResponse("There is no such file.\n", 404, headers=HEADERS)
    headers = {**HEADERS, "Cache-Control": "max-age=31536000, immutable"}
    return Response(templating.static(name), media_type=kind, headers=headers)
