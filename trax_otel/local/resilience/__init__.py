# What is stored of retries, breakers and recoveries, as the views show it.
#
#   counts       counters and histograms added up over processes and restarts
#   retries      retried operations by how they ended
#   breakers     breakers, their states over time and what changed them
#   recoveries   recoveries, what was tried, resumed operations
#   features     degraded features
#   events       what spans and log records tell of
"""Retries, breakers and recoveries, from metrics, spans and events."""

from .breakers import BreakerChange, BreakerStats, Stretch, breaker_stats
from .features import FeatureStats
from .recoveries import Recoveries, RecoveryStats, Resumed, TriedStats, recoveries
from .retries import RetryStats, retry_stats

__all__ = [
    "BreakerChange",
    "BreakerStats",
    "FeatureStats",
    "Recoveries",
    "RecoveryStats",
    "Resumed",
    "RetryStats",
    "Stretch",
    "TriedStats",
    "breaker_stats",
    "recoveries",
    "retry_stats",
]
