"""celery has OpenTelemetry's own instrumentation, whose spans stay as they are; the correlation id travels beside its trace."""

from __future__ import annotations

import functools
import sys
from typing import Any, Final

from ...signals import Correlation, current_correlation, valid_correlation_id
from ...signals.correlation import with_correlation

HEADER: Final = "trax_correlation_id"
"""The message's header. celery's own `correlation_id` is the task's id."""


def hook() -> None:
    """Let the instrumentor's `inject` and `extract` carry the id too; doing it twice changes nothing."""
    module: Any = sys.modules["opentelemetry.instrumentation.celery"]
    inject, extract = module.inject, module.extract
    if hasattr(inject, "__wrapped__"):
        return

    @functools.wraps(inject)
    def inject_both(carrier: Any, *args: Any, **kwargs: Any) -> None:
        correlation_id = current_correlation().id
        if correlation_id is not None:
            carrier[HEADER] = correlation_id
        inject(carrier, *args, **kwargs)

    @functools.wraps(extract)
    def extract_both(carrier: Any, *args: Any, **kwargs: Any) -> Any:
        context = extract(carrier, *args, **kwargs)
        correlation_id = valid_correlation_id(getattr(carrier, HEADER, None))
        return context if correlation_id is None else with_correlation(Correlation(correlation_id), context)

    module.inject, module.extract = inject_both, extract_both
