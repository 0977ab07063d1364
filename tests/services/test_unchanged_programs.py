"""Programs that nobody here wrote end under `trax-otel run` as they end without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import PYTHON, end_of, program, under_run
from support.services import Delivered
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

PROGRAMS = {
    "json.tool": [PYTHON, "-m", "json.tool", "--help"],
    "flask": [program("flask"), "--version"],
    "sanic": [program("sanic"), "--version"],
    "datasette": [program("datasette"), "--version"],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_prints_and_ends_as_without_us(name: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path) -> None:
    bare = end_of(PROGRAMS[name], tmp_path)
    assert end_of(under_run(endpoint.url, delivered.service, PROGRAMS[name]), tmp_path) == bare
    assert bare.status == 0
