"""The settings in force, and what can be switched while the process runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .loading import Problem, load

if TYPE_CHECKING:
    from .sections import Settings

_settings: Settings | None = None
_debug: bool | None = None
_listeners: list[Callable[[bool], object]] = []


def settings() -> Settings:
    """The settings in force; loaded from file and environment when first asked for."""
    return _settings if _settings is not None else reload()[0]


def reload(
    arguments: Mapping[str, Mapping[str, Any]] | None = None, path: str | None = None
) -> tuple[Settings, tuple[Problem, ...]]:
    """Load anew and put the result in force; returns it with what could not be taken."""
    global _settings
    loaded, problems = load(arguments, path=path)
    _settings = loaded
    return loaded, problems


@contextmanager
def use_settings(chosen: Settings) -> Iterator[Settings]:
    """Put other settings in force inside the block (tests)."""
    global _settings
    before, _settings = _settings, chosen
    try:
        yield chosen
    finally:
        _settings = before


def debug() -> bool:
    """Whether debug mode is on: as it was switched last, else as the settings say."""
    return settings().runtime.debug if _debug is None else _debug


def set_debug(on: bool | None) -> None:
    """Switch debug mode (None: as the settings say) and tell whoever asked to be told."""
    global _debug
    _debug = on
    now = debug()
    for listener in _listeners:
        try:
            listener(now)
        except Exception:  # a listener's failure is not the next one's
            continue


def on_debug_change(listener: Callable[[bool], object]) -> Callable[[], None]:
    """Call `listener(on)` whenever debug mode is switched; returns the function that ends it."""
    _listeners.append(listener)

    def unregister() -> None:
        if listener in _listeners:
            _listeners.remove(listener)

    return unregister
