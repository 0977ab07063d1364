"""The route that a framework matched, where it writes it into ASGI's scope or WSGI's environ."""

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
    route, root = scope["route"], scope.get("root_path", "")
    if not hasattr(
        route, "endpoint"
    ):  # a mounted application that matched no route of its own: its path is in the root
        return root
    return root + (getattr(route, "path_format", None) or route.path)


def _litestar(scope: Source) -> Any:
    return scope["path_template"]


def _bottle(environ: Source) -> Any:
    return environ.get("SCRIPT_NAME", "") + environ["bottle.route"].rule


def _werkzeug(environ: Source) -> Any:
    """Flask and others that keep Werkzeug's request."""
    return environ.get("SCRIPT_NAME", "") + environ["werkzeug.request"].url_rule.rule


_FINDERS: Final[tuple[Callable[[Source], Any], ...]] = (_starlette, _litestar, _bottle, _werkzeug)
