"""huey: its message has fixed fields, so what travels stands behind the pickled message, where `pickle` reads no further.

Workers without this package do not see it. A serializer of the application's that does not build on huey's own carries nothing.
"""

from __future__ import annotations

import json
import sys
from contextvars import ContextVar
from typing import Any, Final

from .messages import KEY, Enqueueing, Message, Processing, contained, next_attempt
from .wrapping import observe_method

SYSTEM: Final = "huey"
MARKER: Final = b"\x00otel:"
_FAILURES: Final = frozenset({"error", "timeout"})
_RUNNING: Final = "_otel_running"

_carried: Final[ContextVar[dict[str, Any] | None]] = ContextVar("trax-huey-carrier", default=None)


def hook() -> None:
    """Observe queueing and running, and give messages their carrier; doing it twice changes nothing."""
    huey, serializer = sys.modules["huey.api"].Huey, sys.modules["huey.serializer"].Serializer
    for owner, name in ((huey, "_execute"), (huey, "enqueue"), (huey, "_emit"), (serializer, "_serialize")):
        getattr(owner, name)
    observe_method(SYSTEM, huey, "enqueue", _enqueue)
    observe_method(SYSTEM, huey, "_execute", _execute)
    observe_method(SYSTEM, huey, "_emit", _hear)
    if not hasattr(serializer, KEY):
        setattr(serializer, KEY, True)
        _carry(huey, serializer)


class _Running:
    """One run; what huey itself catches is told by its signals."""

    def __init__(self, task: Any, processing: Processing) -> None:
        self._task = task
        self._processing = processing
        self.error: BaseException | None = None
        self.failed = False

    def end(self, error: BaseException | None = None) -> None:
        self._task.__dict__.pop(_RUNNING, None)
        self._processing.end(self.error or error, self.failed if self.error else None)


def _enqueue(huey: Any, task: Any, *_: Any, **__: Any) -> Enqueueing | None:
    if KEY in vars(task) or not hasattr(task, "retries"):  # run again, or a group, whose tasks come one by one
        return None
    enqueueing = Enqueueing(_message(huey, task))
    vars(task)[KEY] = enqueueing.carrier
    return enqueueing


def _execute(huey: Any, task: Any, *_: Any, **__: Any) -> _Running:
    carrier = vars(task).setdefault(KEY, {})
    running = _Running(task, Processing(_message(huey, task), carrier, next_attempt(carrier)))
    vars(task)[_RUNNING] = running
    return running


def _hear(_: Any, signal: str, task: Any, *__: Any, **___: Any) -> None:
    """What a task raised is current while its signal is sent."""
    running = getattr(task, _RUNNING, None)
    error = sys.exc_info()[1]
    if running is not None and error is not None and running.error is None:
        running.error, running.failed = error, signal in _FAILURES


def _message(huey: Any, task: Any) -> Message:
    return Message(SYSTEM, huey.name, task.name, task.id)


def _tail(data: bytes) -> dict[str, Any]:
    _, marker, tail = bytes(data).rpartition(MARKER)
    carrier = json.loads(tail) if marker else None
    return carrier if isinstance(carrier, dict) else {}


def _carry(huey: Any, serializer: Any) -> None:
    serialize_task, deserialize_task = huey.serialize_task, huey.deserialize_task
    serialize, deserialize = serializer._serialize, serializer._deserialize

    def serialize_carrying(self: Any, task: Any) -> Any:
        token = _carried.set(getattr(task, KEY, None))
        try:
            return serialize_task(self, task)
        finally:
            _carried.reset(token)

    def deserialize_carried(self: Any, data: Any) -> Any:
        token = _carried.set({})
        try:
            task = deserialize_task(self, data)
            carrier = _carried.get()
        finally:
            _carried.reset(token)
        if carrier:
            vars(task)[KEY] = carrier
        return task

    def append(self: Any, data: Any) -> Any:
        written, carrier = serialize(self, data), _carried.get()
        tail = contained(SYSTEM, lambda: MARKER + json.dumps(carrier).encode()) if carrier else None
        return written if tail is None else written + tail

    def read(self: Any, data: Any) -> Any:
        if _carried.get() is not None:  # a message, and no result
            contained(SYSTEM, lambda: _carried.set(_tail(data)))
        return deserialize(self, data)

    huey.serialize_task, huey.deserialize_task = serialize_carrying, deserialize_carried
    serializer._serialize, serializer._deserialize = append, read
