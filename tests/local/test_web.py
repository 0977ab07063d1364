"""The page without a browser: what each view shows, what is refused, that nothing of telemetry becomes markup."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser

import httpx
import pytest
from starlette.applications import Starlette

from support.stored import L, S, Stored, checkout_logs, failing_checkout, long_trace, metric_request, span_id, trace_id
from trax_otel.local.web import routes
from trax_otel.local.web.templating import environment


class Page:
    """Asks the page's routes, without a server."""

    def __init__(self, stored: Stored) -> None:
        self._transport = httpx.ASGITransport(Starlette(routes=routes(stored.queries)))

    def get(self, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://127.0.0.1") as client:
                return await client.get(path)

        return asyncio.run(ask())


VIEWS = (
    "/",
    "/services",
    "/operations",
    "/traces",
    "/logs",
    "/metrics",
    "/errors",
    "/analysis",
    "/retries",
    "/breakers",
    "/recoveries",
)


@pytest.fixture
def page(stored: Stored) -> Page:
    return Page(stored)


@pytest.fixture
def full(stored: Stored) -> Stored:
    return stored.spans(*failing_checkout()).logs(*checkout_logs()).metrics(metric_request(minutes=2))


class Outline(HTMLParser):
    """Elements, their attributes, and text without tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self) -> list[str]:
        return [value or "" for tag, name, value in self.attributes if (tag, name) == ("a", "href")]


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_store_says_what_to_do(page: Page, view: str) -> None:
    answer = page.get(view)
    assert answer.status_code == 200
    assert "trax-otel run --local -- python app.py" in answer.text


def test_the_overview_leads_to_what_fails(page: Page, full: Stored) -> None:
    outline = Outline(page.get("/").text)
    assert {"/errors/TRAX-001", f"/traces/{trace_id(1)}", "/traces?service=shop&errors=1"} <= set(outline.links())
    assert "ConnectionRefusedError" in outline.text


def test_a_trace_shows_everything_in_place(page: Page, full: Stored) -> None:
    outline = Outline(page.get(f"/traces/{trace_id(1)}").text)
    for part in ("POST /checkout", "waited 108 ms", "attempt 3", "2 repeats", "breaker bank open", "rejected", "by fallback",
                 "tripped by", "gave up after attempt 3: no attempt was left",
                 "stock.reserved", "payment failed, attempt 1 of 3", 'File "/srv/shop/payment.py", line 88, in charge',
                 "db.system.name", "service.instance.id", "and 2 spans more", "Look whether the peer is up"):  # fmt: skip
        assert part in outline.text, part
    assert f"/traces/{trace_id(1)}#s-{span_id(7)}" in outline.links(), "the rejection links to the attempt that tripped"
    assert ("div", "aria-expanded", "false") in outline.attributes


def test_a_trace_is_found_by_the_beginning_of_its_id(page: Page, full: Stored) -> None:
    assert page.get(f"/traces/{trace_id(1)[:6]}").status_code == 200


@pytest.mark.parametrize(
    "path", ["/traces/beef", "/traces/%00", f"/traces/{trace_id(1)}/spans/00", "/metrics/none", "/errors/NONE-001"]
)
def test_what_is_not_there_is_told_with_a_way_on(page: Page, full: Stored, path: str) -> None:
    answer = page.get(path)
    assert answer.status_code == 404
    assert "/traces" in Outline(answer.text).links()


def test_a_beginning_that_several_traces_share_is_told(page: Page, stored: Stored) -> None:
    stored.spans(*(S(number, "one", trace=number) for number in range(1, 40)))
    shared = next(digit for digit in "0123456789abcdef" if sum(trace_id(n)[0] == digit for n in range(1, 40)) > 1)
    answer = page.get(f"/traces/{shared}")
    assert answer.status_code == 404
    assert "several traces begin with" in answer.text


def test_the_search_narrows_and_keeps_what_was_written(page: Page, full: Stored) -> None:
    full.spans(S(900, "GET /health", None, 5_000, 3, 2, "web", "server"))
    for query, found in (
        ("service=shop", "POST /checkout"), ("operation=GET /health", "GET /health"), ("code=TRAX-022", "POST /checkout"),
        ("min_duration=500ms", "POST /checkout"), ("text=postgresql", "POST /checkout"), ("errors=1", "POST /checkout"),
        ("attr=http.route=/checkout", "POST /checkout"), ("since=2026-01-01", "GET /health"),
    ):  # fmt: skip
        answer = page.get(f"/traces?{query}")
        assert answer.status_code == 200, query
        rows = answer.text.partition("<tbody>")[2]
        assert found in rows, query
        assert rows.count("<tr") == (2 if query.startswith("since") else 1), query
    assert 'value="500ms"' in page.get("/traces?min_duration=500ms").text
    assert "No traces fit this search" in page.get("/traces?text=nowhere").text


@pytest.mark.parametrize(
    "query", ["since=zz", "min_duration=fast", "attr=alone", "severity=loud", "limit=0", "limit=x", "until=<b>"]
)
def test_what_cannot_be_read_is_said_beside_the_search(page: Page, full: Stored, query: str) -> None:
    answer = page.get(f"/logs?{query}")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "<b>" not in answer.text


def test_more_is_shown_on_demand(page: Page, stored: Stored) -> None:
    stored.spans(*(S(number, "one", trace=number) for number in range(1, 13)))
    outline = Outline(page.get("/traces?limit=10&service=shop").text)
    assert "?service=shop&limit=500" in outline.links()
    assert "Show more" not in page.get("/traces").text


def test_logs_bring_their_trace_level_and_stack(page: Page, full: Stored) -> None:
    outline = Outline(page.get("/logs?severity=error").text)
    assert "payment failed for good" in outline.text
    assert "stock reserved" not in outline.text
    assert f"/traces/{trace_id(1)}#s-{span_id(4)}" in outline.links()
    assert "ConnectionRefusedError: [Errno 111]" in outline.text


def test_metrics_are_drawn_and_told_in_figures(page: Page, full: Stored) -> None:
    listed = page.get("/metrics").text
    assert listed.count('<figure class="plot">') == 3
    assert 'role="img" aria-label="trax.errors over time"' in listed
    spread = Outline(page.get("/metrics/http.server.request.duration").text)
    for part in ("p50", "p95", "p99", "Mean", "route=/pay", "http.request.method=GET, http.route=/pay"):
        assert part in spread.text
    assert f"/traces/{trace_id(1)}" in spread.links(), "exemplars lead to their traces"
    assert "per second" in page.get("/metrics/trax.errors").text


def test_a_code_tells_its_cause_and_what_to_do(page: Page, full: Stored) -> None:
    known = Outline(page.get("/errors/TRAX-001").text)
    assert "Cause" in known.text
    assert "retry with back-off" in known.text
    assert f"/traces/{trace_id(1)}" in known.links()
    full.spans(
        S(950, "own", trace=3, error="no", attributes={"trax.error.code": "ACME-007", "error.type": "acme.Broken"})
    )
    assert "register_error_code" in page.get("/errors/ACME-007").text


def test_a_long_trace_fetches_details_when_a_span_is_opened(page: Page, stored: Stored) -> None:
    stored.spans(*long_trace(400))
    text = page.get(f"/traces/{trace_id(50)}").text
    assert text.count('class="row ') == 400
    assert "row is damaged" in text, "what failed is told at the top"
    assert f'data-spans="/traces/{trace_id(50)}/spans/"' in text
    bare = page.get(f"/traces/{trace_id(50)}/spans/{span_id(1_097)}?bare=1").text
    assert "<html" not in bare
    assert "row is damaged" in bare
    whole = page.get(f"/traces/{trace_id(50)}/spans/{span_id(1_097)}").text
    assert f'href="/traces/{trace_id(50)}#s-{span_id(1_097)}"' in whole
    assert page.get(f"/traces/{trace_id(50)}/size").text == "400"


def test_every_answer_forbids_what_the_page_does_not_use(page: Page, full: Stored) -> None:
    for path in (*VIEWS, f"/traces/{trace_id(1)}", "/static/style.css", "/static/none.css", "/traces/none"):
        headers = page.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'"), path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_only_static_files_are_served(page: Page) -> None:
    assert page.get("/static/page.js").headers["content-type"].startswith("text/javascript")
    for name in ("..%2Fpages.py", "pages.py", "style.css%00"):
        assert page.get(f"/static/{name}").status_code == 404


ATTACK = """"'><script>alert(1)</script><img src=x onerror=alert(2)>{{539*1234567}}{% raw %}</textarea></style>javascript:x"""


def hostile(stored: Stored) -> None:
    stored.spans(
        S(1, ATTACK, None, 0, 50, 1, ATTACK, error=ATTACK, attributes={
            ATTACK: ATTACK, "error.type": ATTACK, "trax.error.code": ATTACK, "trax.error.category": ATTACK,
            "trax.error.fingerprint": ATTACK, "trax.retry.attempt": ATTACK, "trax.retry.count": ATTACK, "trax.outcome": ATTACK,
            "trax.circuit_breaker.name": ATTACK, "trax.circuit_breaker.state": ATTACK, "trax.recovery.strategy": ATTACK},
          events=[(ATTACK, 1, {ATTACK: ATTACK}), ("exception", 2, {
              "exception.type": ATTACK, "exception.message": ATTACK, "exception.stacktrace": ATTACK, ATTACK: ATTACK})],
          links=[(1, 1, {ATTACK: ATTACK}), (9, 9, {})]),
        S(2, ATTACK, 1, 1, 5, 1, ATTACK + "2"),
    )  # fmt: skip
    stored.logs(
        L(
            ATTACK,
            3,
            "ERROR",
            1,
            1,
            ATTACK,
            ATTACK,
            {ATTACK: ATTACK, "trax.error.code": ATTACK, "exception.stacktrace": ATTACK},
        ),
        L(ATTACK, 3, "INFO", 1, 77, ATTACK, ATTACK),
    )
    stored.metrics(metric_request(ATTACK, 1, gauge=ATTACK, label=ATTACK, description=ATTACK))


@pytest.mark.parametrize(
    "path",
    [*VIEWS, f"/traces/{trace_id(1)}", f"/traces/{trace_id(1)}/spans/{span_id(1)}", "/report.html",
     *(f"{view}?{field}=%s" for view in ("/traces", "/logs")
       for field in ("text", "service", "operation", "code", "attr", "since"))],
)  # fmt: skip
def test_nothing_that_telemetry_says_becomes_markup(page: Page, stored: Stored, path: str) -> None:
    hostile(stored)
    calm = Outline(page.get("/traces/none").text)
    answer = page.get(path.replace("%s", ATTACK))
    outline = Outline(answer.text)
    assert "665431613" not in answer.text
    assert "img" not in outline.tags
    assert outline.tags.count("script") == calm.tags.count("script")
    assert not [name for _, name, _ in outline.attributes if name.startswith("on")]
    assert not [link for link in outline.links() if not link.startswith(("/", "#", "?"))]


def test_codes_and_names_with_any_character_still_lead_somewhere(page: Page, stored: Stored) -> None:
    hostile(stored)
    links = {link for view in VIEWS for link in Outline(page.get(view).text).links()}
    assert len(links) > 15
    for link in links:
        assert page.get(link).status_code == 200, link


def test_control_characters_and_direction_overrides_are_shown(page: Page, stored: Stored) -> None:
    stored.spans(S(1, "a\x1b[31m\u202eb\x00c"))
    assert "a␛[31m\\u202eb␀c" in page.get("/traces").text


def test_errors_are_of_the_last_day_and_older_ones_a_click_away(page: Page, full: Stored) -> None:
    empty = Outline(page.get("/errors").text)
    assert "There are older ones" in empty.text
    assert "?since=all" in empty.links()
    outline = Outline(page.get("/errors?since=all").text)
    assert "ConnectionRefusedError" in outline.text
    assert ("svg", "class", "spark") in outline.attributes


def test_an_error_known_from_a_log_only_is_one_click_from_its_record(page: Page, full: Stored) -> None:
    facts = {"exception.type": "shop.Lost", "exception.stacktrace": "File one\nFile two"}
    full.logs(L("a task was lost", level="ERROR", trace=4711, span=1, attributes=facts))
    (entry,) = (one for one in full.queries.errors() if one.type == "shop.Lost")
    where = f"/logs/{entry.example_log_id}"
    assert where in Outline(page.get("/errors?since=all").text).links()
    record = Outline(page.get(where).text)
    assert "File two" in record.text
    assert "was not kept" in record.text
    assert page.get("/logs/999999").status_code == 404
    report = Outline(page.get("/report.html").text)
    assert f"#l-{entry.example_log_id}" in report.links()


def test_sql_urls_and_log_lines_stand_in_a_trace_without_a_span_being_opened(page: Page, full: Stored) -> None:
    asked = {"db.query.text": "SELECT *\n  FROM orders", "db.system.name": "sqlite"}
    full.spans(S(1, "GET /x", trace=50, kind="server"), S(2, "SELECT", 1, trace=50, kind="client", attributes=asked),
               S(3, "GET", 1, trace=50, kind="client", attributes={"url.full": "http://bank/charge?n=1"}))  # fmt: skip
    full.logs(*(L(f"line {number}", number, trace=50, span=1) for number in range(20)))
    text = page.get(f"/traces/{trace_id(50)}").text
    outside = re.sub(r'<div class="more".*?</div>\n?</div>', "", text, flags=re.DOTALL)
    assert '<p class="asked">SELECT * FROM orders</p>' in outside
    assert '<p class="asked">http://bank/charge?n=1</p>' in outside
    said = re.findall(r'<p class="said.*?</p>', text)
    assert len(said) == 7
    assert "14 more" in said[3]


def test_kind_version_and_order_can_be_asked_for(page: Page, full: Stored) -> None:
    full.spans(S(1, "tick", trace=60, version="2.0"), S(2, "GET /in", trace=61, kind="server", took=9_000))
    assert "tick" not in page.get("/operations?kind=entry").text.partition("<tbody>")[2]
    assert "GET /in" in page.get("/traces?kind=entry").text
    assert "GET /in" not in page.get("/traces?version=2.0").text.partition("<tbody>")[2]
    first = page.get("/operations?sort=p95").text.partition("<tbody>")[2]
    assert first.index("GET /in") < first.index("POST /checkout")
    assert page.get("/operations?sort=size").status_code == 400
    assert page.get("/traces?kind=odd").status_code == 400


def test_the_analysis_has_a_page(page: Page, full: Stored) -> None:
    outline = Outline(page.get("/analysis").text)
    for part in ("Errors and warnings that repeat", "Where the time goes", "What is used"):
        assert part in outline.text
    assert f"/traces/{trace_id(1)}" in outline.links()


@pytest.mark.parametrize("code", [f"TRAX-{number:03d}" for number in range(1, 25)])
def test_code_in_what_a_code_means_is_no_literal_backtick(page: Page, code: str) -> None:
    assert "`" not in Outline(page.get(f"/errors/{code}").text).text


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("set `a_b` now", "set <code>a_b</code> now"),
        ("a ` alone", "a ` alone"),
        ("<b> `<i>`", "&lt;b&gt; <code>&lt;i&gt;</code>"),
    ],
)
def test_prose_is_escaped(written: str, made: str) -> None:
    assert str(environment().filters["prose"](written)) == made


def test_a_wait_that_has_its_own_row_is_not_told_again_below_the_operation(page: Page, full: Stored) -> None:
    said = re.findall(r'<p class="said.*?</p>', page.get(f"/traces/{trace_id(1)}").text)
    assert any("gave up after attempt 3" in line for line in said)
    assert not any("the next follows in" in line for line in said)
