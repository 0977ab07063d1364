"""Run a plan by retry's drivers, which are loaded with the first one: importing a name of this room stays cheap."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..retry.plan import Plan


def run(plan: Plan) -> Any:
    """Run the plan in this thread: its value, or its error raised."""
    from ..retry import drivers

    return drivers.run(plan)


def run_async(plan: Plan) -> Coroutine[Any, Any, Any]:
    """The same in this task, to be awaited."""
    from ..retry import drivers

    return drivers.run_async(plan)
