from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from trax_otel import lifecycle
from trax_otel.lifecycle import Participant


@pytest.fixture
def take_part() -> Iterator[Callable[[Participant], None]]:
    leave: list[Callable[[], None]] = []
    yield lambda participant: leave.append(lifecycle.register(participant))
    for unregister in leave:
        unregister()
    lifecycle.resume()
