"""The demo's visitors: a plain program that sends requests of every kind, and knows nothing of telemetry.

`python -m trax_otel.cli.demo_traffic URL [--forever]`; the demo runs it by `trax-otel run` as it does the service. It prints
a line after each request.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_CLIENTS: Final = 4
_PATIENCE: Final = 10.0


@dataclass(frozen=True)
class Visit:
    """One request; `patience`: seconds until the client gives up."""

    path: str
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    patience: float = _PATIENCE


_DIGEST: Final = {"Authorization": "Digest no-such-scheme"}
KINDS: Final[Mapping[str, tuple[int, Sequence[Visit]]]] = {
    "fast": (70, (Visit("/get?page=1"), Visit("/uuid"), Visit("/json"), Visit("/anything/orders", {"item": "7"}))),
    "slow": (6, (Visit("/delay/0.25"), Visit("/delay/0.6"))),
    "refused (4xx)": (14, (Visit("/status/404"), Visit("/basic-auth/ada/secret"), Visit("/no/such/page"))),
    "failing (5xx)": (8, (Visit("/status/500"), Visit("/status/503"))),
    "timed out": (3, (Visit("/delay/1.2", patience=0.3),)),
    # Requests that httpbin does not expect: each is an exception that nobody there catches.
    "crashing": (
        9,
        (Visit("/delay/soon"), Visit("/digest-auth/auth/ada/secret", headers=_DIGEST), Visit("/redirect/0")),
    ),
}
"""How many requests of each kind, and which."""
COUNT: Final = sum(count for count, _ in KINDS.values())


def visits(seed: int = 7) -> list[Visit]:
    """All requests of the demo, mixed; the same in every run."""
    mixed = [choices[n % len(choices)] for count, choices in KINDS.values() for n in range(count)]
    random.Random(seed).shuffle(mixed)  # noqa: S311 — an order, not a secret
    return mixed


def main(url: str, forever: bool) -> None:
    """Send all requests by several clients at once; with `forever`, one a second, over and over."""
    if forever:
        while True:
            for visit in visits():
                _send(url, visit)
                time.sleep(1.0)
    waiting: Iterator[Visit] = iter(visits())
    lock = threading.Lock()

    def client() -> None:
        while True:
            with lock:
                visit = next(waiting, None)
            if visit is None:
                return
            _send(url, visit)

    clients = [threading.Thread(target=client, name=f"client {n}") for n in range(_CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()


def _send(url: str, visit: Visit) -> None:
    import requests

    method = "GET" if visit.form is None else "POST"
    try:
        answer = requests.request(
            method, url + visit.path, data=visit.form, headers=dict(visit.headers), timeout=visit.patience
        )
        outcome = str(answer.status_code)
    except requests.RequestException as error:
        outcome = type(error).__name__
    sys.stdout.write(f"{method} {visit.path} {outcome}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], "--forever" in sys.argv[2:])
