from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint
from trax_otel.sdk.pipelines import log_pipeline, metric_pipeline, trace_pipeline
from trax_otel.sdk.resource import build_resource
from trax_otel.sdk.telemetry import Telemetry


@pytest.fixture
def endpoint() -> Iterator[OtlpEndpoint]:
    """A real endpoint that behaves well until told otherwise."""
    with otlp_endpoint() as running:
        yield running


@pytest.fixture
def telemetry_for() -> Iterator[Callable[..., Telemetry]]:
    """Makes pipelines of all three signals that stand in no global place; `OTEL_…` settings as keywords."""
    made: list[Telemetry] = []

    def make(url: str, **settings: str) -> Telemetry:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_SERVICE_NAME": "faulty", **settings}
        problems: list[str] = []
        resource = build_resource(environ, problems)
        pipelines = [make(environ, resource, problems) for make in (trace_pipeline, log_pipeline, metric_pipeline)]
        assert problems == []
        telemetry = Telemetry([pipeline for pipeline in pipelines if pipeline is not None], resource)
        telemetry.start()
        made.append(telemetry)
        return telemetry

    yield make
    for telemetry in made:
        telemetry.shutdown(0.5)


class Script:
    """Runs Python code in a process of its own, under trax_otel's rules of the environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, code: str, **environ: str) -> subprocess.Popen[str]:
        """Start `code` as a script; stdout and stderr are pipes."""
        path = self._folder / "script.py"
        path.write_text(code)
        return subprocess.Popen(
            [sys.executable, str(path)],
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str, *, timeout: float = 30, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `code` to its end."""
        process = self.start(code, **environ)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs code in processes of their own."""
    return Script(tmp_path)
