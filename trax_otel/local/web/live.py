"""Tells open pages that something has arrived (server-sent events)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from starlette.requests import Request

    from ..queries import Queries

LOOK_SECONDS: Final = 0.4
"""How often the store is asked whether anything arrived."""
SILENT_LOOKS: Final = 40
"""After so many looks without news a comment is sent, which tells a page that left."""


def live(queries: Queries, stopping: Callable[[], bool]) -> Callable[[Request], object]:
    """The route: an event `revision` at once and whenever the store's revision grows; ends when `stopping()` says so."""

    async def respond(request: Request) -> StreamingResponse:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            _revisions(request, queries, stopping), media_type="text/event-stream", headers=headers
        )

    return respond


async def _revisions(request: Request, queries: Queries, stopping: Callable[[], bool]) -> AsyncIterator[str]:
    import asyncio

    told = -1
    silent = 0
    yield "retry: 1500\n\n"
    while not stopping() and not await request.is_disconnected():
        revision = await run_in_threadpool(queries.revision)
        silent += 1
        if revision != told:
            told, silent = revision, 0
            yield f"event: revision\ndata: {revision}\n\n"
        elif silent >= SILENT_LOOKS:
            silent = 0
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)
