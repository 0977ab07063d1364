"""Real Chromium that looks at a real endpoint."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from support.stored import L, S, log_request, span_id, span_request
from trax_otel.local.server import Endpoint

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900")  # fmt: skip
PROTOBUF = {"content-type": "application/x-protobuf"}


def _found(*names: str) -> str:
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        message = f"none of {', '.join(names)} is installed (Debian: apt install chromium chromium-driver)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return path


def chromium(profile: Path) -> webdriver.Chrome:
    """A browser without a window; the test is skipped where there is none, and fails under CI."""
    options = Options()
    options.binary_location = _found("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(_found("chromedriver")))


class Browser:
    """The endpoint and a browser that looks at it; `send` goes over OTLP/HTTP."""

    def __init__(self, driver: webdriver.Chrome, endpoint: Endpoint) -> None:
        self.driver = driver
        self.endpoint = endpoint

    def send(self, *spans: S, logs: list[L] | None = None, metrics: bytes | None = None) -> None:
        for signal, body in (("traces", span_request(spans)), ("logs", log_request(logs or [])), ("metrics", metrics)):
            if body:
                url = f"{self.endpoint.url}/v1/{signal}"
                httpx.post(url, content=body, headers=PROTOBUF, timeout=30).raise_for_status()

    def open(self, path: str) -> None:
        self.driver.get(self.endpoint.url + path)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def row(self, number: int) -> Any:
        return self.driver.find_element(By.ID, f"s-{span_id(number)}")

    def until(self, condition: Any, seconds: float = 10) -> Any:
        return WebDriverWait(self.driver, seconds, poll_frequency=0.05).until(lambda _: condition())

    def visible_rows(self) -> int:
        return len(self.all(".row:not([hidden])"))

    def script(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)  # type: ignore[no-untyped-call]

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]
