"""The primary provider: stands in for a cloud service that transcribes better than the recogniser here, and fails on order.

    trax-otel run --local --service-name provider -- python provider.py --port 8001 --fail unavailable,busy,slow
    curl -X PUT localhost:8001/faults -d '{"always": "unavailable"}'      # until further notice: {"always": null}

It knows the recordings in audio/ by their content. Each fault hits one request: `unavailable` is a 503, `busy` a 503 that
asks to come back after a second, `slow` an answer that comes too late.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving import serve
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

AUDIO = Path(__file__).parent / "audio"
TEXTS = {"tomorrow.wav": "Tomorrow morning.", "dollars.wav": "Five hundred thousand dollars."}
KNOWN = {hashlib.sha256((AUDIO / name).read_bytes()).digest(): text for name, text in TEXTS.items()}
FAULTS = ("unavailable", "busy", "slow")
BUSY_SECONDS = 1
SLOW_SECONDS = 4.0


class Faults:
    """What the coming requests meet: those of `queue` in order, then `always`."""

    def __init__(self, queue: list[str]) -> None:
        self.queue = deque(queue)
        self.always: str | None = None

    def next(self) -> str | None:
        """The fault of this request; None: it succeeds."""
        return self.queue.popleft() if self.queue else self.always


def application(faults: Faults) -> Starlette:
    """The provider's web service."""

    async def transcribe(request: Request) -> Response:
        audio = await request.body()
        fault = faults.next()
        if fault == "unavailable":
            return JSONResponse({"error": "no recogniser is free"}, 503)
        if fault == "busy":
            return JSONResponse({"error": "too much to do"}, 503, {"Retry-After": str(BUSY_SECONDS)})
        if fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        text = KNOWN.get(hashlib.sha256(audio).digest())
        return JSONResponse({"error": "not understood"}, 422) if text is None else JSONResponse({"text": text})

    async def order(request: Request) -> Response:
        wanted: dict[str, Any] = await request.json()
        named = [*wanted.get("next", []), *([wanted["always"]] if wanted.get("always") else [])]
        if not set(named) <= set(FAULTS):
            return JSONResponse({"error": f"faults are {', '.join(FAULTS)}"}, 422)
        faults.queue.extend(wanted.get("next", []))
        faults.always = wanted.get("always")
        return JSONResponse({"next": list(faults.queue), "always": faults.always})

    return Starlette(
        routes=[Route("/transcribe", transcribe, methods=["POST"]), Route("/faults", order, methods=["PUT"])]
    )


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="A transcription provider that fails on order.")
    parser.add_argument("--port", type=int, default=8001, help="0: a free one")
    parser.add_argument("--fail", default="", help=f"faults of the first requests, such as {','.join(FAULTS)}")
    options = parser.parse_args()
    faults = [fault for fault in options.fail.split(",") if fault]
    if not set(faults) <= set(FAULTS):
        parser.error(f"--fail: faults are {', '.join(FAULTS)}")
    serve(application(Faults(faults)), "provider", options.port)


if __name__ == "__main__":
    main()
