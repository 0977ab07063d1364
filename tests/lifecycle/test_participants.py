"""Stop, flush and shutdown: who acts, in which order, and what happens when one fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from trax_otel import clock, lifecycle
from trax_otel.lifecycle import Deadline, Participant

if TYPE_CHECKING:
    import pytest


def test_participants_act_in_their_order_and_one_failure_stops_nobody(
    take_part: Callable[[Participant], None], capsys: pytest.CaptureFixture[str]
) -> None:
    acted: list[str] = []

    def fail(_: Deadline) -> None:
        acted.append("failing")
        raise RuntimeError("disk gone")

    take_part(Participant("last", 900, flush=lambda _: acted.append("last")))
    take_part(Participant("failing", 800, flush=fail))
    take_part(Participant("first", 700, flush=lambda _: acted.append("first")))
    lifecycle.flush(1)
    assert acted == ["first", "failing", "last"]
    assert "trax-otel: failing: RuntimeError: disk gone" in capsys.readouterr().err


def test_a_participant_of_the_same_name_replaces_the_former(take_part: Callable[[Participant], None]) -> None:
    acted: list[int] = []
    take_part(Participant("one", 1, flush=lambda _: acted.append(1)))
    take_part(Participant("one", 1, flush=lambda _: acted.append(2)))
    lifecycle.flush(1)
    assert acted == [2]


def test_all_share_one_deadline(take_part: Callable[[Participant], None]) -> None:
    left: list[float] = []

    def slow(deadline: Deadline) -> None:
        left.append(deadline.remaining())
        time.sleep(0.05)

    take_part(Participant("a", 1, flush=slow))
    take_part(Participant("b", 2, flush=slow))
    lifecycle.flush(0.5)
    assert left[0] <= 0.5
    assert left[1] <= left[0] - 0.05


def test_a_deadline_is_never_negative() -> None:
    deadline = Deadline(-1)
    assert deadline.passed()
    assert deadline.remaining() == 0.0


def test_stop_wakes_sleepers_and_resume_undoes_it(take_part: Callable[[Participant], None]) -> None:
    lifecycle.stop()
    assert lifecycle.stopping()
    assert clock.current().sleep(30) is False
    lifecycle.resume()
    assert not lifecycle.stopping()
    assert clock.current().sleep(0.001)
