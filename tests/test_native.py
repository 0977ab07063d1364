"""Native threads and events, whatever was made of `threading` and `time`."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from trax_otel import native, originals


def test_an_event_lets_go_whoever_waits_and_lets_pass_who_comes_later() -> None:
    event = native.Event()
    passed: list[bool] = []
    waiting = [threading.Thread(target=lambda: passed.append(event.wait(30))) for _ in range(8)]
    for thread in waiting:
        thread.start()
    event.set()
    for thread in waiting:
        thread.join(10)
    assert passed == [True] * 8
    assert event.is_set()
    assert event.wait(0)


def test_an_event_that_does_not_happen_is_waited_for_as_long_as_asked() -> None:
    event = native.Event()
    began = time.monotonic()
    assert not event.wait(0.05)
    assert time.monotonic() - began >= 0.05
    assert not event.wait(-1)
    assert not event._waiters


def test_who_was_let_go_has_seen_it_even_where_the_event_is_cleared_at_once() -> None:
    event = native.Event()
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(event.wait(30)))
    thread.start()
    while not event._waiters:
        time.sleep(0.001)
    event.set()
    event.clear()
    thread.join(10)
    assert seen == [True]
    assert not event.is_set()


def test_a_native_thread_is_not_known_to_threading() -> None:
    before = threading.enumerate()
    at_work, go_on, ours = native.Event(), native.Event(), []

    def work() -> None:
        ours.append(native.on_own_thread())
        at_work.set()
        go_on.wait(10)

    assert native.start_thread(work)
    assert at_work.wait(10)
    assert threading.enumerate() == before
    go_on.set()
    assert ours == [True]
    assert not native.on_own_thread()


def test_where_no_thread_can_be_started_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(originals, "start_new_thread", refuse)
    assert not native.start_thread(print)


def set_soon(event: native.Event, seconds: float = 0.05) -> None:
    def work() -> None:
        originals.sleep(seconds)
        event.set()

    native.start_thread(work)


@pytest.fixture
def greenlets(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A program that is patched: its `time.sleep` notes that others may run."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        originals.sleep(seconds)

    monkeypatch.setitem(sys.modules, "gevent", sys)
    monkeypatch.setattr(time, "sleep", sleep)
    return pauses


def test_a_patched_program_waits_by_its_own_sleep(greenlets: list[float]) -> None:
    event = native.Event()
    set_soon(event)
    assert native.wait(event, 10)
    assert greenlets
    assert not native.wait(native.Event(), 0.02)


def test_where_it_must_not_switch_it_blocks(greenlets: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: float) -> None:
        raise AssertionError("cannot switch to the hub from the hub")

    monkeypatch.setattr(time, "sleep", refuse)
    event = native.Event()
    set_soon(event)
    assert native.wait(event, 10)


def test_our_own_threads_do_not_wait_by_the_application_s_sleep(greenlets: list[float]) -> None:
    event, done = native.Event(), native.Event()

    def work() -> None:
        native.wait(event, 10)
        done.set()

    native.start_thread(work)
    set_soon(event)
    assert done.wait(10)
    assert not greenlets


def test_a_signal_s_handler_may_set_what_its_own_thread_waits_for(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal, threading\n"
        "from trax_otel import native\n"
        "event = native.Event()\n"
        "signal.signal(signal.SIGUSR1, lambda *_: event.set())\n"
        "native.start_thread(lambda: [os.kill(os.getpid(), signal.SIGUSR1) for _ in range(1000)])\n"
        "print(event.wait(30))\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "True\n"


def test_threads_that_live_on_are_held_back_until_they_are_released() -> None:
    done, later = native.Event(), native.Event()
    asked: list[bool] = []

    def again() -> None:
        asked.append(True)

    native.hold_background()
    try:
        for _ in range(2):
            assert not native.start_background(done.set, again)
        assert native.start_thread(done.set), "one that ends by itself is not held back"
        assert asked == []
    finally:
        native.release_background()
    assert asked == [True]
    assert done.wait(5)
    assert native.start_background(later.set, again)
    assert later.wait(5)


def test_threads_that_live_on_are_not_held_back_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    done, parents = native.Event(), native.Event()
    native.hold_background()
    assert not native.start_background(done.set, parents.set)
    monkeypatch.setattr(native.originals, "getpid", lambda: -1)
    assert native.start_background(done.set, parents.set)
    assert done.wait(5)
    native.release_background()
    assert not parents.is_set()
