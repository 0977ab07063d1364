"""The switch for all job libraries."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Final

from ..adoption import adopt

HOOKS: Final = (
    ("rq", "rq.queue", "hook_queue"),
    ("rq", "rq.job", "hook_job"),
    ("rq", "rq.worker", "hook_worker"),
    ("huey", "huey.api", "hook"),
    ("dramatiq", "dramatiq.broker", "hook"),
    ("arq", "arq.connections", "hook_connections"),
    ("arq", "arq.worker", "hook_worker"),
    ("celery", "opentelemetry.instrumentation.celery", "hook"),
    ("apscheduler", "apscheduler.job", "hook_job"),
    *(
        ("apscheduler", f"apscheduler.executors.{name}", f"hook_{name}")
        for name in ("asyncio", "debug", "gevent", "pool", "tornado", "twisted")
    ),
)
"""The name for OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, the module that is waited for, and what is called then."""


def adopt_job_libraries() -> None:
    """Hook every job library once it is imported."""
    for name, module, hook in HOOKS:
        adopt(name, module, partial(_call, name, hook))


def _call(name: str, hook: str) -> None:
    getattr(import_module(f".{name}", __package__), hook)()
