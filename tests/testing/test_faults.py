"""Faults on demand: functions, and a real collector that misbehaves."""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request

import pytest

from trax_otel.testing import collector, fails


def post(url: str, timeout: float = 5) -> int:
    request = urllib.request.Request(f"{url}/v1/traces", data=b"spans", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_function_fails_as_often_as_told_then_succeeds() -> None:
    call = fails(2, with_=TimeoutError, result="done")
    for _ in range(2):
        with pytest.raises(TimeoutError):
            call("any", argument=1)
    assert call() == "done"
    assert call.calls == 3


async def test_errors_come_in_their_order_in_coroutines_too() -> None:
    call = fails(2, with_=[ValueError("first"), KeyError("second")])
    with pytest.raises(ValueError, match="first"):
        await call.asynchronous()
    with pytest.raises(KeyError):
        await call.asynchronous()
    assert await call.asynchronous() is None


def test_a_collector_keeps_what_arrives_and_answers_as_told() -> None:
    with collector() as real:
        assert post(real.endpoint) == 200
        assert real.requests == [("/v1/traces", b"spans")]
        real.behave(503)
        assert post(real.endpoint) == 503
        real.behave("refuses")
        with pytest.raises((http.client.RemoteDisconnected, urllib.error.URLError, ConnectionError)):
            post(real.endpoint)


def test_a_hanging_collector_is_silent_until_its_end() -> None:
    with collector("hangs") as real:
        with pytest.raises((TimeoutError, urllib.error.URLError)):
            post(real.endpoint, timeout=0.2)
        assert real.requests == []


def test_nothing_is_left_running() -> None:
    before = threading.active_count()
    with collector("hangs"):
        pass
    assert threading.active_count() <= before
