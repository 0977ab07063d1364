"""What is known of spans that stand alone: who made them, who refers to them, and whether this process serves at all."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

from opentelemetry.trace import SpanKind

_REFERRED: Final = "_trax_referred"
_SERVING_KINDS: Final = frozenset({SpanKind.SERVER, SpanKind.CONSUMER})
_PROGRAMS: Final = frozenset({
    "arq", "celery", "daphne", "dramatiq", "granian", "gunicorn", "huey_consumer", "huey_consumer.py", "hypercorn", "rq",
    "rqworker", "sanic", "uvicorn", "uwsgi", "waitress-serve",
})  # fmt: skip
"""Commands and modules (`python -m`) that serve requests or jobs."""
_MODULES: Final = (
    "celery.apps.worker", "daphne.server", "gunicorn.workers.base", "huey.consumer", "hypercorn.asyncio.run", "uwsgi",
    "uvicorn.protocols.http.auto",
)  # fmt: skip
"""Modules that are imported where a server or a worker starts, and nowhere else."""

_activated: set[str] = set()
_serving = False


def activated(scope: str) -> None:
    """An instrumentation was activated by this package: the scope of its spans."""
    _activated.add(scope)


def is_activated(scope: str) -> bool:
    """Whether this package activated the instrumentation of that scope."""
    return scope in _activated


def refer_to(span: Any) -> None:
    """Something tells of this span: a child, a link, a log record, a context that was sent on."""
    try:
        setattr(span, _REFERRED, True)
    except AttributeError:  # a foreign span; only the SDK's are ever asked for
        return


def is_referred(span: Any) -> bool:
    """Whether something tells of this span."""
    return hasattr(span, _REFERRED)


def note_kind(kind: SpanKind) -> None:
    """A span of this kind began: requests and jobs say that this process serves."""
    global _serving
    if kind in _SERVING_KINDS:
        _serving = True


def serves() -> bool:
    """Whether this process serves requests or jobs, as far as that can be seen."""
    global _serving
    if not _serving:
        _serving = _is_server(sys.orig_argv) or any(name in sys.modules for name in _MODULES)
    return _serving


def _is_server(words: list[str]) -> bool:
    """Whether the command is a known server's or worker's, as a program or by `python -m`."""
    before = ""
    for word in words:
        name = os.path.basename(word)  # noqa: PTH119
        if before == "-m":
            return word.partition(".")[0] in _PROGRAMS
        if not word.startswith("-") and before not in {"-W", "-X"} and not name.startswith(("python", "pypy")):
            return name in _PROGRAMS
        before = word
    return False
