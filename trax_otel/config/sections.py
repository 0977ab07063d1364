"""The sections of the settings, frozen, with their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> Any:
        """For type checkers alone."""
        return lambda kind: kind


class Unset(Enum):
    """The type of `UNSET`, so that type checkers know it."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Final = Unset.UNSET
"""An argument that was not passed: it falls through to environment, file and default."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Section:
    """Named values that never change: a subclass lists them with their types and defaults, and is called with keywords.

    What `dataclass` and `NamedTuple` do, without the Python source that those compile for every class at import.
    """

    names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.names = tuple(cls.__annotations__)

    def __init__(self, **given: Any) -> None:
        for name in given:
            if name not in self.names:
                raise TypeError(f"{type(self).__name__} has no {name!r}; there are {', '.join(self.names)}")
        self.__dict__.update(given)
        self.check()

    def check(self) -> None:
        """Where a subclass refuses values."""

    def as_dict(self) -> dict[str, Any]:
        """Its values by name."""
        return {name: getattr(self, name) for name in self.names}

    def replace(self, **changes: Any) -> Self:
        """The same with other values."""
        return type(self)(**{**self.__dict__, **changes})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed: make another one with `replace`")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.as_dict() == self.as_dict()

    def __hash__(self) -> int:
        return hash(tuple(self.as_dict().values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.as_dict().items())})"


class LoggingSettings(Section):
    """Section `logging`. Sizes are bytes, `rotate_every` seconds."""

    level: str = "INFO"
    log_to_console: bool = True
    log_to_file: bool = True
    log_to_json: bool = True
    log_dir: str = "logs"
    max_file_size: int = 10 * 1024 * 1024
    backup_count: int = 5
    rotate_every: float | None = 86_400.0
    console_colour: Literal["auto", "always", "never"] = "auto"


class RetrySettings(Section):
    """Section `retry`. Delays are seconds; `jitter` is a fraction or the name of a full form."""

    max_retries: int = 3
    initial_delay: float = 1.0
    max_delay: float = 30.0
    jitter: float | str | None = 0.1


class RecoverySettings(Section):
    """Section `recovery`. `timeout` is seconds."""

    enabled: bool = True
    max_fallbacks: int = 3
    timeout: float = 30.0


class MetricsSettings(Section):
    """Section `metrics`. `health_monitor_interval` is seconds."""

    enabled: bool = True
    health_monitor_interval: float = 60.0
    export_enabled: bool = True
    thresholds: tuple[Mapping[str, Any], ...] = ()
    cardinality_limit: int = 1_000
    operation_resources: bool = False


class RuntimeSettings(Section):
    """Section `runtime`. `exit_timeout` is seconds."""

    exit_timeout: float = 5.0
    flush_on_exit: bool = True
    flush_each_request: str = "auto"
    quiet: bool = False
    debug: bool = False
    correlation_headers: tuple[str, ...] = ("X-Correlation-ID", "X-Request-ID")
    propagate_correlation: bool = False
    root_spans: Literal["limited", "all"] = "limited"
    detect_origin: bool = True


class Settings(Section):
    """Everything that can be set."""

    logging: LoggingSettings = LoggingSettings()
    retry: RetrySettings = RetrySettings()
    recovery: RecoverySettings = RecoverySettings()
    metrics: MetricsSettings = MetricsSettings()
    runtime: RuntimeSettings = RuntimeSettings()
