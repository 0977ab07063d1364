"""`ResourceCleanup`: what was opened or made on the way is cleaned up at the end, the last first, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ...errors import InvalidConfigError
from ..base import DEFAULT_PRIORITY, PREPARED, RecoveryContext, RecoveryStrategy
from ..driving import run, run_async

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from ...retry.plan import Plan
    from .unwinding import Action, Unwound


class ResourceCleanup(RecoveryStrategy):
    """A stack of cleanups: a `with` or `async with` block that ends by running all of them, or a strategy that does so and
    lets the next strategies answer.

    The last one added runs first. One that raises is logged, is in `failures` and holds up none of the others; nor does a
    cancellation, which goes on when all have run. The error that ends the block gets a note for each that failed.
    A forked child has nothing to clean up: what its parent made is its parent's. Cleanups that have to be awaited need
    `async with` or `run_async`. The span `cleanup` says how many were carried out. One thread or task at a time may use it.
    """

    def __init__(self, name: str = "resource_cleanup", *, priority: int = DEFAULT_PRIORITY // 2) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidConfigError(f"name={name!r}: a text is needed")
        self.name = name
        self.priority = priority
        self.failures: tuple[str, ...] = ()
        """Of each cleanup that failed in the last run, why."""
        self._actions: list[Action] = []
        self._owner = os.getpid()

    def __len__(self) -> int:
        return len(self._own())

    # --- What is cleaned up --------------------------------------------------------------------------------------------

    def add(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Callable[[], None]:
        """Call `function(*args, **kwargs)` at the end; returns the function that takes it out again (the resource was
        closed meanwhile)."""
        from .unwinding import Action

        if not callable(function):
            raise InvalidConfigError(f"function={function!r}: a callable is needed")
        name = getattr(function, "__qualname__", type(function).__name__)
        return self._push(Action(name, partial(function, *args, **kwargs)))

    def temporary_file(self, suffix: str = "", directory: str | os.PathLike[str] | None = None) -> Path:
        """Make an empty file that is deleted at the end, whether it is still there or not."""
        import tempfile
        from pathlib import Path

        descriptor, name = tempfile.mkstemp(suffix, dir=directory)
        os.close(descriptor)
        path = Path(name)
        self.add(path.unlink, missing_ok=True)
        return path

    def temporary_directory(self, directory: str | os.PathLike[str] | None = None) -> Path:
        """Make a directory that is deleted at the end with all that is in it."""
        import tempfile
        from pathlib import Path

        path = Path(tempfile.mkdtemp(dir=directory))
        self.add(_delete, path)
        return path

    def process(self, process: Any, grace: float = 5.0) -> Callable[[], None]:
        """End a process at the end: SIGTERM, `grace` seconds, SIGKILL; it is reaped, and its children are ended with it
        where psutil is installed. `process` is a `subprocess.Popen`, one of asyncio's or psutil's, or a number. Returns
        the function that takes it out again."""
        from .processes import check_process, end_process
        from .unwinding import Action

        check_process(process)
        if isinstance(grace, bool) or not isinstance(grace, (int, float)) or not 0 <= grace < float("inf"):
            raise InvalidConfigError(f"grace={grace!r}: seconds from 0 on are needed")
        number = getattr(process, "pid", process)
        return self._push(Action(f"process {number}", plan=partial(end_process, process, grace)))

    # --- When ----------------------------------------------------------------------------------------------------------

    def run(self) -> Unwound:
        """Run all cleanups now; they are forgotten by it. Returns how many were carried out (`done`) and the name and error
        of each that failed (`failures`)."""
        return cast("Unwound", run(self._plan(None)))

    async def run_async(self) -> Unwound:
        """`run`, for cleanups that have to be awaited too."""
        return cast("Unwound", await run_async(self._plan(None)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        run(self._plan(error))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await run_async(self._plan(error))

    # --- As a strategy -------------------------------------------------------------------------------------------------

    def applies(self, context: RecoveryContext) -> bool:
        return len(self) > 0

    async def recover(self, context: RecoveryContext) -> Any:
        return self._checked(await run_async(self._plan(None)))

    def recover_sync(self, context: RecoveryContext) -> Any:
        """`recover` for synchronous callers."""
        return self._checked(run(self._plan(None)))

    def _checked(self, unwound: Unwound) -> Any:
        from .unwinding import failed

        if unwound.failures:
            raise failed(self.name, unwound)
        return PREPARED

    # --- The plan ------------------------------------------------------------------------------------------------------

    def _plan(self, reason: BaseException | None) -> Plan:
        from .unwinding import attach, unwind

        outcome = yield from unwind(self.name, self._own())
        self.failures = outcome.value.told()
        attach(reason, self.name, self.failures)
        return outcome

    def _own(self) -> list[Action]:
        if os.getpid() != self._owner:  # forked
            self._owner = os.getpid()
            self._actions.clear()
        return self._actions

    def _push(self, action: Action) -> Callable[[], None]:
        actions = self._own()
        actions.append(action)

        def forget() -> None:
            actions[:] = [known for known in actions if known is not action]

        return forget


def _delete(path: Path) -> None:
    import shutil

    if path.exists():
        shutil.rmtree(path)
