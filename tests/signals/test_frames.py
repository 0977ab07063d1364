"""Whose code a frame is."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

import trax_otel
from trax_otel.signals.frames import calling_application, of_application, of_wrapper

OURS = str(Path(trax_otel.__file__).parent)
LIBRARIES = sysconfig.get_paths()["purelib"]


@pytest.mark.parametrize(
    ("filename", "application", "wrapper"),
    [
        ("/srv/shop/orders.py", True, False),
        ("/srv/opentelemetry/orders.py", True, False),
        ("<string>", True, False),
        (__file__, True, False),
        (f"{OURS}/examples/transcription/service.py", True, False),
        (f"{OURS}/retry/drivers.py", False, True),
        (f"{LIBRARIES}/opentelemetry/trace/__init__.py", False, True),
        (f"{LIBRARIES}/wrapt/wrappers.py", False, True),
        (f"{LIBRARIES}/flask/app.py", False, False),
        (f"{sysconfig.get_paths()['stdlib']}/threading.py", False, False),
        ("<frozen importlib._bootstrap>", False, False),
        ("asyncpg/protocol/protocol.pyx", False, False),
    ],
)
def test_files_are_told_apart(filename: str, application: bool, wrapper: bool) -> None:
    assert (of_application(filename), of_wrapper(filename)) == (application, wrapper)


def test_the_caller_is_the_innermost_frame_of_the_application() -> None:
    frame = calling_application(sys._getframe())
    assert frame is not None
    assert frame.f_code.co_name == "test_the_caller_is_the_innermost_frame_of_the_application"
    assert calling_application(None) is None
