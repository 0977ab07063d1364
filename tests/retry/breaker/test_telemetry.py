"""What traces and metrics tell of a breaker."""

from __future__ import annotations

import gc
import logging

import pytest

from trax_otel import config, semconv
from trax_otel.metrics import timing_context
from trax_otel.retry import CircuitBreaker, CircuitOpenError, retry
from trax_otel.retry.breaker import telemetry
from trax_otel.testing import CapturedTelemetry, FakeClock, capture

TRIPPED = """\
first [error TRAX-001] trax.outcome=failure
  - trax.circuit_breaker.state_changed
  - exception ConnectionError: refused
second trax.outcome=success
  circuit_breaker rejected [error TRAX-022] trax.outcome=rejected
    - exception trax_otel.retry.CircuitOpenError: circuit breaker 'rates' is open: no call is made for another 30 s
third trax.outcome=success
  - trax.circuit_breaker.state_changed
  - trax.circuit_breaker.state_changed"""


def fails() -> None:
    raise ConnectionError("refused")


def shown(telemetry: CapturedTelemetry) -> str:
    return telemetry.tree(attributes=(semconv.OUTCOME,))


def test_trip_rejection_half_open_and_close(trax_telemetry: CapturedTelemetry, time: FakeClock) -> None:
    breaker = CircuitBreaker(failure_threshold=1, timeout=30.0, name="rates")
    with pytest.raises(ConnectionError), timing_context("first"):
        breaker.call(fails)
    with timing_context("second"), pytest.raises(CircuitOpenError):
        breaker.call(int)
    time.advance(30.0)
    with timing_context("third"):
        breaker.call(int)
    lines = [line for line in shown(trax_telemetry).splitlines() if "WARN" not in line and "INFO" not in line]
    assert "\n".join(lines) == TRIPPED
    rejected = trax_telemetry.span(semconv.BREAKER_REJECTED_SPAN)
    assert list(rejected.links) == [trax_telemetry.span("first").span_id]
    assert rejected.attributes[semconv.BREAKER_NAME] == "rates"
    changes = [event.attributes for event in trax_telemetry.events(semconv.BREAKER_STATE_CHANGED_EVENT)]
    assert [(one[semconv.BREAKER_PREVIOUS_STATE], one[semconv.BREAKER_STATE], one[semconv.BREAKER_REASON])
            for one in changes] == [
        ("closed", "open", "failures"), ("open", "half_open", "timeout"), ("half_open", "closed", "probes_succeeded"),
    ]  # fmt: skip
    assert changes[0][semconv.BREAKER_OPEN_FOR] == 30.0


def test_the_attempt_that_tripped_it_is_what_the_rejection_links_to(trax_telemetry: CapturedTelemetry) -> None:
    breaker = CircuitBreaker(failure_threshold=2)
    with pytest.raises(CircuitOpenError):
        retry(max_retries=5, initial_delay=0, name="fetch")(breaker(fails))()
    attempts = trax_telemetry.children(trax_telemetry.span("fetch"))
    assert [attempt.attributes[semconv.RETRY_ATTEMPT] for attempt in attempts] == [1, 2, 3]
    (rejected,) = trax_telemetry.children(attempts[2])
    assert list(rejected.links) == [attempts[1].span_id]
    assert trax_telemetry.span("fetch").attributes[semconv.RETRY_STOP_REASON] == "rejected"
    assert trax_telemetry.span("fetch").outcome == "rejected"


def states(captured: CapturedTelemetry, name: str) -> dict[str, float]:
    points = captured.metrics.get(semconv.BREAKER_STATES.name, [])
    return {
        str(point.attributes[semconv.BREAKER_STATE]): point.value
        for point in points
        if point.attributes[semconv.BREAKER_NAME] == name
    }


def test_one_series_a_state(trax_telemetry: CapturedTelemetry, time: FakeClock) -> None:
    breaker = CircuitBreaker(failure_threshold=1, timeout=5.0, name="shown")
    assert states(trax_telemetry, "shown") == {"closed": 1, "open": 0, "half_open": 0, "isolated": 0}
    with pytest.raises(ConnectionError):
        breaker.call(fails)
    assert states(trax_telemetry, "shown") == {"closed": 0, "open": 1, "half_open": 0, "isolated": 0}
    time.advance(5.0)
    breaker.acquire()
    assert states(trax_telemetry, "shown") == {"closed": 0, "open": 0, "half_open": 1, "isolated": 0}


def test_calls_and_transitions_are_counted_from_zero(trax_telemetry: CapturedTelemetry) -> None:
    breaker = CircuitBreaker(failure_threshold=1, name="counted")

    def calls(outcome: str) -> float:
        labels = {semconv.BREAKER_NAME: "counted", semconv.OUTCOME: outcome}
        return trax_telemetry.metric(semconv.BREAKER_CALLS.name, labels).value

    opened = {
        semconv.BREAKER_NAME: "counted", semconv.BREAKER_STATE: "open", semconv.BREAKER_REASON: "failures",
    }  # fmt: skip
    assert {outcome: calls(outcome) for outcome in telemetry.OUTCOMES} == dict.fromkeys(telemetry.OUTCOMES, 0)
    assert trax_telemetry.metric(semconv.BREAKER_TRANSITIONS.name, opened).value == 0
    breaker.call(int)
    for function in (lambda: {}["mine"], fails):
        with pytest.raises((KeyError, ConnectionError)):
            breaker.call(function)
    with pytest.raises(CircuitOpenError):
        breaker.call(int)
    breaker.close()
    with pytest.raises(KeyboardInterrupt), breaker:
        raise KeyboardInterrupt
    assert {outcome: calls(outcome) for outcome in telemetry.OUTCOMES} == dict.fromkeys(telemetry.OUTCOMES, 1)
    assert trax_telemetry.metric(semconv.BREAKER_TRANSITIONS.name, opened).value == 1


