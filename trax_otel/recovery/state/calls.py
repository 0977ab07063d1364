"""Which call of a step a recorded result belongs to.

Each call of a step takes a number of its name, and the number belongs to a recorded result: a call that failed, was
cancelled or could not be stored gives it back, and whoever repeats it takes it again. Where one name is called with
several arguments, the arguments tell which call a result belongs to; else the order does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Any, Final

from .errors import StateError
from .fingerprint import told_apart
from .stored import StoredStep, step_label
from .values import decode

_logger = logging.getLogger(__name__)

_ONE_OF_SEVERAL: Final = "*"
"""Stands before a recorded fingerprint where the name was called with other arguments too."""
NOT_COMPARED: Final = ""
"""What is recorded as a step's arguments where the operation does not compare them."""


class Slot:
    """A number of a name, and what is recorded under it. `recorded`: `value` is a step's result and nothing need run."""

    __slots__ = ("arguments", "leaves_recording", "name", "number", "recorded", "settled", "value")

    def __init__(self, name: str, number: int, arguments: str | None) -> None:
        self.name = name
        self.number = number
        self.arguments = arguments
        self.value: Any = None
        self.recorded = False
        self.leaves_recording = False
        """Whether its caller left while the store was at work: it has to be asked what came of it."""
        self.settled: threading.Event | None = None

    @property
    def label(self) -> str:
        """How people see it: `name`, and `name#2` for the second of that name."""
        return step_label(self.name, self.number)

    def record(self, value: Any) -> None:
        """Its result is in the store."""
        self.value, self.recorded = value, True


class Calls:
    """The numbers of one operation's steps. For any number of threads and tasks at once."""

    def __init__(self, steps: Iterable[StoredStep] = (), *, compares: bool = True) -> None:
        self._compares = compares
        self._names: dict[str, _Numbers] = {}
        self._lock = threading.Lock()
        for step in steps:
            self._of(step.name).remember(step, compares)

    def take(self, name: str, arguments: str) -> Slot | StateError:
        """The number that this call has, or why it cannot be told which one it is."""
        with self._lock:
            return self._of(name).take(arguments if self._compares else NOT_COMPARED)

    def stored(self, slot: Slot) -> str | None:
        """What is recorded as its arguments."""
        with self._lock:
            return self._of(slot.name).stored(slot)

    def give_back(self, slot: Slot) -> None:
        """The call came to nothing, or left: an equal one takes the number again, and its result if it has one."""
        with self._lock:
            self._of(slot.name).give_back(slot)

    def _of(self, name: str) -> _Numbers:
        numbers = self._names.get(name)
        if numbers is None:
            numbers = self._names[name] = _Numbers(name)
        return numbers


class _Numbers:
    """The numbers of one name. Numbers wait for an equal call in a heap for each arguments' fingerprint."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._slots: dict[int, Slot] = {}
        self._waiting: dict[str | None, list[int]] = {}
        self._unasked: set[int] = set()
        self._called_with: set[str | None] = set()
        self._several = False
        self._lost_count: bool | None = None
        self._next = 1
        self._highest = 0

    def remember(self, step: StoredStep, compares: bool) -> None:
        """A result of an earlier run waits for its call."""
        arguments = step.arguments
        if arguments is not None and arguments.startswith(_ONE_OF_SEVERAL):
            self._several, arguments = compares, arguments[1:]
        slot = Slot(step.name, step.occurrence, arguments if compares else NOT_COMPARED)
        slot.record(decode(step.result))
        self._slots[slot.number] = slot
        self._highest = max(self._highest, slot.number)
        self._unasked.add(slot.number)
        self._see(slot.arguments)
        heappush(self._waiting.setdefault(slot.arguments, []), slot.number)

    def stored(self, slot: Slot) -> str | None:
        return f"{_ONE_OF_SEVERAL}{slot.arguments}" if self._several and slot.arguments else slot.arguments

    def _see(self, arguments: str | None) -> None:
        self._called_with.add(arguments)
        self._several = self._several or len(self._called_with) > 1

    def take(self, arguments: str) -> Slot | StateError:
        while self._next in self._slots and self._next not in self._unasked:
            self._next += 1
        fresh = self._next
        waiting = self._waiting.get(arguments)
        # Calls that nothing but their order tells apart take the lowest number, be it free or recorded.
        if waiting and (told_apart(arguments) or waiting[0] < fresh or fresh in self._unasked):
            return self._taken(heappop(waiting))
        if None in self._called_with and self._gaps():
            return StateError(
                f"step {self._name!r} was recorded by an older trax-otel, which lost count where a call failed: nobody can "
                "tell which result belongs to which call. `trax-otel state show` has them; finish this operation by hand"
            )
        if fresh not in self._unasked:
            return self._new(fresh, arguments)
        old = self._slots[fresh]
        if not self._several or old.arguments in (None, NOT_COMPARED):
            # Every call of this name that an earlier run made had the same arguments: order alone tells which call this is.
            self._waiting[old.arguments].remove(fresh)
            heapify(self._waiting[old.arguments])
            if told_apart(old.arguments):
                _logger.warning(
                    "step %s is recorded, with other arguments than it is called with: it is not run again. "
                    "Another call needs another name", old.label,
                )  # fmt: skip
            return self._taken(fresh)
        return self._new(self._highest + 1, arguments)

    def give_back(self, slot: Slot) -> None:
        heappush(self._waiting.setdefault(slot.arguments, []), slot.number)

    def _taken(self, number: int) -> Slot:
        self._unasked.discard(number)
        return self._slots[number]

    def _new(self, number: int, arguments: str) -> Slot:
        self._see(arguments)
        self._highest = max(self._highest, number)
        slot = self._slots[number] = Slot(self._name, number, arguments)
        return slot

    def _gaps(self) -> bool:
        if self._lost_count is None:
            old = [number for number, slot in self._slots.items() if slot.arguments is None]
            self._lost_count = len(old) != max(old)
        return self._lost_count
