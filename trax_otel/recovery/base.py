"""What a recovery is told, and what a strategy must be able to do."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Protocol

from ..errors import InvalidConfigError

DEFAULT_PRIORITY: Final = 100
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class RecoveryContext:
    """What failed: the operation's name, its error, the arguments it was called with and whatever else strategies need.

    `arguments` are `(args, kwargs)` of the call. `metadata` is free; `operation_id` in it names the operation whose saved
    state `StateRecoveryStrategy` resumes. A context never changes; `replace` gives another one.

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    __slots__ = ("arguments", "error", "metadata", "operation")

    operation: str
    error: BaseException
    arguments: tuple[tuple[Any, ...], Mapping[str, Any]]
    metadata: Mapping[str, Any]

    def __init__(
        self,
        operation: str,
        error: BaseException,
        arguments: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), _NOTHING),
        metadata: Mapping[str, Any] = _NOTHING,
    ) -> None:
        if not isinstance(operation, str) or not operation:
            raise InvalidConfigError(f"operation={operation!r}: the name of what failed is needed")
        if not isinstance(error, BaseException):
            raise InvalidConfigError(f"error={error!r}: the exception that the operation raised is needed")
        if not isinstance(metadata, Mapping):
            raise InvalidConfigError(f"metadata={metadata!r}: a mapping is needed")
        given: Any = {
            "operation": operation,
            "error": error,
            "arguments": _arguments(arguments),
            "metadata": MappingProxyType(dict(metadata)),
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments of the call that failed."""
        return self.arguments[0]

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """Its keyword arguments."""
        return self.arguments[1]

    def replace(self, **changes: Any) -> RecoveryContext:
        """The same with other values."""
        return RecoveryContext(**{**{name: getattr(self, name) for name in self.__slots__}, **changes})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"RecoveryContext.{name} cannot be changed: make another one with `replace`")

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = self.args, dict(self.kwargs)
        return RecoveryContext, (self.operation, self.error, arguments, dict(self.metadata))

    def __repr__(self) -> str:  # arguments and metadata may hold what must not be logged
        return f"RecoveryContext(operation={self.operation!r}, error={type(self.error).__name__})"


def _arguments(given: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    try:
        args, kwargs = given
        return tuple(args), MappingProxyType(dict(kwargs))
    except (TypeError, ValueError):
        raise InvalidConfigError(f"arguments={given!r}: a pair of positional and keyword arguments is needed") from None


class RecoveryStrategy(Protocol):
    """One way to recover. What has these members is a strategy; whoever inherits gets the defaults.

    `recover` returns the value that stands in for the operation's, or an awaitable of it; that the strategy failed it says
    by raising. A strategy that may have to wait and serves synchronous callers too has another method, `recover_sync`, for
    them; else they get `recover`. `PREPARED` instead of a value says that the ground is cleared (something was rolled
    back or cleaned up) and that the strategies after it shall answer.
    """

    name: str
    """Bounded: it is a label of metrics."""
    priority: int = DEFAULT_PRIORITY
    """Lower goes first; of equals the one that was added first."""

    def applies(self, context: RecoveryContext) -> bool:
        """Whether this strategy can do something about it. Quick; it is asked before each try."""
        return True

    def recover(self, context: RecoveryContext) -> Any | Awaitable[Any]:
        """The value in place of the operation's, or `PREPARED`."""
        ...


class Prepared(Enum):
    """The type of `PREPARED`, so that type checkers know it."""

    PREPARED = "prepared"

    def __repr__(self) -> str:
        return "PREPARED"


PREPARED: Final = Prepared.PREPARED
"""What `recover` returns where it cleared the ground and another strategy shall answer."""
