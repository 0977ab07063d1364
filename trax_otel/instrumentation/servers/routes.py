"""The route that a framework matched and the exception that it answered, where it writes them into scope or environ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Source = Mapping[str, Any]


def route_of(source: Source) -> str | None:
    """The route's template; None where no framework wrote one."""
    for find in _FINDERS:
        try:
            found = find(source)
        except Exception:  # what stands there is something else
            continue
        if isinstance(found, str) and found:
            return found
    return None


def _starlette(scope: Source) -> Any:
    route = scope["route"]
    return scope.get("root_path", "") + (getattr(route, "path_format", None) or route.path)


def _litestar(scope: Source) -> Any:
    return scope["path_template"]


def _bottle(environ: Source) -> Any:
    return environ.get("SCRIPT_NAME", "") + environ["bottle.route"].rule


def _werkzeug(environ: Source) -> Any:
    """Flask and others that keep Werkzeug's request."""
    return environ.get("SCRIPT_NAME", "") + environ["werkzeug.request"].url_rule.rule


def error_of(source: Source) -> BaseException | None:
    """The exception that a framework turned into an answer; None where it wrote none."""
    information = source.get("bottle.exc_info")
    error = information[1] if isinstance(information, tuple) and len(information) == 3 else None
    return error if isinstance(error, BaseException) else None


_FINDERS: Final[tuple[Callable[[Source], Any], ...]] = (_starlette, _litestar, _bottle, _werkzeug)
