"""Providers that OTEL_CONFIG_FILE made: flushed with the process, on SIGTERM too, within the exit budget."""

from __future__ import annotations

from typing import Any

from .. import lifecycle, native
from ..lifecycle import Deadline, Participant


def participate_declared(*providers: Any) -> None:
    """Register the providers; those that are None or cannot be flushed are left out. They shut themselves down."""
    present = [provider for provider in providers if hasattr(provider, "force_flush")]
    if present:
        lifecycle.register(
            Participant(
                "declared export",
                lifecycle.ORDER_EXPORT,
                flush=lambda deadline: _flush_all(present, deadline),
                shutdown=lambda deadline: _flush_all(present, deadline),
            )
        )


def _flush_all(providers: list[Any], deadline: Deadline) -> None:
    """All at a time: their exporters are the SDK's own, and know of no shared budget."""
    done = [native.Event() for _ in providers]
    for provider, event in zip(providers, done, strict=True):
        if not native.start_thread(_flush, provider, deadline.remaining(), event):
            # The interpreter ends, and since Python 3.12 starts no threads then.
            _flush(provider, deadline.remaining(), event)
    for event in done:
        event.wait(deadline.remaining())


def _flush(provider: Any, seconds: float, done: native.Event) -> None:
    try:
        provider.force_flush(int(seconds * 1000))
    except Exception as error:
        lifecycle.report(f"declared export: {type(error).__name__}: {error}")
    finally:
        done.set()
