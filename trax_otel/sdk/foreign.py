"""Exporters that are not ours (console, other vendors'), behind our queues: contained and counted like our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .delivery import logger, unobserved
from .encode import MetricItem, metrics_data

if TYPE_CHECKING:
    from .delivery import Effort
    from .encode import Codec
    from .tally import Tally


class ExporterDelivery:
    """Hands batches to an SDK exporter and believes what it returns."""

    def __init__(self, exporter: Any, codec: Codec[Any], tally: Tally, name: str) -> None:
        self.exporter = exporter
        self.tally = tally
        self._codec = codec
        self._name = name

    def deliver(self, items: Sequence[Any], effort: Effort) -> int:
        """Export a batch; returns how many of its items are lost."""
        count = self._codec.count(items)
        try:
            with unobserved():
                if isinstance(items[0], MetricItem):
                    result = self.exporter.export(metrics_data(items), timeout_millis=effort.remaining() * 1000)
                else:
                    result = self.exporter.export(items)
            if result is None or result.name == "SUCCESS":
                self.tally.accepted(count)
                return 0
            self.tally.last_failure = f"exporter {self._name} failed"
        except Exception as error:
            self.tally.last_failure = f"exporter {self._name}: {type(error).__name__}: {error}"
            logger.warning("%s", self.tally.last_failure)
        self.tally.failing = True
        self.tally.dropped(count, "budget" if effort.closing else "transport")
        return count

    def forget(self) -> None:
        """A forked child: what the exporter holds is its own affair."""

    def close(self) -> None:
        """Shut the exporter down."""
        try:
            with unobserved():
                self.exporter.shutdown()
        except Exception as error:
            logger.warning("exporter %s: %s: %s", self._name, type(error).__name__, error)
