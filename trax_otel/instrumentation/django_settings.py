"""Django's instrumentor adds a middleware to the settings, so it must come when they are there, and before they are used.

Earlier, where `DJANGO_SETTINGS_MODULE` is set by the service's own `manage.py` or `wsgi.py`, it would find none, take empty
ones instead, and the service would not start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Final

_NAME: Final = "load_middleware"


def when_middleware_is_loaded(action: Callable[[], object]) -> None:
    """Call `action` once, just before a handler of Django's loads its middleware."""
    owner = sys.modules["django.core.handlers.base"].BaseHandler
    setattr(owner, _NAME, BeforeFirstUse(owner, getattr(owner, _NAME), action))


class BeforeFirstUse:
    """A method that acts when it is looked up, and is then itself again: so no traceback shows a frame of ours."""

    def __init__(self, owner: Any, method: Any, action: Callable[[], object]) -> None:
        self._owner = owner
        self._method = method
        self._action = action

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if vars(self._owner).get(_NAME) is self and instance is not None and _has_settings():
            setattr(self._owner, _NAME, self._method)
            self._action()
        return self._method.__get__(instance, owner)


def _has_settings() -> bool:
    from django.conf import ENVIRONMENT_VARIABLE, settings

    return bool(settings.configured or os.environ.get(ENVIRONMENT_VARIABLE))
