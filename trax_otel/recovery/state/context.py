"""`operation_state_context`: a block whose state is kept, for `with` and `async with`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ...errors import InvalidConfigError
from ..driving import run, run_async
from .storage import OnStoreLoss
from .values import encode

if TYPE_CHECKING:
    from types import TracebackType

    from .core import Core
    from .held import Asked
    from .manager import StateRecoveryManager
    from .session import Session

T = TypeVar("T")


class StateView:
    """What both worlds see of an operation that runs."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def operation_id(self) -> str:
        """Its id, which is its idempotency key."""
        return self._session.asked.operation_id

    @property
    def completed(self) -> bool:
        """Whether it was completed before: then `result` has what was recorded, and nothing should be run."""
        return self._session.completed

    @property
    def resumed(self) -> bool:
        """Whether it was begun before, and interrupted or failed."""
        entered = self._session.entered
        return entered is not None and entered.way == "resumed"

    @property
    def recoveries(self) -> int:
        """How many times it was taken over since it was begun or queued anew."""
        entered = self._session.entered
        return 0 if entered is None else entered.recoveries

    @property
    def fencing_token(self) -> int:
        """Greater with every run: hand it to systems that should refuse writes of a run that was replaced."""
        entered = self._session.entered
        return 0 if entered is None else entered.fencing_token

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that were saved when it was begun first."""
        return self._session.arguments

    @property
    def data(self) -> Mapping[str, Any]:
        """What was checkpointed so far."""
        return MappingProxyType(self._session.data)

    @property
    def result(self) -> Any:
        """What `set_result` was given, in this run or in the one that completed it."""
        return self._session.result

    def set_result(self, value: Any) -> None:
        """What is recorded when the block ends well. Raises UnstorableValueError where JSON cannot keep it."""
        self._session.set_result(value)


class OperationState(StateView):
    """What `with operation_state_context(…)` yields."""

    __slots__ = ()

    def step(self, name: str, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Call the function and record what it returns; where that is recorded already, return it without a call.

        Steps of one name are told apart by their arguments, where results are recorded for several, else by their order. One
        that failed is repeated under its own number. What is returned has been through JSON: tuples are lists.

        Raises:
            StateError: a version before this one recorded the name, and lost count where a call failed.
            UnstorableValueError: the result cannot be kept; the message has its place and type.
            StateLostError: the operation's lease is lost, or its state cannot be saved.
            OperationCompletedError: the operation was completed before, without this step.
        """
        result: T = run(self._session.step(_named(name), function, args, kwargs))
        return result

    def checkpoint(self, /, **data: Any) -> None:
        """Save `data`, merged into what was checkpointed before. Raises as `step` does."""
        run(self._session.checkpoint(data))


