"""The stream that tells open pages of news."""

from __future__ import annotations

import time

import httpx
import pytest

from support.stored import S, span_request
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.servers


def send(endpoint: Endpoint, *spans: S) -> None:
    headers = {"content-type": "application/x-protobuf"}
    httpx.post(f"{endpoint.url}/v1/traces", content=span_request(spans), headers=headers).raise_for_status()


def test_a_revision_is_told_at_once_and_after_each_arrival(endpoint: Endpoint) -> None:
    with httpx.stream("GET", f"{endpoint.url}/live", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        revisions = (int(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))
        first = next(revisions)
        send(endpoint, S(1, "one"))
        second = next(revisions)
        send(endpoint, S(2, "two"))
        assert first < second < next(revisions)


def test_an_open_page_does_not_hold_up_the_end(endpoint: Endpoint, capfd: pytest.CaptureFixture[str]) -> None:
    with httpx.stream("GET", f"{endpoint.url}/live", timeout=10) as answer:
        lines = answer.iter_lines()
        next(lines)
        began = time.monotonic()
        endpoint.close()
        assert time.monotonic() - began < 1.8
        for _ in lines:
            pass
    assert not endpoint.running
    assert capfd.readouterr().err == ""
