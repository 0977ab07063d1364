"""A histogram's figures, and what can be told from them: mean and estimated percentiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..signals import Series


class Distribution:
    """Counts by bucket. `buckets` has one more than `bounds`: bucket i holds what is > bounds[i-1] and <= bounds[i]."""

    __slots__ = ("bounds", "buckets", "count", "maximum", "minimum", "sum")

    def __init__(
        self,
        bounds: tuple[float, ...],
        buckets: tuple[int, ...],
        count: int = 0,
        sum: float = 0.0,
        minimum: float | None = None,
        maximum: float | None = None,
    ) -> None:
        self.bounds = bounds
        self.buckets = buckets
        self.count = count
        self.sum = sum
        self.minimum = minimum
        self.maximum = maximum

    def __repr__(self) -> str:
        return f"Distribution(count={self.count}, sum={self.sum}, minimum={self.minimum}, maximum={self.maximum})"

    @classmethod
    def of(cls, series: Series) -> Distribution:
        """The distribution of a histogram's series."""
        return cls(series.spec.buckets or (), series.buckets, series.count, series.sum, series.minimum, series.maximum)

    def __add__(self, other: Distribution) -> Distribution:
        """Both together; they must have the same bounds."""
        return Distribution(
            self.bounds,
            tuple(own + more for own, more in zip(self.buckets, other.buckets, strict=True)),
            self.count + other.count,
            self.sum + other.sum,
            min((value for value in (self.minimum, other.minimum) if value is not None), default=None),
            max((value for value in (self.maximum, other.maximum) if value is not None), default=None),
        )

    def since(self, earlier: Distribution) -> Distribution:
        """What came after `earlier`, a former state of the same series. Its extremes are not known, so the whole's
        serve as bounds. A series that began anew (a forked child) is all new."""
        if self.count < earlier.count:
            return self
        return Distribution(
            self.bounds,
            tuple(now - before for now, before in zip(self.buckets, earlier.buckets, strict=True)),
            self.count - earlier.count,
            self.sum - earlier.sum,
            self.minimum,
            self.maximum,
        )

    @property
    def mean(self) -> float | None:
        """The mean; None where nothing was recorded."""
        return self.sum / self.count if self.count else None

    def percentile(self, percent: float) -> float | None:
        """The estimated percentile: values are taken to lie evenly inside their bucket, between the known extremes.

        None where nothing was recorded. The true value lies in the same bucket, so the error is at most its width.
        """
        if not self.count or self.minimum is None or self.maximum is None:
            return None
        rank = self.count * min(100.0, max(0.0, percent)) / 100
        below = 0
        for index, inside in enumerate(self.buckets):
            if inside and below + inside >= rank:
                low = max(self.minimum, self.bounds[index - 1]) if index else self.minimum
                high = min(self.maximum, self.bounds[index]) if index < len(self.bounds) else self.maximum
                share = (rank - below) / inside
                return high if share >= 1 else min(high, low + (high - low) * share)
            below += inside
        return self.maximum
