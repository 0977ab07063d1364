"""The page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from ..queries import Queries


def routes(queries: Queries) -> list[BaseRoute]:
    """The page's routes."""
    return []
