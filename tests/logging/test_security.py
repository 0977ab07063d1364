"""Security events: one logger, a fixed vocabulary, and fields that cannot be forged or leak."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trax_otel import semconv, signals
from trax_otel.logging import (
    LoggingConfig,
    SecurityEvent,
    get_logger,
    initialize_logging,
    log_security_event,
    register_security_counts,
    shutdown_logging,
)

Lines = Callable[[], list[dict[str, Any]]]


def counted(event: str, outcome: str) -> float | None:
    wanted = {semconv.SECURITY_EVENT: event, semconv.SECURITY_OUTCOME: outcome}
    return next(
        (
            s.value
            for s in signals.snapshot()
            if s.spec.name == semconv.SECURITY_EVENTS.name and dict(s.attributes) == wanted
        ),
        None,
    )


def test_an_event_is_a_record_of_its_own_logger_and_a_count(json_lines: Lines) -> None:
    before = counted("authentication", "failure") or 0
    log_security_event(
        SecurityEvent.AUTHENTICATION,
        "failure",
        "bad password",
        actor="ada",
        source="203.0.113.9",
        details={"attempt": 3},
    )
    (line,) = json_lines()
    assert (line["logger"], line["level"], line["message"]) == ("trax.security", "WARNING", "bad password")
    assert line["function"] == "test_an_event_is_a_record_of_its_own_logger_and_a_count"
    assert (line["trax.security.event"], line["trax.security.outcome"]) == ("authentication", "failure")
    assert (line["trax.security.actor"], line["trax.security.source"]) == ("ada", "203.0.113.9")
    assert line["trax.security.attempt"] == 3
    assert counted("authentication", "failure") == before + 1


@pytest.mark.parametrize(
    ("event", "outcome", "level"),
    [("access", "success", "INFO"), ("access", "failure", "WARNING"), ("tampering", "failure", "CRITICAL")],
)
def test_levels_follow_the_outcome(json_lines: Lines, event: str, outcome: Any, level: str) -> None:
    log_security_event(event, outcome)
    assert json_lines()[0]["level"] == level


def test_an_unknown_kind_is_other_and_says_what_it_was_called(json_lines: Lines) -> None:
    log_security_event("moon_phase\nforged")
    (line,) = json_lines()
    assert line["trax.security.event"] == "other"
    assert line["trax.security.kind"] == "moon_phase\\nforged"


def test_secrets_and_control_characters_do_not_pass(json_lines: Lines) -> None:
    log_security_event(
        SecurityEvent.CREDENTIAL_CHANGE,
        message="a\nb",
        actor="ada\x1b[2J",
        details={
            "password": "hunter2", "api_key": "hunter2", "Authorization": "hunter2", "nested": {"session_id": "hunter2"},
            "note": "x\r\ny", "list": [1, 2],
        },
    )  # fmt: skip
    (line,) = json_lines()
    assert "hunter2" not in str(line)
    assert (line["message"], line["trax.security.actor"], line["trax.security.note"]) == (
        "a\\nb",
        "ada\\x1b[2J",
        "x\\r\\ny",
    )


def test_it_never_raises(json_lines: Lines) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError

        def items(self) -> Any:
            raise RuntimeError

    log_security_event(Hostile(), Hostile(), Hostile(), actor=Hostile(), details=Hostile())  # type: ignore[arg-type]
    assert len(json_lines()) == 1


def test_registered_counts_begin_at_zero() -> None:
    register_security_counts()
    for kind in SecurityEvent:
        assert counted(kind.value, "failure") is not None


def test_the_logger_is_a_plain_one_that_can_be_routed() -> None:
    assert type(logging.getLogger(semconv.SECURITY_LOGGER)).__module__ in {"logging", "trax_otel.logging.logger"}


@pytest.mark.parametrize("level", ["WARNING", "ERROR"])
def test_a_success_is_recorded_whatever_level_the_rest_has(tmp_path: Path, level: str) -> None:
    initialize_logging(LoggingConfig(log_dir=str(tmp_path), level=level, log_to_console=False))
    get_logger("trax.tests.rest").info("not asked for")
    log_security_event("authentication", actor="ann")
    shutdown_logging()
    for name in ("trax.jsonl", "trax.log"):
        text = (tmp_path / name).read_text()
        assert "authentication success" in text
        assert "not asked for" not in text


def test_the_security_loggers_own_level_is_the_users_to_set(tmp_path: Path) -> None:
    logger = logging.getLogger(semconv.SECURITY_LOGGER)
    before = logger.level
    logger.setLevel("WARNING")
    try:
        initialize_logging(LoggingConfig(log_dir=str(tmp_path), log_to_console=False))
        log_security_event("authentication", actor="ann")
        log_security_event("authentication", "failure", actor="eve")
        shutdown_logging()
    finally:
        logger.setLevel(before)
    assert [json.loads(line)["message"] for line in (tmp_path / "trax.jsonl").read_text().splitlines()] == [
        "authentication failure"
    ]


def test_without_any_set_up_of_levels_a_success_reaches_the_export(
    trax_telemetry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    log_security_event("session", actor="ann")
    assert [log.body for log in trax_telemetry.logs] == ["session success"]
