"""The distro: defaults for what the user left open, and instrumentors that cannot take each other down."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

from .. import lifecycle

LOG_CORRELATION_VARIABLE: Final = "OTEL_PYTHON_LOG_CORRELATION"
CONFIG_FILE_VARIABLE: Final = "OTEL_CONFIG_FILE"
DEFAULTS: Final = {
    # Every record leaves through our own bridge, as exactly one OTLP record; the contrib handler would be a second way.
    "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION": "false",
}
"""What is set where the user set nothing; nothing at all where OTEL_CONFIG_FILE is given."""


class TraxDistro(BaseDistro):  # type: ignore[misc,unused-ignore]
    """`OTEL_PYTHON_DISTRO=trax`."""

    def _configure(self, **kwargs: Any) -> None:
        if os.environ.get(CONFIG_FILE_VARIABLE):
            return
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)

    def load_instrumentor(self, entry_point: Any, **kwargs: Any) -> None:
        """Load one instrumentor. One that raises, whatever it raises, is named in one line and the others go on."""
        if entry_point.name == "logging" and os.environ.get(LOG_CORRELATION_VARIABLE, "").lower() != "true":
            return  # without a format to set it would only add a wrapper around every record
        try:
            with _without_warnings():
                super().load_instrumentor(entry_point, **kwargs)
        except ModuleNotFoundError:
            return  # the library is not installed
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit, or a panic of a library in Rust, must not end the service either
            lifecycle.report(f"instrumentation of {entry_point.name} failed: {type(error).__name__}: {error}")


@contextmanager
def _without_warnings() -> Iterator[None]:
    """What an instrumentor is warned of is not the service's to see, and `-W error` must not stop it.

    Only our own filter goes afterwards: those that a library sets at its import stay.
    """
    warnings.simplefilter("ignore")
    ours = warnings.filters[0]
    try:
        yield
    finally:
        if ours in warnings.filters:
            warnings.filters.remove(ours)  # type: ignore[attr-defined]
