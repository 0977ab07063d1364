"""How long is waited: strategies, jitter, what users bring along, and what a peer asks for."""

from __future__ import annotations

import email.utils
import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import backoff
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel import clock
from trax_otel.errors import InvalidConfigError, RateLimitError, create_api_error
from trax_otel.retry import RetryConfig, delays, retry, retrying
from trax_otel.testing import FakeClock

AWAY = ConnectionError("refused")


def theirs(generator: Any, count: int, factor: float = 1.0) -> list[float]:
    next(generator)
    return [generator.send(None) * factor for _ in range(count)]


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        ("exponential", lambda: theirs(backoff.expo(base=2, factor=0.5, max_value=20), 9)),
        ("constant", lambda: theirs(backoff.constant(0.5), 9)),
        ("fibonacci", lambda: [min(value, 20) for value in theirs(backoff.fibo(), 9, 0.5)]),
        ("linear", lambda: [0.5 * number for number in range(1, 10)]),
        ([1, 2.5, 30], lambda: [1, 2.5, 20, 20, 20, 20, 20, 20, 20]),
        (lambda number: number * number, lambda: [1, 4, 9, 16, 20, 20, 20, 20, 20]),
        (functools.partial(backoff.fibo, max_value=3), lambda: [1, 1, 2, 3, 3, 3, 3, 3, 3]),
    ],
    ids=["exponential", "constant", "fibonacci", "linear", "a list", "a function", "backoff's generator"],
)
def test_strategies(wait: Any, expected: Callable[[], list[float]]) -> None:
    assert delays(RetryConfig(wait=wait, initial_delay=0.5, max_delay=20, jitter=None), 9) == expected()


STRATEGY = st.sampled_from(["exponential", "linear", "constant", "fibonacci"])


@given(STRATEGY, st.floats(0, 10), st.floats(0, 100), st.integers(1, 40))
def test_without_jitter_waits_grow_up_to_the_longest(wait: Any, initial: float, longest: float, count: int) -> None:
    found = delays(RetryConfig(wait=wait, initial_delay=min(initial, longest), max_delay=longest, jitter=None), count)
    assert all(0 <= value <= longest for value in found)
    assert all(later >= earlier for earlier, later in itertools.pairwise(found))


@given(STRATEGY, st.sampled_from([0.0, 0.1, 0.5, 1.0, "full", "equal"]), st.integers(1, 12))
def test_jitter_keeps_to_its_bounds(wait: Any, jitter: Any, count: int) -> None:
    options: dict[str, Any] = {"wait": wait, "initial_delay": 0.5, "max_delay": 10}
    plain = delays(RetryConfig(**options, jitter=None), count)
    least = {"full": 0.0, "equal": 0.5}.get(jitter, 1 - jitter if isinstance(jitter, float) else 0)
    most = 1 + jitter if isinstance(jitter, float) else 1.0
    for value, bare in zip(delays(RetryConfig(**options, jitter=jitter), count), plain, strict=True):
        assert bare * least - 1e-9 <= value <= min(bare * most, 10) + 1e-9


@given(st.integers(1, 30))
def test_decorrelated_jitter_follows_the_wait_before(count: int) -> None:
    found = delays(RetryConfig(initial_delay=0.5, max_delay=10, jitter="decorrelated"), count)
    for earlier, later in itertools.pairwise([0.5, *found]):
        assert 0.5 <= later <= min(10, max(0.5, earlier * 3)) + 1e-9


def test_jitter_differs_from_call_to_call() -> None:
    assert len({tuple(delays(RetryConfig(initial_delay=1), 3)) for _ in range(5)}) == 5


def test_backoffs_runtime_generator_is_told_the_error(time: FakeClock) -> None:
    told: list[Any] = []

    def seconds(error: Any) -> float:
        told.append(error)
        return 3.0

    with pytest.raises(ConnectionError):
        retrying(max_retries=1, wait=functools.partial(backoff.runtime, value=seconds), jitter=None).call(fails)
    assert (told, time.sleeps) == ([AWAY], [3.0])


def fails() -> None:
    raise AWAY


@pytest.mark.parametrize(
    "bad", [lambda number: 1 / 0, lambda number: None, lambda number: -1.0, lambda number: float("nan")]
)
def test_a_wait_that_fails_is_replaced_by_the_initial_delay(bad: Any, time: FakeClock) -> None:
    with pytest.raises(ConnectionError):
        retrying(max_retries=2, initial_delay=0.25, wait=bad, jitter=None).call(fails)
    assert time.sleeps == [0.25, 0.25]


def test_a_generator_that_ends_is_replaced_too(time: FakeClock) -> None:
    def short() -> Iterator[float | None]:
        yield None
        yield 2.0

    with pytest.raises(ConnectionError):
        retrying(max_retries=2, initial_delay=0.25, wait=short, jitter=None).call(fails)  # type: ignore[arg-type]
    assert time.sleeps == [2.0, 0.25]


@pytest.mark.parametrize("wait", ["sometimes", [], [1, -1], [1, "2"], 3, iter([1, 2]), [float("nan")]])
def test_waits_that_are_none_are_refused(wait: Any) -> None:
    with pytest.raises(InvalidConfigError, match="RetryConfig: "):
        RetryConfig(wait=wait)


# --- Retry-After ----------------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Retry-After", self.path.partition("?")[2].replace("%20", " ").replace("+", " "))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/?"
        listening.shutdown()
        thread.join()


def by_requests(url: str) -> None:
    import requests

    requests.get(url, timeout=5).raise_for_status()


