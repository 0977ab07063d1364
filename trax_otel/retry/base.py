"""`RetryConfig`: how to retry. A field that is not passed falls through to environment, file and default."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from .. import config, errors
from ..config import UNSET, Section, Unset
from ..errors.awaiting import is_coroutine_function
from .budget import RetryBudget, retry_budget
from .conditions import Condition, check_condition
from .details import RetryDetails
from .waits import Jitter, Wait, check_wait

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .options import RetryOptions

Callback = Callable[["RetryDetails"], object]

SETTINGS: Final = ("max_retries", "initial_delay", "max_delay", "jitter")
CALLBACKS: Final = ("before_attempt", "before_sleep", "on_success", "on_give_up")


class Stop(Protocol):
    """What `threading.Event` and `asyncio.Event` have in common."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


class RetryLimits(Section):
    """The fields that settings may give, resolved. Delays are seconds."""

    max_retries: int
    initial_delay: float
    max_delay: float
    jitter: Jitter


class RetryConfig(Section):
    """How to retry. Times are seconds.

    `max_retries` counts repeats: 3 means four calls. Waits: `wait` (see `waits.Wait`) from `initial_delay` to at most
    `max_delay`, spread by `jitter`: ± a fraction, `"full"`, `"equal"`, `"decorrelated"` or None.
    A Retry-After that an error or a result carries comes first; one beyond `max_delay` or the deadline gives up at once.

    Stops: `deadline` is for the whole call (no sleep is begun that would pass it, and it holds for retries nested inside).
    `attempt_timeout` is for each attempt of an async call; a synchronous function cannot be interrupted, so it is refused
    there. `budget` is a `RetryBudget` or the name of one. `stop` is an event that ends the retrying.

    What: `retry_on` is a class, a tuple of classes or a predicate of the error (None: as classification says);
    `retry_on_result` a predicate of what was returned. A result that is still refused when no attempt is left is returned.

    Callbacks get `RetryDetails`; one that raises is logged once and changes nothing. `attempt_spans="always"` gives
    the first attempt its own span from the start. `name` is the operation's name (None: the function's).

    Raises:
        InvalidConfigError: an argument has a value that is not allowed.
    """

    max_retries: int | Unset = UNSET
    initial_delay: float | Unset = UNSET
    max_delay: float | Unset = UNSET
    jitter: Jitter | Unset = UNSET
    wait: Wait = "exponential"
    deadline: float | None = None
    attempt_timeout: float | None = None
    budget: RetryBudget | str | None = None
    stop: Stop | None = None
    retry_on: Condition | None = None
    retry_on_result: Callable[[Any], bool] | None = None
    before_attempt: Callback | None = None
    before_sleep: Callback | None = None
    on_success: Callback | None = None
    on_give_up: Callback | None = None
    attempt_spans: Literal["on_failure", "always"] = "on_failure"
    name: str | None = None

    # No `__init__` of its own: type checkers make one of the fields, and so know misspelt and mistyped ones.

    def check(self) -> None:
        problems = [*_setting_problems(self), *_problems(self)]
        if problems:
            raise errors.InvalidConfigError("RetryConfig: " + "; ".join(problems))

    def replace(self, **changes: Unpack[RetryOptions]) -> RetryConfig:  # type: ignore[override]  # narrower on purpose
        """The same with other values."""
        return super().replace(**changes)

    def __repr__(self) -> str:
        return f"RetryConfig({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def limits(self) -> RetryLimits:
        """What was passed, and for the rest what the settings in force say."""
        section = config.settings().retry
        return RetryLimits(**{name: _chosen(getattr(self, name), getattr(section, name)) for name in SETTINGS})

    def shared_budget(self) -> RetryBudget | None:
        """The budget, by its name where a name was given."""
        return retry_budget(self.budget) if isinstance(self.budget, str) else self.budget

    @property
    def plain(self) -> bool:
        """Whether a call that succeeds at once asks for nothing but being counted."""
        return (
            self.deadline is None
            and self.attempt_timeout is None
            and self.budget is None
            and self.retry_on_result is None
            and self.before_attempt is None
            and self.on_success is None
            and self.attempt_spans == "on_failure"
        )


def configured(given: object, options: dict[str, Any]) -> RetryConfig:
    """A configuration from a config, from keywords, or from a config with keywords that change it.

    Raises:
        InvalidConfigError: a keyword or a value is not allowed.
    """
    if not isinstance(given, (RetryConfig, type(None))):
        raise errors.InvalidConfigError(f"{given!r} is not a RetryConfig; options are passed by keyword")
    unknown = [name for name in options if name not in NAMES]
    if unknown:
        hints = [f"{name!r} is not an option{_meant(name)}" for name in unknown]
        raise errors.InvalidConfigError("RetryConfig: " + "; ".join(hints))
    if given is None:
        return RetryConfig(**options)
    return given.replace(**options) if options else given


def _meant(name: str) -> str:
    from ..config.fields import nearest

    found = nearest(name, NAMES)
    return f" (did you mean {found!r}?)" if found else f" ({', '.join(NAMES)} are)"


def _chosen(given: Any, setting: Any) -> Any:
    return setting if given is UNSET else given


def _setting_problems(given: RetryConfig) -> list[str]:
    """The fields that settings have too are held to the same rules."""
    passed = {name: getattr(given, name) for name in SETTINGS if getattr(given, name) is not UNSET}
    if not passed:
        return []
    _, problems = config.load({"retry": passed}, environ={})
    return [f"{problem.name.removeprefix('retry.')}: {problem.message}" for problem in problems]


def _problems(given: RetryConfig) -> list[str]:
    found: list[str | None] = [check_wait(given.wait)]
    for name in ("deadline", "attempt_timeout"):
        value = getattr(given, name)
        if value is not None and not (isinstance(value, (int, float)) and 0 < value < float("inf")):
            found.append(f"{name}={value!r} is not a number of seconds above 0, or None")
    budget: Any = given.budget
    if budget is not None and not isinstance(budget, (RetryBudget, str)):
        found.append(f"budget={budget!r} is not a RetryBudget or the name of one")
    if given.stop is not None and not callable(getattr(given.stop, "is_set", None)):
        found.append(f"stop={given.stop!r} is not an event: it has no is_set()")
    if given.retry_on is not None:
        problem = check_condition(given.retry_on)
        found.append(problem and f"retry_on: {problem}")
    for name in ("retry_on_result", *CALLBACKS):
        function = getattr(given, name)
        if function is not None and not callable(function):
            found.append(f"{name}={function!r} cannot be called")
        elif function is not None and is_coroutine_function(function):
            found.append(f"{name} is a coroutine function; it is called, not awaited")
    if given.attempt_spans not in {"on_failure", "always"}:
        found.append(f"attempt_spans={given.attempt_spans!r} is not 'on_failure' or 'always'")
    return [problem for problem in found if problem]


NAMES: Final = RetryConfig.names
