"""Features that do less while something is wrong: levels that go down on failures and come back by themselves."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypedDict

from ... import clock, config, lifecycle, semconv
from ...errors import InvalidConfigError
from ...signals import emit_event, observe
from .cache import seconds

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, Unpack

LEVELS: Final = ("full", "reduced", "off")
DEFAULT_THRESHOLD: Final = 5
DEFAULT_WINDOW: Final = 60.0
DEFAULT_QUIET: Final = 60.0

Change = tuple[int, str]
"""A level that was taken, by its number, and why."""

_logger = logging.getLogger(__name__)


class Feature:
    """A feature and the level it works at. `feature(name)` gives the one of a name; made directly, it has no gauge.

    `levels` are names from everything to the least. `failure_threshold` failures within `window` seconds take it one level
    down, and the count begins anew. After every `recover_after` seconds without a failure it comes one level up. Nobody
    need ask for that: the level is worked out whenever it is looked at. `with feature:` counts what its block raises, which
    goes on. Threads and tasks may share a feature.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    def __init__(
        self,
        name: str,
        levels: Sequence[str] = LEVELS,
        *,
        failure_threshold: int = DEFAULT_THRESHOLD,
        window: float = DEFAULT_WINDOW,
        recover_after: float = DEFAULT_QUIET,
    ) -> None:
        self._lock = lifecycle.ForkSafeLock()
        if not isinstance(name, str) or not name:
            raise InvalidConfigError(f"name={name!r}: a text is needed")
        if isinstance(levels, str) or len(set(levels)) != len(levels) or len(levels) < 2:
            raise InvalidConfigError(
                f"levels={levels!r}: at least two different names are needed, from everything to least"
            )
        whole = isinstance(failure_threshold, int) and not isinstance(failure_threshold, bool)
        if not whole or failure_threshold < 1:
            raise InvalidConfigError(f"failure_threshold={failure_threshold!r}: a whole number from 1 is needed")
        self.name = name
        self.levels = tuple(levels)
        self.failure_threshold = failure_threshold
        self.window = seconds("window", window, above_zero=True)
        self.recover_after = seconds("recover_after", recover_after, above_zero=True)
        self._index = 0
        self._held = False
        self._failures: deque[float] = deque(maxlen=failure_threshold)
        self._quiet_since = clock.current().monotonic()

    # --- Asking ------------------------------------------------------------------------------------------------------------

    @property
    def level(self) -> str:
        """The name of the level it works at now."""
        return self.levels[self.degradation]

    @property
    def degradation(self) -> int:
        """How many levels below everything it works now; 0: it does everything."""
        if self._index == 0 and not self._held:
            return 0
        with self._lock:
            changes = self._come_back(clock.current().monotonic())
            index = self._index
        self._tell(changes)
        return index

    def at_least(self, level: str) -> bool:
        """Whether it works at this level or a fuller one. Raises InvalidConfigError where there is no such level."""
        return self.degradation <= self._position(level)

    @property
    def held(self) -> bool:
        """Whether its level was set by `hold`."""
        return self._held

    @property
    def retry_after(self) -> float:
        """Seconds until it comes one level up if nothing fails; 0.0 where it does everything already."""
        with self._lock:
            if self._index == 0:
                return 0.0
            return max(0.0, self.recover_after - (clock.current().monotonic() - self._quiet_since))

    # --- Telling -----------------------------------------------------------------------------------------------------------

    def failed(self) -> None:
        """Count a failure. Where the level is held it is not counted."""
        with self._lock:
            if self._held:
                return
            now = clock.current().monotonic()
            changes = self._come_back(now)
            self._quiet_since = now
            self._failures.append(now)
            enough = len(self._failures) == self.failure_threshold and now - self._failures[0] <= self.window
            if enough and self._index < len(self.levels) - 1:
                self._index += 1
                self._failures.clear()
                changes.append((self._index, f"{self.failure_threshold} failures within {self.window:g} s"))
        self._tell(changes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            from ...errors.control_flow import never_retried

            if error is None or not never_retried(error):  # a cancelled task tells nothing of the feature
                self.failed()

    def hold(self, level: str) -> None:
        """Set the level by hand: it stays there until `release`. Raises InvalidConfigError where there is no such level."""
        position = self._position(level)
        with self._lock:
            self._held = True
            self._failures.clear()
            changes = [] if position == self._index else [(position, "set by hand")]
            self._index = position
        self._tell(changes)

    def release(self) -> None:
        """Let it go down and up by itself again, from where it is."""
        with self._lock:
            self._held = False
            self._quiet_since = clock.current().monotonic()

    def __repr__(self) -> str:
        return f"Feature({self.name!r}, level={self.levels[self._index]!r}{', held' if self._held else ''})"

    # --- Inside ------------------------------------------------------------------------------------------------------------

    def _come_back(self, now: float) -> list[Change]:
        """One level up for each quiet time that has passed; the levels passed through. The lock is held."""
        changes: list[Change] = []
        while not self._held and self._index > 0 and now - self._quiet_since >= self.recover_after:
            self._index -= 1
            self._quiet_since += self.recover_after
            self._failures.clear()
            changes.append((self._index, "nothing failed for a while"))
        return changes

    def _position(self, level: str) -> int:
        if level not in self.levels:
            raise InvalidConfigError(f"{self.name}: level={level!r} is none of {', '.join(self.levels)}")
        return self.levels.index(level)

    def _tell(self, changes: list[Change]) -> None:
        for index, why in changes:
            level, whole = self.levels[index], index == 0
            attributes: dict[str, Any] = {semconv.FEATURE_NAME: self.name, semconv.FEATURE_LEVEL: level}
            emit_event(semconv.FEATURE_CHANGED_EVENT, attributes, severity="INFO" if whole else "WARN", body=why)
            severity = logging.INFO if whole else logging.WARNING
            _logger.log(severity, "feature %s works at level %s: %s", self.name, level, why)


# --- The features of this process --------------------------------------------------------------------------------------


_features: dict[str, Feature] = {}
_lock = lifecycle.ForkSafeLock()


class FeatureOptions(TypedDict, total=False):
    """See `Feature`."""

    failure_threshold: int
    window: float
    recover_after: float


def feature(name: str, levels: Sequence[str] | None = None, **options: Unpack[FeatureOptions]) -> Feature:
    """The feature of this name; the first call makes it, with what `Feature` takes, and the gauge shows it from then on.

    Raises:
        InvalidConfigError: it exists with other options, an option has a value that is not allowed, or there are as many
            features as metrics have room for (`metrics.cardinality_limit`): a name must not come from data.
    """
    given: Any = options if levels is None else {**options, "levels": tuple(levels)}
    with _lock:
        known = _features.get(name)
        if known is None:
            limit = config.settings().metrics.cardinality_limit
            if len(_features) >= limit:
                raise InvalidConfigError(
                    f"feature {name!r}: there are {limit} features already; its name must be bounded"
                )
            made = _features[name] = Feature(name, **given)
            return made
    for option, value in given.items():
        if getattr(known, option, None) != value:
            raise InvalidConfigError(
                f"feature {name!r} exists with {option}={getattr(known, option, None)!r}, not {value!r}"
            )
    return known


def features() -> tuple[Feature, ...]:
    """Every feature that `feature` made, by name."""
    with _lock:
        return tuple(_features[name] for name in sorted(_features))


def forget_feature(name: str) -> bool:
    """Take a feature out of the gauge, so that `feature` makes it anew; False where there was none."""
    with _lock:
        return _features.pop(name, None) is not None


def _observe() -> list[tuple[float, dict[str, Any]]]:
    return [(known.degradation, {semconv.FEATURE_NAME: known.name}) for known in features()]


observe(semconv.FEATURE_LEVELS, _observe)
