# Fallbacks: what answers in the place of an operation that failed.
#
#   alternatives   a function as an alternative;      cached      kept answers as one
#   chain          the call and its alternatives, as a plan;      telemetry   what it tells
#   strategy       a fixed chain, also a strategy of a RecoveryManager
#   manager        alternatives for any operation;    transcription   the same for speech
#   points         the manager of a block (ambient: which one that is, here and now); marks    objects as functions
#   cache          answers by age, key and number;    stale       a decorator over it
#   levels         features that go down on failures and come back;      degradation   a function for each level
"""What answers in the place of an operation that failed."""

from .alternatives import NO_ANSWER, Alternative
from .cache import CachedAnswer, ResponseCache
from .cached import CachedFallback
from .degradation import Degradable, degradable
from .levels import Feature, feature, features, forget_feature
from .manager import FallbackManager
from .points import fallback_context, fallback_point
from .stale import stale_while_error
from .strategy import FallbackStrategy, create_fallback_strategy
from .transcription import TranscriptionFallbackManager

__all__ = [
    "NO_ANSWER",
    "Alternative",
    "CachedAnswer",
    "CachedFallback",
    "Degradable",
    "FallbackManager",
    "FallbackStrategy",
    "Feature",
    "ResponseCache",
    "TranscriptionFallbackManager",
    "create_fallback_strategy",
    "degradable",
    "fallback_context",
    "fallback_point",
    "feature",
    "features",
    "forget_feature",
    "stale_while_error",
]
