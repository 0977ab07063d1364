"""The package itself: two names, light, and in nobody's way."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import trax_otel


def loaded_after(code: str) -> set[str]:
    """The modules that a new interpreter has after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_it_offers_its_version_and_configure() -> None:
    assert trax_otel.__all__ == ["__version__", "configure"]
    assert trax_otel.__version__.count(".") >= 2


def test_configure_takes_keywords_only() -> None:
    kinds = {parameter.kind for parameter in inspect.signature(trax_otel.configure).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_importing_it_imports_next_to_nothing() -> None:
    loaded = loaded_after("import trax_otel")
    assert {name for name in loaded if name.startswith("trax_otel")} == {
        "trax_otel",
        "trax_otel.guarded",
        "trax_otel.version",
    }
    assert not {"opentelemetry", "logging", "asyncio"} & loaded


def test_from_trax_otel_import_logging_is_our_room() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from trax_otel import logging, errors, metrics; print(logging.__name__, logging.get_logger)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("trax_otel.logging <function get_logger")


@pytest.mark.parametrize("room", ["errors", "signals", "metrics", "logging", "config", "semconv", "clock", "lifecycle"])
def test_a_library_room_brings_no_sdk(room: str) -> None:
    heavy = ("opentelemetry.sdk", "opentelemetry.exporter", "asyncio", "requests", "grpc", "psutil", "rich", "backoff")
    loaded = loaded_after(f"import trax_otel.{room}")
    assert not {name for name in loaded if name.startswith(heavy)}
