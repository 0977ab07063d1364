"""Every snippet of the specification's sections 1, 2 and 5, its CLI pattern, configuration, debug mode and unit tests."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.specification import execute, observability
from trax_otel import clock, config
from trax_otel import logging as trax_logging
from trax_otel.errors import NetworkError, TraxError, error_codes
from trax_otel.testing import CapturedTelemetry, FakeClock


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each snippet in a folder of its own; what it set up is undone."""
    monkeypatch.chdir(tmp_path)
    yield
    trax_logging.shutdown_logging()
    trax_logging.disable_debug()
    config.set_debug(None)
    config.reload()


async def test_structured_logging(tmp_path: Path) -> None:
    await execute(observability.LOGGING)
    (file,) = (tmp_path / "logs").glob("*.jsonl")
    (record,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert record["message"] == "Processing started"
    assert (record["operation"], record["file_size"], record["correlation_id"]) == (
        "transcription",
        "15.2MB",
        "req-123",
    )
    assert record["logger"] == "spec_snippet"
    assert record["level"] == "INFO"
    assert record["timestamp"].endswith("Z")
    assert {"module", "function", "line"} <= record.keys()


async def test_logging_config(tmp_path: Path) -> None:
    namespace = await execute(observability.LOGGING_CONFIG)
    settings = trax_logging.initialize_logging(namespace["config"])
    assert (settings.level, settings.max_file_size, settings.backup_count) == ("INFO", 10 * 1024 * 1024, 5)
    logging.getLogger("x").info("hello")
    assert {file.suffix for file in (tmp_path / "logs").iterdir()} >= {".log", ".jsonl"}


class Client:
    async def call(self) -> str:
        raise ConnectionError("refused")


async def test_errors() -> None:
    with pytest.raises(NetworkError) as caught:
        await execute(observability.ERRORS, api_client=Client(), exception=TimeoutError("slow"))
    assert caught.value.error_code == "TRAX-001"
    assert isinstance(caught.value.original_error, ConnectionError)
    assert str(caught.value) == "API connection failed"


async def test_error_classification() -> None:
    class Answers:
        async def call(self) -> str:
            return "fine"

    namespace = await execute(observability.ERRORS, api_client=Answers(), exception=TimeoutError("slow"))
    assert namespace["response"] == "fine"
    assert isinstance(namespace["error"], TraxError)
    assert namespace["error"].retryable


def test_the_seven_codes() -> None:
    titles = {entry.code: entry.title for entry in error_codes()}
    assert [titles[f"TRAX-00{n}"] for n in range(1, 8)] == [
        "Network connection failed", "API authentication failed", "File not found", "Invalid input format",
        "Processing timeout", "Configuration error", "Recovery failed",
    ]  # fmt: skip


async def test_performance_metrics(trax_telemetry: CapturedTelemetry) -> None:
    async def call() -> str:
        return "answer"

    client = type("Client", (), {"call": staticmethod(call)})
    try:
        namespace = await execute(
            observability.METRICS, transcribe_audio=lambda file: f"text of {file}", audio_file="a.wav", api_client=client,
            process_large_file=len, file_path="x",
        )  # fmt: skip
        assert namespace["result"] == "text of a.wav"
        assert namespace["timer"].duration_ms > 0
        assert namespace["process_file"]("four") == 4
        names = {span.name for span in trax_telemetry.spans}
        assert names == {"transcription_operation", "api_call", "file_processing"}
        exported = json.loads(trax_logging.export_all_metrics())
        assert "transcription_operation" in json.dumps(exported)
        assert json.loads(namespace["metrics_json"])
    finally:
        trax_logging.stop_health_monitoring()


@pytest.mark.parametrize("fails", [False, True])
async def test_the_cli_pattern(fails: bool, tmp_path: Path) -> None:
    snippet = observability.CLI.replace("# ... processing ...", "process()")

    def process() -> None:
        if fails:
            raise NetworkError("no route")

    main = (await execute(snippet, process=process))["main"]
    if fails:
        with pytest.raises(NetworkError):
            main()
    else:
        main()
    (file,) = (tmp_path / "logs").glob("*.jsonl")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert records[0]["message"] == "CLI operation started"
    if fails:
        failure = next(record for record in records if record["message"] == "CLI operation failed")
        assert "no route" in json.dumps(failure)
        assert failure["error_code"] == "TRAX-001"
    else:
        assert records[-1]["message"] == "CLI operation completed"


def test_the_environment_variables() -> None:
    lines = [line.partition("#")[0].strip() for line in observability.ENVIRONMENT.splitlines()]
    environ = dict(line.split("=", 1) for line in lines if "=" in line)
    assert len(environ) == 12
    settings, problems = config.load(environ=environ)
    assert problems == ()
    assert (settings.logging.max_file_size, settings.retry.max_retries, settings.retry.jitter) == (10485760, 3, 0.1)


def test_the_configuration_file(tmp_path: Path) -> None:
    file = tmp_path / "trax.json"
    file.write_text(observability.FILE)
    settings, problems = config.load(environ={}, path=file)
    assert problems == ()
    assert settings == config.Settings()


async def test_debug_mode(capsys: pytest.CaptureFixture[str]) -> None:
    """Detailed stack traces, timing of all operations, verbose logs of ours, memory."""
    trax_logging.initialize_logging()
    await execute(observability.DEBUG)
    assert trax_logging.is_debug()
    logger = trax_logging.get_logger("spec")
    with trax_logging.timing_context("work"):
        logger.debug("seen now")
    try:
        raise NetworkError("bad", original_error=ValueError("root"))
    except NetworkError:
        logger.exception("failed")
    shown = capsys.readouterr().err
    assert "seen now" in shown
    assert "work" in shown
    assert "MB" in shown
    assert "root" in shown
    trax_logging.disable_debug()
    logger.debug("not any more")
    assert "not any more" not in capsys.readouterr().err


def test_the_unit_tests() -> None:
    source = observability.UNIT_TESTS.replace("from src.", "from trax_otel.")
    source = source.replace("import get_logger", "import get_logger, timing_context")  # which the snippet forgets
    namespace: dict[str, Any] = {}
    exec(compile(source, "<specification>", "exec"), namespace)
    namespace["test_error_classification"]()
    with clock.use(FakeClock()):
        namespace["test_retry_logic"]()
    namespace["test_logging"]()


def test_the_performance_monitoring_test(trax_telemetry: CapturedTelemetry) -> None:
    namespace: dict[str, Any] = dict(vars(trax_logging))
    exec(compile(observability.PERFORMANCE_TEST, "<specification>", "exec"), namespace)
    asyncio.run(namespace["test_performance_monitoring"]())
