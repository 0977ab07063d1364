"""The requests that the demo sends to httpbin: what a service meets on an ordinary day."""

from __future__ import annotations

import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Request:
    """One request; `timeout` is how long its client waits, in seconds."""

    path: str
    method: str = "GET"
    body: bytes | None = None
    timeout: float = 15.0


_FAST: Final = ("/get", "/headers", "/uuid", "/json", "/html", "/ip", "/cookies", "/anything/orders/42", "/gzip")

REQUESTS: Final = (
    *(Request(path) for path in _FAST * 6),
    *(Request("/post", "POST", b'{"order": 42}') for _ in range(10)),
    *(Request("/put", "PUT", b"x") for _ in range(4)),
    *(Request(f"/delay/{seconds}") for seconds in (1, 1, 2)),
    *(Request(f"/status/{status}") for status in (400, 401, 403, 404, 404, 409, 418, 429)),
    *(Request(f"/status/{status}") for status in (500, 502, 503, 503, 504)),
    Request("/drip?duration=1&numbytes=20&delay=0"),
    Request("/no/such/page"),
    *(Request("/delay/2", timeout=0.4) for _ in range(2)),  # the client gives up, the service works on
    *(Request("/redirect/0") for _ in range(3)),  # `assert n > 0` in httpbin's own code: nobody handles it
    *(Request("/status/200:1:2,500") for _ in range(2)),  # so does unpacking three values into two
)


def send_all(url: str) -> int:
    """Send all of them, a few at a time; returns how many got no answer in time."""
    with ThreadPoolExecutor(6) as pool:
        return sum(not answered for answered in pool.map(lambda request: _send(url, request), REQUESTS))


def _send(url: str, request: Request) -> bool:
    message = urllib.request.Request(url + request.path, request.body, method=request.method)
    try:
        with urllib.request.urlopen(message, timeout=request.timeout) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True
