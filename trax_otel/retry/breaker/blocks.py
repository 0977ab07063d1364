"""Which permit a `with` block gives back. One breaker serves many blocks at once, and Python does not say which one ends."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

    from .permits import Permit

entered: Final[ContextVar[tuple[Permit, ...]]] = ContextVar("trax_otel.retry.breaker.entered", default=())
"""The permits of the blocks that this thread or task is in."""


class Blocks:
    """The permits of one breaker's blocks.

    A block ends in the frame in which it began, and that names it exactly: for a generator too, whose halves a web framework
    may run in different threads. An ExitStack enters and leaves from frames of its own: then the context tells, as long as it
    is the same; else it is the block that has been entered first.
    """

    __slots__ = ("_by_frame", "_frames")

    def __init__(self) -> None:
        self._frames: dict[Permit, FrameType] = {}
        self._by_frame: dict[FrameType, list[Permit]] = {}

    def __len__(self) -> int:
        return len(self._frames)

    def enter(self, permit: Permit, frame: FrameType) -> None:
        """A block begins."""
        self._frames[permit] = frame
        known = self._by_frame.get(frame)
        if known is None:
            self._by_frame[frame] = [permit]
        else:
            known.append(permit)
        mine = entered.get()
        entered.set((*[other for other in mine if other.given], permit) if mine else (permit,))

    def leave(self, frame: FrameType) -> Permit | None:
        """The permit of the block that ends; None where no block has begun."""
        mine = entered.get()
        known = self._by_frame.get(frame)
        permit = known[-1] if known else self._elsewhere(mine)
        if permit is None:
            return None
        began_in = self._frames.pop(permit, frame)
        known = self._by_frame.get(began_in, [])
        if permit in known:
            known.remove(permit)
        if not known:
            self._by_frame.pop(began_in, None)
        if permit in mine:
            entered.set(mine[:-1] if mine[-1] is permit else tuple(other for other in mine if other is not permit))
        return permit

    def _elsewhere(self, mine: tuple[Permit, ...]) -> Permit | None:
        """The permit of a block that ends in another frame than it began in."""
        for permit in reversed(mine):
            if permit in self._frames:
                return permit
        return next(iter(list(self._frames)), None)
