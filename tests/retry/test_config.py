"""Who hears of a retry, and what a configuration may hold."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from trax_otel import config
from trax_otel.errors import InvalidConfigError
from trax_otel.retry import RetryConfig, RetryContext, RetryDetails, async_retry, retry, retrying
from trax_otel.testing import FakeClock

AWAY = ConnectionError


def fails() -> None:
    raise AWAY("refused")


# --- Callbacks ------------------------------------------------------------------------------------


async def test_callbacks_are_told(form: Any, failing: Any) -> None:
    told: list[tuple[str, RetryDetails]] = []

    def teller(name: str) -> Any:
        return lambda details: told.append((name, details))

    names = ("before_attempt", "before_sleep", "on_success", "on_give_up")
    options = {name: teller(name) for name in names}
    await form(failing(AWAY("refused")), max_retries=3, initial_delay=1.0, jitter=None, name="fetch", **options)
    assert [name for name, _ in told if name != "before_attempt"] == ["before_sleep", "on_success"]
    assert [details.attempt for name, details in told if name == "before_attempt"] == [1, 2]
    slept = next(details for name, details in told if name == "before_sleep")
    assert (slept.name, slept.attempt, slept.delay, str(slept.error)) == ("fetch", 1, 1.0, "refused")
    success = told[-1][1]
    assert (success.result, success.delays, success.slept, success.elapsed) == ("fine", (1.0,), 1.0, 1.0)
    told.clear()
    with pytest.raises(AWAY):
        await form(fails, max_retries=1, initial_delay=1.0, jitter=None, **options)
    assert (told[-1][0], told[-1][1].reason, told[-1][1].attempt) == ("on_give_up", "attempts", 2)


@pytest.mark.parametrize("name", ["before_attempt", "before_sleep", "on_success", "on_give_up"])
async def test_a_callback_that_raises_is_logged_once_and_changes_nothing(
    name: str, form: Any, failing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(details: RetryDetails) -> None:
        raise LookupError("callback")

    broken.__qualname__ = f"broken in {name}, {form.__name__}"
    caplog.set_level(logging.ERROR, "trax_otel.retry")
    for _ in range(2):
        assert await form(failing(AWAY("a"), AWAY("b")), max_retries=3, initial_delay=0, **{name: broken}) == "fine"
        with pytest.raises(AWAY):
            await form(fails, max_retries=1, initial_delay=0, **{name: broken})
    assert len([record for record in caplog.records if "broken in" in record.message]) == 1


# --- Configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_retries": -1}, "max_retries: -1"),
        ({"initial_delay": "soon"}, "initial_delay: "),
        ({"jitter": "some"}, "jitter: "),
        ({"deadline": 0}, "deadline=0 is not a number of seconds above 0, or None"),
        ({"budget": 3}, "budget=3 is not a RetryBudget or the name of one"),
        ({"stop": True}, "stop=True is not an event"),
        ({"retry_on": "OSError"}, "retry_on: 'OSError' is not an exception class"),
        ({"retry_on": KeyboardInterrupt}, "KeyboardInterrupt is never retried"),
        ({"on_success": 3}, "on_success=3 cannot be called"),
        ({"attempt_spans": "never"}, "attempt_spans='never' is not 'on_failure' or 'always'"),
        ({"max_retrys": 3}, "did you mean 'max_retries'"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], told: str) -> None:
    for use in (retry, async_retry, retrying, RetryContext):
        with pytest.raises(InvalidConfigError, match="RetryConfig: ") as caught:
            use(**options)
        assert told in str(caught.value)


def test_a_coroutine_function_is_no_callback() -> None:
    async def told(details: RetryDetails) -> None: ...

    with pytest.raises(InvalidConfigError, match="on_success is a coroutine function"):
        RetryConfig(on_success=told)


def test_a_config_never_changes() -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        RetryConfig().max_retries = 3
    assert RetryConfig(max_retries=3) == RetryConfig(max_retries=3)
    assert repr(RetryConfig(max_retries=3)) == "RetryConfig(max_retries=3)"


def test_what_is_not_passed_comes_from_the_settings_at_the_first_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time: FakeClock
) -> None:
    decorated = retry(jitter=None)(fails)
    file = tmp_path / "trax.json"
    file.write_text(json.dumps({"retry": {"max_retries": 1, "initial_delay": 7.0}}))
    monkeypatch.setenv("TRAX_CONFIG_FILE", str(file))
    monkeypatch.setenv("TRAX_INITIAL_RETRY_DELAY", "0.125")
    config.reload()
    try:
        with pytest.raises(AWAY):
            decorated()
    finally:
        monkeypatch.undo()
        config.reload()
    assert time.sleeps == [0.125]
