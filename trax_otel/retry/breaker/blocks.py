"""Which permit a `with` block gives back. One breaker serves many blocks at once, and Python does not say which one ends."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
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
        self._by_frame.setdefault(frame, []).append(permit)
        entered.set((*entered.get(), permit))

    def leave(self, frame: FrameType) -> Permit | None:
        """The permit of the block that ends; None where no block has begun."""
        mine = entered.get()
        for permit in self._candidates(frame, mine):
            began_in = self._frames.pop(permit, None)  # whoever takes it out has it
            if began_in is not None:
                permits = self._by_frame.get(began_in, [])
                if permit in permits:
                    permits.remove(permit)
                if not permits:
                    self._by_frame.pop(began_in, None)
                entered.set(tuple(other for other in mine if other is not permit and other.given))
                return permit
        return None

    def _candidates(self, frame: FrameType, mine: tuple[Permit, ...]) -> Iterator[Permit]:
        yield from reversed(self._by_frame.get(frame, []))
        yield from reversed(mine)
        yield from list(self._frames)
