"""A budget that bounds how many repeats a process makes, however many calls and layers retry.

A token bucket: a repeat takes one token, time and successes give some back. When it is empty, errors are raised as
they come: a service that is down is not hit by every caller's full number of attempts.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final

from .. import clock, errors, lifecycle, semconv
from ..signals import observe
from ..signals.aggregate import Observation

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .options import BudgetOptions

DEFAULT_TOKENS: Final = 10.0


class RetryBudget:
    """A shared token bucket. Budgets of one name are one budget: the first to be made says how large it is.

    `tokens` is how many repeats it holds at most and at first, `per_second` and `per_success` what comes back.
    """

    __slots__ = ("_given", "_lock", "_refilled", "_tokens", "capacity", "name", "per_second", "per_success")

    def __init__(
        self, name: str, *, tokens: float = DEFAULT_TOKENS, per_second: float = 1.0, per_success: float = 0.1
    ) -> None:
        for argument, value in (("tokens", tokens), ("per_second", per_second), ("per_success", per_success)):
            if not (isinstance(value, (int, float)) and 0 <= value < float("inf")):
                raise errors.InvalidConfigError(f"RetryBudget: {argument}={value!r} is not a number 0 or more")
        self.name = name
        self._given: BudgetOptions = {"tokens": tokens, "per_second": per_second, "per_success": per_success}
        self.capacity = float(tokens)
        self.per_second = per_second
        self.per_success = per_success
        self.renew()

    def renew(self) -> None:
        """Fill it up."""
        self._lock = threading.Lock()
        self._tokens = self.capacity
        self._refilled = clock.current().monotonic()

    @property
    def tokens(self) -> float:
        """How many repeats it allows now."""
        with self._lock:
            self._refill_needs_lock()
            return self._tokens

    def take(self) -> bool:
        """Take one repeat; False where none is left."""
        with self._lock:
            self._refill_needs_lock()
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def give(self) -> None:
        """Note a success."""
        with self._lock:
            self._tokens = min(self.capacity, self._tokens + self.per_success)

    def _refill_needs_lock(self) -> None:
        now = clock.current().monotonic()
        passed = now - self._refilled
        self._refilled = now  # also where another clock came into force and the time went back
        if passed > 0:
            self._tokens = min(self.capacity, self._tokens + passed * self.per_second)

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self.name, self._given)  # sent to another process it is the budget of its name there

    def __repr__(self) -> str:
        return f"RetryBudget({self.name!r}, tokens={self.tokens:g} of {self.capacity:g})"


_budgets: dict[str, RetryBudget] = {}


def retry_budget(name: str, **options: Unpack[BudgetOptions]) -> RetryBudget:
    """The process-wide budget of this name; `options` are those of `RetryBudget` and count when it is made."""
    found = _budgets.get(name)
    return found if found is not None else _budgets.setdefault(name, RetryBudget(name, **options))


def _received(name: str, options: BudgetOptions) -> RetryBudget:
    return retry_budget(name, **options)


def _observe_tokens() -> list[Observation]:
    return [(budget.tokens, {semconv.RETRY_BUDGET_NAME: name}) for name, budget in list(_budgets.items())]


def _renew() -> None:
    for budget in _budgets.values():
        budget.renew()


observe(semconv.RETRY_BUDGET_TOKENS, _observe_tokens)
lifecycle.register(
    lifecycle.Participant("retry budgets", lifecycle.ORDER_SIGNALS + 2, after_fork_in_child=_renew),
)


# --- What nested retries share --------------------------------------------------------------------


class Bounds:
    """What a retry imposes on those inside its calls: a point of the monotonic clock, and a budget. Made, they keep the outer
    ones (the earlier deadline, and the inner budget or else the outer's); they hold from `begin` to `end`, except between
    `suspend` and `resume`.

    `over` is set by `end`: a context may outlive the retry (a task begun inside, a generator that nobody closed)."""

    __slots__ = ("_token", "budget", "deadline", "outer", "over")

    def __init__(
        self, deadline: float | None = None, budget: RetryBudget | None = None, outer: Bounds | None = None
    ) -> None:
        self.budget: RetryBudget | None = budget
        self.deadline: float | None = deadline
        if outer is not None:
            if outer.deadline is not None and (deadline is None or outer.deadline < deadline):
                self.deadline = outer.deadline
            self.budget = budget or outer.budget
        self.outer = outer
        self.over = False
        self._token: Token[Bounds] | None = None

    def begin(self) -> Self:
        """Let them hold for what runs inside."""
        if self._token is None and not self.over:
            self._token = bounds.set(self)
        return self

    resume = begin
    """Undo `suspend`."""

    def suspend(self) -> None:
        """Let the outer ones hold while the work pauses."""
        token, self._token = self._token, None
        if token is not None:
            try:
                bounds.reset(token)
            except ValueError:  # in another context than it began in: there it never held
                return

    def end(self) -> None:
        """They hold nowhere from now on."""
        self.over = True
        self.suspend()


UNBOUNDED: Final = Bounds()
bounds: Final[ContextVar[Bounds]] = ContextVar("trax_otel.retry.bounds", default=UNBOUNDED)
"""What was imposed in this thread or task last; `in_force` is what holds."""


def in_force() -> Bounds:
    """What bounds the retries of this thread or task."""
    found = bounds.get()
    while found.over:
        found = found.outer or UNBOUNDED
    return found
