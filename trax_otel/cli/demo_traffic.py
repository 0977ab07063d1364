"""The demo's traffic: real requests of every kind that a service meets, sent by several threads."""

from __future__ import annotations

import random
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_CLIENTS: Final = 4
_PATIENCE: Final = 10.0


@dataclass(frozen=True)
class Visit:
    """One request; `patience`: seconds until the client gives up."""

    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    patience: float = _PATIENCE


_DIGEST: Final = {"Authorization": "Digest no-such-scheme"}
KINDS: Final[Mapping[str, tuple[int, Sequence[Visit]]]] = {
    "fast": (70, (Visit("/get?page=1"), Visit("/uuid"), Visit("/json"), Visit("/anything/orders", b'{"item": 7}'))),
    "slow": (6, (Visit("/delay/0.25"), Visit("/delay/0.6"))),
    "refused (4xx)": (14, (Visit("/status/404"), Visit("/basic-auth/ada/secret"), Visit("/no/such/page"))),
    "failing (5xx)": (8, (Visit("/status/500"), Visit("/status/503"))),
    "given up by the client": (3, (Visit("/delay/1.2", patience=0.3),)),
    # Requests that httpbin does not expect: each is an exception that nobody there catches.
    "crashing": (
        9,
        (Visit("/delay/soon"), Visit("/digest-auth/auth/ada/secret", headers=_DIGEST), Visit("/redirect/0")),
    ),
}
"""How many requests of each kind, and which."""


def visits(seed: int = 7) -> list[Visit]:
    """All requests of the demo, mixed; the same in every run."""
    mixed = [choices[n % len(choices)] for count, choices in KINDS.values() for n in range(count)]
    random.Random(seed).shuffle(mixed)  # noqa: S311 — an order, not a secret
    return mixed


def send(url: str, planned: Sequence[Visit], on_each: Callable[[], object] = lambda: None) -> int:
    """Send requests by several clients at once and return how many were answered; `on_each` is called after each."""
    waiting: Iterator[Visit] = iter(planned)
    lock = threading.Lock()
    answered = 0

    def client() -> None:
        nonlocal answered
        while True:
            with lock:
                visit = next(waiting, None)
            if visit is None:
                return
            got_answer = _send_one(url, visit)
            with lock:
                answered += got_answer
                on_each()

    clients = [threading.Thread(target=client, name=f"demo client {n}", daemon=True) for n in range(_CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    return answered


def _send_one(url: str, visit: Visit) -> bool:
    request = urllib.request.Request(url + visit.path, visit.body, dict(visit.headers))
    try:
        with urllib.request.urlopen(request, timeout=visit.patience) as response:
            response.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            refusal.read()
    except OSError:  # given up, or the connection broke
        return False
    return True
