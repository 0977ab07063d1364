"""What a manager takes, and what it refuses."""

from __future__ import annotations

import pytest

from trax_otel import config
from trax_otel.errors import InvalidConfigError, RecoveryError
from trax_otel.recovery import CallableStrategy, RecoveryManager


def failing(error: Exception):
    def fail(context):
        raise error

    return fail


def giving(value, tried=None):
    def give(context):
        if tried is not None:
            tried.append(value)
        return value

    return give


# --- Settings -------------------------------------------------------------------------------------------------------------


def test_what_is_not_passed_comes_from_the_settings(context):
    with config.use_settings(config.load({"recovery": {"enabled": False, "max_fallbacks": 1}}, environ={})[0]):
        manager = RecoveryManager(enabled=True)
        for name in ("one", "two"):
            manager.strategy(name=name)(failing(LookupError(name)))
        with pytest.raises(RecoveryError, match="max_fallbacks=1 were tried; not tried: two"):
            manager.attempt_recovery_sync(context)


def test_variables_are_settings_too(context, monkeypatch):
    monkeypatch.setenv("TRAX_RECOVERY_ENABLED", "false")
    with config.use_settings(config.load()[0]), pytest.raises(ConnectionError):
        RecoveryManager(strategies=[CallableStrategy(giving(1), name="one")]).attempt_recovery_sync(context)


def test_settings_are_looked_at_when_they_are_first_needed(context):
    manager = RecoveryManager(strategies=[CallableStrategy(giving(1), name="one")])
    with (
        config.use_settings(config.load({"recovery": {"enabled": False}}, environ={})[0]),
        pytest.raises(ConnectionError),
    ):
        manager.attempt_recovery_sync(context)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"timeout": 0}, "timeout"), ({"max_fallbacks": -1}, "max_fallbacks"), ({"enabled": 3}, "enabled")],
)
def test_a_wrong_setting_is_refused(wrong, named):
    with pytest.raises(InvalidConfigError, match=f"RecoveryManager: {named}"):
        RecoveryManager(**wrong)


# --- What is no strategy --------------------------------------------------------------------------------------------------


class Strategy:
    name = "mine"
    priority = 1

    def applies(self, context):
        return True

    def recover(self, context):
        return "mine"


class AsyncApplies(Strategy):
    async def applies(self, context):
        return True


def without(member):
    strategy = type("Lacking", (), {k: v for k, v in vars(Strategy).items() if k in MEMBERS and k != member})
    return strategy()


MEMBERS = ("name", "priority", "applies", "recover")


def test_whatever_has_the_members_is_a_strategy(context):
    manager = RecoveryManager(strategies=[Strategy()])
    assert manager.attempt_recovery_sync(context) == "mine"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (Strategy, "it is a class"),
        (AsyncApplies(), "applies is a coroutine function"),
        (without("name"), "its name is None"),
        (without("priority"), "its priority is None"),
        (without("applies"), r"it has no method applies\(context\)"),
        (without("recover"), r"it has no method recover\(context\)"),
        (len, r"it is a function; add CallableStrategy\(function\)"),
    ],
)
def test_what_is_no_strategy_is_refused(wrong, reason):
    with pytest.raises(InvalidConfigError, match=reason):
        RecoveryManager().add_strategy(wrong)


def test_names_are_unique():
    manager = RecoveryManager(strategies=[Strategy()])
    with pytest.raises(InvalidConfigError, match="one named 'mine' already"):
        manager.add_strategy(Strategy())


def test_a_context_is_needed():
    with pytest.raises(InvalidConfigError, match="a RecoveryContext is needed"):
        RecoveryManager().attempt_recovery_sync(ValueError("no context"))  # type: ignore[arg-type]