class AsyncOperationState(StateView):
    """What `async with operation_state_context(…)` yields."""

    __slots__ = ()

    @overload
    async def step(self, name: str, function: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T: ...

    @overload
    async def step(self, name: str, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T: ...

    async def step(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`OperationState.step`; what the function returns is awaited where it is awaitable. Steps may run side by side
        where their names or arguments differ."""
        return await run_async(self._session.step(_named(name), function, args, kwargs))

    async def checkpoint(self, /, **data: Any) -> None:
        """`OperationState.checkpoint`, without blocking the event loop."""
        await run_async(self._session.checkpoint(data))


class OperationStateContext:
    """What `operation_state_context` returns; it can be entered once."""

    __slots__ = ("_asked", "_core", "_session")

    def __init__(self, core: Core, asked: Asked) -> None:
        self._core = core
        self._asked = asked
        self._session: Session | None = None

    def __enter__(self) -> OperationState:
        session = self._begin(perform_here)
        run(session.enter())
        return OperationState(session)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._session is not None
        run(self._session.leave(error))

    async def __aenter__(self) -> AsyncOperationState:
        session = self._begin(self._core.workers.run)
        await run_async(session.enter())
        return AsyncOperationState(session)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._session is not None
        await run_async(self._session.leave(error))

    def _begin(self, perform: Callable[[Callable[[], Any]], Any]) -> Session:
        from .session import Session

        if self._session is not None:
            raise RuntimeError("an operation_state_context is entered once: make another one")
        claim = self._core.claim_of(self._asked.operation_id)
        self._session = Session(self._core, self._asked, perform, claim)
        return self._session


def operation_state_context(
    manager: StateRecoveryManager,
    operation_id: str,
    correlation_id: str | None = None,
    operation_type: str = "operation",
    *,
    arguments: Mapping[str, Any] | None = None,
    on_store_loss: OnStoreLoss | None = None,
    check_arguments: bool | None = None,
) -> OperationStateContext:
    """Keep the state of the block: `with` or `async with … as state`.

    The block's beginning is saved with its `arguments` (they reach a recovery function as `state.arguments`), then each
    `state.step(…)` and `state.checkpoint(…)`, and its end. An Exception ends it as failed; anything else that leaves the
    block (a cancelled task, Ctrl-C) only interrupts it. `correlation_id` is current inside.

    A step whose result was recorded never runs again, whatever happens; one that is running when its process dies runs
    once more (at least once), so let it be repeatable, or give the other side `state.fencing_token` or the operation id.

    `operation_id` is an idempotency key. Of an operation that was interrupted or has failed, the recorded steps return
    what they did and the others run. One that is completed yields `state.completed` and `state.result`: a `with` block
    cannot skip itself, so begin it with `if state.completed: return state.result`; a step that has no record then raises
    OperationCompletedError instead of running.

    The arguments belong to the identity: an id that was begun with others is refused, for its recorded results are not those
    of this call. Where `arguments` is left out nothing is compared. `check_arguments=False` (None: the manager's) compares
    neither these nor those of steps, which are then told apart by their names and order alone.

    `on_store_loss` (None: the manager's): "stop" waits for a store that fails as long as the lease holds, then raises
    StateLostError at the next step; "continue" goes on at once, saves when the store is back, and says in log and trace
    that the operation may be executed twice. Whoever is told by the store that another has taken over stops in any case.

    Raises, when entered:
        OperationBusyError: somebody runs it now; `retry_after` is how long its lease holds.
        StateError: the id is that of an operation of another type, or with other arguments.
        OperationDeadError: it was recovered too often; `trax-otel state recover` queues it anew.
        StateStoreError: the store does not answer (on_store_loss="stop").
    """
    from .held import Asked  # the machinery is loaded where it is used, not where its name is

    core = manager.sync.core
    for name, text in (("operation_id", operation_id), ("operation_type", operation_type)):
        _required(name, text)
    if correlation_id is not None:
        _required("correlation_id", correlation_id)
    loss = core.settings.on_store_loss if on_store_loss is None else checked_loss(on_store_loss)
    kept = encode(dict(arguments or {}), "arguments", core.settings.max_bytes)
    compares = core.settings.check_arguments if check_arguments is None else check_arguments
    given = compares and arguments is not None
    return OperationStateContext(core, Asked(operation_id, operation_type, correlation_id, kept, loss, compares, given))


def perform_here(function: Callable[[], T]) -> T:
    """The store's work in the caller's thread."""
    return function()


def checked_loss(value: str) -> OnStoreLoss:
    """The value, if it is one. Raises InvalidConfigError."""
    if value not in ("stop", "continue"):
        raise InvalidConfigError(f"on_store_loss={value!r}: allowed are 'stop' and 'continue'")
    return value  # type: ignore[return-value]


def _required(name: str, text: str) -> str:
    valid = isinstance(text, str) and 0 < len(text) <= _LONGEST and text.isprintable()
    if not valid:
        raise InvalidConfigError(f"{name}={text!r}: a printable text of 1 to {_LONGEST} characters is needed")
    return text


_LONGEST = 500


def _named(name: str) -> str:
    return _required("step name", name)
