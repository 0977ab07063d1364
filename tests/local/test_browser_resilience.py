"""Retries, breakers and recoveries in real Chromium."""

from __future__ import annotations

import httpx
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from support.browser import PROTOBUF, Browser
from support.stored import S, failing_checkout, span_id, trace_id
from support.stored_resilience import bank_metrics, changed, recovery, resumed, retried, states, tripped_bank
from trax_otel import semconv

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def send(browser: Browser, *metrics: bytes) -> None:
    for body in metrics:
        url = f"{browser.endpoint.url}/v1/metrics"
        httpx.post(url, content=body, headers=PROTOBUF, timeout=30).raise_for_status()


def test_a_rejection_leads_to_what_tripped_the_breaker_and_back(browser: Browser) -> None:
    browser.send(*tripped_bank())
    browser.open(f"/traces/{trace_id(2)}")
    browser.row(12).find_element(By.CSS_SELECTOR, ".via a").click()
    browser.until(lambda: browser.driver.current_url.endswith(f"/traces/{trace_id(1)}#s-{span_id(2)}"))
    charge = browser.until(lambda: browser.row(2))
    browser.until(lambda: "breaker bank: closed → open, too many failures in a row" in charge.text)
    browser.one(".remark a").click()
    browser.until(lambda: browser.driver.current_url.endswith(f"/traces/{trace_id(2)}#s-{span_id(12)}"))


def test_a_resumed_operation_leads_to_the_interrupted_run(browser: Browser) -> None:
    browser.send(*resumed())
    browser.open("/recoveries")
    browser.one("tbody th a").click()
    browser.until(lambda: "goes on from the interrupted run" in browser.row(801).text)
    browser.row(801).find_element(By.CSS_SELECTOR, ".via a").click()
    browser.until(lambda: trace_id(7) in browser.driver.current_url)
    assert browser.row(702).text.startswith("step reserve")


def test_the_keys_pass_over_the_waits(browser: Browser) -> None:
    browser.send(*failing_checkout())
    browser.open(f"/traces/{trace_id(1)}")
    assert [row.text.split("\n")[0][:16] for row in browser.all(".row.wait")] == [
        "waited 108 ms ba",
        "waited 210 ms ba",
    ]
    browser.row(5).find_element(By.CSS_SELECTOR, ".head").send_keys(Keys.ARROW_DOWN)
    assert browser.script("return document.activeElement.closest('.row').id") == f"s-{span_id(6)}"
    browser.one("#find").send_keys("waited 210")
    assert browser.one("#matches").text == "1 found"


def test_a_wait_is_drawn_from_attempt_to_attempt(browser: Browser) -> None:
    browser.send(*failing_checkout())
    browser.open(f"/traces/{trace_id(1)}")
    places = """const box = (e) => { const r = e.getBoundingClientRect(); return [r.left, r.right]; };
      return [box(arguments[0]), box(arguments[1]), box(arguments[2])]"""
    before, gap, after = browser.script(
        places, browser.row(5).find_element(By.CSS_SELECTOR, "rect"),
        browser.all(".row.wait .gap")[0], browser.row(6).find_element(By.CSS_SELECTOR, "rect"),
    )  # fmt: skip
    assert gap[0] == pytest.approx(before[1], abs=2)
    assert gap[1] == pytest.approx(after[0], abs=2)


def test_a_breaker_that_trips_is_shown_as_it_happens(browser: Browser) -> None:
    send(browser, states("bank", (0, "closed"), (5_000, "closed")))
    browser.open("/breakers")
    shown = "return document.querySelector(arguments[0])?.textContent"
    assert browser.script(shown, "td .badge.state") == "closed"
    browser.send(S(1, "charge", at=6_000, events=[changed("bank", 6_000, "closed", "open", "failures")]))
    browser.until(lambda: browser.script(shown, "td .badge.state") == "open")
    # One script at a time: what is live may be replaced between two.
    label, width = browser.script(
        "const strip = document.querySelector('.strip');"
        "return [strip.ariaLabel, strip.querySelector('.in-open').getBoundingClientRect().width]"
    )
    assert "open" in label
    assert width > 0


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_states_and_figures_can_be_told_apart(browser: Browser, width: int, scheme: str) -> None:
    browser.send(*tripped_bank(), *recovery(100, 4, stale=True))
    send(browser, *bank_metrics(), retried("pay", succeeded_with_retry=2, failed_with_retry=1))
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    contrast = """const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map((v) => { v /= 255;
        return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const paper = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (!c.startsWith("rgba(0, 0, 0, 0")) return c; } };
      return [...document.querySelectorAll(arguments[0])].map((e) => {
        const [a, b] = [light(getComputedStyle(e).color), light(paper(e))].sort((x, y) => y - x);
        return [e.textContent, (a + 0.05) / (b + 0.05)]; })"""
    for path in ("/breakers", "/retries", "/recoveries"):
        browser.open(path)
        found = browser.script(contrast, "td span, td a, th a, .legend span")
        assert found
        assert [text for text, ratio in found if ratio < 4.5] == [], path
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_overview_leads_to_breakers_and_retries(browser: Browser) -> None:
    browser.send(*tripped_bank())
    send(browser, *bank_metrics(), retried("pay", failed_with_retry=1))
    browser.open("/")
    assert {"Circuit breakers", "Retries"} <= {heading.text for heading in browser.all("h2")}
    browser.one("h2 a[href='/breakers']").click()
    browser.until(lambda: browser.one("h1").text == "Breakers")
    assert semconv.BREAKER_NAME not in browser.one("main").text, "what is told is told in words"


def test_no_view_scrolls_sideways(browser: Browser) -> None:
    name = "a.very.long.name." * 12
    browser.send(*tripped_bank(), *recovery(100, 4, stale=True), *resumed())
    browser.send(
        S(900, "recover", None, trace=90, service=name,
          attributes={semconv.OPERATION_NAME: name, semconv.RECOVERY_STRATEGY: name, semconv.RECOVERY_OUTCOME: "recovered"}),
        S(901, "circuit_breaker rejected", 900, trace=90, service=name, attributes={semconv.BREAKER_NAME: name},
          links=[(1, 2, {name: name})], events=[changed(name, 1, name, name, name)]),
    )  # fmt: skip
    send(
        browser,
        *bank_metrics(),
        states(name, (0, "open")),
        retried(name, failed_with_retry=3),
        retried("pay", **{name: 1}),
    )
    for width in (1280, 900, 780, 390):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for path in ("/", "/retries", "/breakers", "/recoveries", f"/traces/{trace_id(90)}", f"/traces/{trace_id(1)}"):
            browser.open(path)
            wide_by = browser.script(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide_by <= 0, (path, width)
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
