"""What the servers serve: each request makes a span, a log record and a count, and is answered with the process's number."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any

from opentelemetry import metrics, trace

tracer = trace.get_tracer("application")
counter = metrics.get_meter("application").create_counter("application.requests")


def work() -> bytes:
    with tracer.start_as_current_span("work"):
        counter.add(1)
        logging.getLogger("application").warning("worked")
    return str(os.getpid()).encode()


if os.environ.get("EMIT_AT_IMPORT"):
    with tracer.start_as_current_span("import"):
        logging.getLogger("application").warning("imported")


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = work()
    if environ["PATH_INFO"] == "/slow":
        time.sleep(30)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = work()
    if scope["path"] == "/slow":
        await asyncio.sleep(30)
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