def test_a_breaker_that_was_made_before_there_was_an_sdk_has_its_zeros_too() -> None:
    """It is usually made where its module is imported."""
    breaker = CircuitBreaker(failure_threshold=1, name="early")
    opened = {
        semconv.BREAKER_NAME: "early", semconv.BREAKER_STATE: "open", semconv.BREAKER_REASON: "failures",
    }  # fmt: skip
    with capture() as captured:
        shown = [point for point in captured.metrics[semconv.BREAKER_TRANSITIONS.name]
                 if point.attributes[semconv.BREAKER_NAME] == "early"]  # fmt: skip
        assert {point.value for point in shown} == {0}
        assert len(shown) == len(telemetry.CHANGES)
        with pytest.raises(ConnectionError):
            breaker.call(fails)
        assert captured.metric(semconv.BREAKER_TRANSITIONS.name, opened).value == 1


def test_breakers_of_one_name_are_one_series(trax_telemetry: CapturedTelemetry) -> None:
    one, other = CircuitBreaker(name="twins"), CircuitBreaker(name="twins")
    one.call(int)
    other.call(int)
    other.isolate()
    assert states(trax_telemetry, "twins") == {"closed": 1, "open": 0, "half_open": 0, "isolated": 1}
    success = {semconv.BREAKER_NAME: "twins", semconv.OUTCOME: "success"}
    assert trax_telemetry.metric(semconv.BREAKER_CALLS.name, success).value == 2


def test_a_dropped_breaker_has_no_state_and_keeps_its_counts(trax_telemetry: CapturedTelemetry) -> None:
    CircuitBreaker(name="gone").call(int)
    gc.collect()
    assert states(trax_telemetry, "gone") == {}
    success = {semconv.BREAKER_NAME: "gone", semconv.OUTCOME: "success"}
    assert trax_telemetry.metric(semconv.BREAKER_CALLS.name, success).value == 1


def test_names_beyond_the_limit_share_a_series(
    trax_telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "_calls", {})
    settings = config.settings()
    with config.use_settings(settings.replace(metrics=settings.metrics.replace(cardinality_limit=2))):
        breakers = [CircuitBreaker(name=f"limited-{number}") for number in range(4)]
    for breaker in breakers:
        breaker.call(int)
    names = {point.attributes.get(semconv.BREAKER_NAME) for point in trax_telemetry.metrics[semconv.BREAKER_CALLS.name]}
    assert {name for name in names if str(name).startswith("limited")} == {"limited-0", "limited-1"}
    assert states(trax_telemetry, "limited-3") == {}


def test_without_a_span_a_rejection_links_to_nothing(trax_telemetry: CapturedTelemetry) -> None:
    breaker = CircuitBreaker()
    breaker.open()
    with pytest.raises(CircuitOpenError):
        breaker.call(int)
    rejected = trax_telemetry.span(semconv.BREAKER_REJECTED_SPAN)
    assert not rejected.links


def test_a_log_handler_that_raises_changes_nothing(
    time: FakeClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(record: logging.LogRecord) -> bool:
        raise OSError("disk full")

    monkeypatch.setattr(logging.getLogger("trax_otel.retry.breaker"), "filters", [broken])
    breaker = CircuitBreaker(failure_threshold=1, timeout=5.0, name="unheard")
    told: list[str] = []
    breaker.on_state_change(lambda change: told.append(change.state))
    with pytest.raises(ConnectionError):
        breaker.call(fails)
    time.advance(5.0)
    assert breaker.call(int) == 0
    assert told == ["open", "half_open", "closed"]
    said = "trax-otel: circuit breaker unheard: open for 5 s (failures), it was closed (the log failed: OSError: disk full)"
    assert said in capsys.readouterr().err


def test_without_any_provider_nothing_is_made() -> None:
    breaker = CircuitBreaker()
    breaker.open()
    with pytest.raises(CircuitOpenError) as rejected:
        breaker.call(int)
    assert rejected.value.__context__ is None


def test_debug_mode_tells_of_rejected_calls(caplog: pytest.LogCaptureFixture) -> None:
    breaker = CircuitBreaker(name="told")
    breaker.isolate()
    config.set_debug(True)
    try:
        caplog.clear()
        with caplog.at_level(logging.DEBUG), pytest.raises(CircuitOpenError):
            breaker.call(lambda: 1)
    finally:
        config.set_debug(None)
    assert [record.getMessage() for record in caplog.records] == [
        "circuit breaker told rejected a call: circuit breaker 'told' is isolated: no call is made until it is closed by hand"
    ]
