"""`os._exit` and exec wait for what is pending, for nobody's lock, and for no longer than they may."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from trax_otel import originals
from trax_otel.lifecycle import LEAVING_SECONDS, Deadline, Participant, guard_exits, is_leaving
from trax_otel.lifecycle.leaving import leave

TakePart = Callable[[Participant], None]


@pytest.fixture
def guarded() -> Iterator[None]:
    guard_exits(True)
    yield
    guard_exits(False)


def test_it_guards_and_restores_the_originals(guarded: None) -> None:
    guard_exits(True)
    assert os._exit.__wrapped__ is originals.exit_now  # type: ignore[attr-defined]
    assert os.execv.__wrapped__ is originals.execv  # type: ignore[attr-defined]
    assert (os._exit.__name__, os.execve.__name__) == ("_exit", "execve")
    assert os.execve in os.supports_fd
    guard_exits(False)
    assert (os._exit, os.execv, os.execve) == (originals.exit_now, originals.execv, originals.execve)


def test_another_ones_replacement_is_left_alone(guarded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = lambda status: None  # noqa: E731
    monkeypatch.setattr(os, "_exit", theirs)
    guard_exits(True)
    guard_exits(False)
    assert os._exit is theirs


def test_bad_arguments_are_refused_as_ever(guarded: None) -> None:
    with pytest.raises(TypeError, match="argument"):
        os._exit()  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="must not be empty"):
        os.execv("/bin/sh", [])


def test_only_who_has_something_pending_is_waited_for(take_part: TakePart) -> None:
    acted: list[str] = []
    take_part(Participant("idle", 1, pending=lambda: False, leave=lambda _: acted.append("idle")))
    leave()
    assert acted == []
    take_part(Participant("busy", 2, pending=lambda: True, leave=lambda _: acted.append("busy")))
    leave()
    assert "busy" in acted


def test_it_waits_no_longer_than_it_may_and_a_second_caller_not_at_all(take_part: TakePart) -> None:
    begun, release = threading.Event(), threading.Event()

    def hang(deadline: Deadline) -> None:
        assert deadline.remaining() <= LEAVING_SECONDS
        begun.set()
        release.wait(20)

    take_part(Participant("hanging", 1, pending=lambda: True, leave=hang))
    first = threading.Thread(target=leave)
    began = time.monotonic()
    first.start()
    assert begun.wait(10)
    assert is_leaving()
    leave()
    assert first.is_alive(), "the second caller came back only after the first"
    first.join(15)
    assert not first.is_alive()
    assert time.monotonic() - began < 15
    assert not is_leaving()
    release.set()


def test_a_failing_participant_stops_nobody(take_part: TakePart, capfd: pytest.CaptureFixture[str]) -> None:
    acted = threading.Event()

    def fail(_: Deadline) -> None:
        raise RuntimeError("disk gone")

    take_part(Participant("failing", 1, pending=lambda: True, leave=fail))
    take_part(Participant("next", 2, leave=lambda _: acted.set()))
    leave()
    assert acted.is_set()
    assert "failing: RuntimeError: disk gone" in capfd.readouterr().err