def by_httpx(url: str) -> None:
    import httpx

    httpx.get(url, timeout=5, trust_env=False).raise_for_status()


def by_urllib(url: str) -> None:
    import urllib.request

    urllib.request.urlopen(url, timeout=5)


def by_urllib3(url: str) -> Any:
    import urllib3

    return urllib3.request("GET", url, timeout=5, retries=False)


CLIENTS = [by_requests, by_httpx, by_urllib]


@pytest.mark.parametrize("client", CLIENTS)
def test_seconds_of_an_error(client: Any, server: str, time: FakeClock) -> None:
    with pytest.raises(Exception, match=r"503|Service Unavailable"):
        retrying(max_retries=1, initial_delay=0.5).call(client, f"{server}7")
    assert time.sleeps == [7.0]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_date_of_an_error(client: Any, server: str, time: FakeClock) -> None:
    date = email.utils.formatdate(clock.current().time_ns() / 1e9 + 10, usegmt=True).replace(" ", "%20")
    with pytest.raises(Exception, match=r"503|Service Unavailable"):
        retrying(max_retries=1, initial_delay=0.5).call(client, f"{server}{date}")
    assert time.sleeps == [pytest.approx(10, abs=1.01)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("form", ["%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S -0000", "%a, %d %b %Y %H:%M:%S GMT"])
def test_every_form_of_a_date_is_gmt(zone: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time as real_time

    from trax_otel.errors.verdict import retry_after

    monkeypatch.setenv("TZ", zone)
    real_time.tzset()
    try:
        in_a_minute = real_time.gmtime(clock.current().time_ns() / 1e9 + 60)
        assert retry_after(real_time.strftime(form, in_a_minute)) == pytest.approx(60, abs=1.01)
    finally:
        monkeypatch.undo()
        real_time.tzset()


def test_of_a_response_that_is_refused(server: str, time: FakeClock) -> None:
    result = retrying(max_retries=1, retry_on_result=lambda answer: answer.status == 503).call(by_urllib3, f"{server}4")
    assert (result.status, time.sleeps) == (503, [4.0])


async def test_of_aiohttp(server: str, time: FakeClock) -> None:
    import aiohttp

    async def call() -> None:
        async with aiohttp.ClientSession() as session, session.get(f"{server}3") as answer:
            answer.raise_for_status()

    with pytest.raises(aiohttp.ClientResponseError):
        await retrying(max_retries=1).acall(call)
    assert time.sleeps == [3.0]


def test_of_botocore(time: FakeClock) -> None:
    import botocore.exceptions

    answered = {"HTTPStatusCode": 503, "HTTPHeaders": {"retry-after": "6"}}

    def call() -> None:
        raise botocore.exceptions.ClientError(
            {"Error": {"Code": "SlowDown"}, "ResponseMetadata": answered},  # type: ignore[typeddict-item]
            "PutObject",
        )

    with pytest.raises(botocore.exceptions.ClientError):
        retrying(max_retries=1).call(call)
    assert time.sleeps == [6.0]


def test_of_grpc(time: FakeClock) -> None:
    import grpc

    class Unavailable(grpc.RpcError, grpc.Call):  # type: ignore[misc]
        def code(self) -> Any:
            return grpc.StatusCode.UNAVAILABLE

        def trailing_metadata(self) -> Any:
            return (("grpc-retry-pushback-ms", "2500"),)

        details = initial_metadata = is_active = time_remaining = cancel = add_callback = lambda self, *_: None

    def call() -> None:
        raise Unavailable

    with pytest.raises(grpc.RpcError):
        retrying(max_retries=1).call(call)
    assert time.sleeps == [2.5]


def test_of_an_error_that_wraps_one(time: FakeClock) -> None:
    def call() -> None:
        raise create_api_error("wrapped", original_error=RateLimitError("slow down", retry_after=8.0), retryable=True)

    with pytest.raises(Exception, match="wrapped"):
        retrying(max_retries=1).call(call)
    assert time.sleeps == [8.0]


@pytest.mark.parametrize(("asked", "waits"), [("soon", [0.5]), ("-5", [0.0]), ("0", [0.0]), ("nan", [0.5])])
def test_what_is_no_wait_is_none(asked: str, waits: list[float], server: str, time: FakeClock) -> None:
    with pytest.raises(Exception, match="503"):
        retrying(max_retries=1, initial_delay=0.5, jitter=None).call(by_requests, f"{server}{asked}")
    assert (time.sleeps or [0.0]) == waits


@contextmanager
def gives_up(told: str) -> Iterator[list[Any]]:
    reasons: list[Any] = []
    with pytest.raises(RateLimitError) as caught:
        yield reasons
    assert told in "".join(getattr(caught.value, "__notes__", [told]))
    assert caught.value.attempts[-1].delay is None  # type: ignore[attr-defined]


def limited() -> None:
    raise RateLimitError("slow down", retry_after=20.0)


def test_beyond_the_longest_wait_the_call_gives_up_at_once(time: FakeClock) -> None:
    with gives_up("asked for a longer wait than is allowed (20 s asked, 5 s allowed)"):
        retry(max_retries=3, max_delay=5.0)(limited)()
    assert time.sleeps == []


def test_beyond_the_deadline_too(time: FakeClock) -> None:
    with gives_up("the next wait would pass the deadline (20 s to wait, 10 s left)"):
        retry(max_retries=3, deadline=10.0)(limited)()
    assert time.sleeps == []
