"""The settings in force and the debug switch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trax_otel import config


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    yield
    config.set_debug(None)
    config.reload()


def test_settings_are_loaded_once_and_anew_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    config.reload()
    before = config.settings()
    monkeypatch.setenv("TRAX_LOG_DIR", "elsewhere")
    assert config.settings() is before
    loaded, problems = config.reload()
    assert config.settings() is loaded
    assert (loaded.logging.log_dir, problems) == ("elsewhere", ())


def test_other_settings_hold_inside_the_block_only() -> None:
    before = config.settings()
    with config.use_settings(before.replace(runtime=config.RuntimeSettings(quiet=True))):
        assert config.settings().runtime.quiet
    assert config.settings() is before


def test_debug_follows_the_settings_until_it_is_switched(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not config.debug()
    monkeypatch.setenv("TRAX_DEBUG", "1")
    config.reload()
    assert config.debug()
    config.set_debug(False)
    assert not config.debug()
    config.set_debug(None)
    assert config.debug()


def test_listeners_hear_of_a_switch_and_one_that_raises_silences_nobody() -> None:
    heard: list[bool] = []
    stop_failing = config.on_debug_change(lambda _: 1 / 0)
    stop = config.on_debug_change(heard.append)
    config.set_debug(True)
    config.set_debug(False)
    stop()
    stop_failing()
    config.set_debug(True)
    assert heard == [True, False]
