from __future__ import annotations

import pytest

from trax_otel.instrumentation.servers import settings


@pytest.fixture(autouse=True)
def settings_of_the_test() -> None:
    settings.forget()
