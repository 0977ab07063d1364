"""A forked child has everything of ours anew, whether or not Python was told of the fork."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from trax_otel import lifecycle
from trax_otel.lifecycle import Participant, process


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_calls_all_three_hooks_and_renews_the_token(take_part: Callable[[Participant], None]) -> None:
    called: list[str] = []
    take_part(
        Participant(
            "forker",
            1,
            before_fork=lambda: called.append("before"),
            after_fork_in_parent=lambda: called.append("parent"),
            after_fork_in_child=lambda: called.append("child"),
        )
    )
    token = lifecycle.process_token()
    child = os.fork()
    if child == 0:
        os._exit(0 if called == ["before", "child"] and lifecycle.process_token() != token else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert called == ["before", "parent"]
    assert lifecycle.process_token() == token


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_finds_a_lock_free_that_its_parent_held() -> None:
    lock = lifecycle.ForkSafeLock()
    with lock:
        child = os.fork()
        if child == 0:
            with lock:  # waits without end where the lock is still held
                pass
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_was_forked_inside_a_section_may_leave_it() -> None:
    lock = lifecycle.ForkSafeLock()
    with lock:
        child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def fork_in_c() -> int:
    """Fork as a server in C does: no hook of Python's runs. The interpreter's lock is held."""
    return int(ctypes.PyDLL(None).fork())


def test_a_child_that_nobody_told_of_renews_at_its_first_use(take_part: Callable[[Participant], None]) -> None:
    renewed: list[int] = []
    take_part(Participant("forker", 1, after_fork_in_child=lambda: renewed.append(os.getpid())))
    token = lifecycle.process_token()
    child = fork_in_c()
    if child == 0:
        before = list(renewed)
        fresh = lifecycle.process_token()
        lifecycle.renew_if_forked()
        os._exit(0 if (before, renewed) == ([], [os.getpid()]) and fresh != token else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (renewed, lifecycle.process_token()) == ([], token)


def test_a_lock_that_was_held_is_free_in_such_a_child() -> None:
    lock = lifecycle.ForkSafeLock()
    with lock:
        child = fork_in_c()
        if child == 0:
            with lock:
                pass
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_threads_of_a_child_renew_once_and_see_the_renewal_done(take_part: Callable[[Participant], None]) -> None:
    renewed: list[bool] = []

    def renew() -> None:
        time.sleep(0.05)
        renewed.append(True)

    take_part(Participant("forker", 1, after_fork_in_child=renew))
    child = fork_in_c()
    if child == 0:
        seen: list[int] = []

        def use() -> None:
            lifecycle.renew_if_forked()
            seen.append(len(renewed))

        threads = [threading.Thread(target=use) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os._exit(0 if seen == [1] * 5 else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("make", [process.make_mark, process.PidMark], ids=["the kernel's", "by PID"])
def test_a_mark_holds_in_the_process_that_made_it(make: Callable[[], Any]) -> None:
    mark = make()
    mark[0] = 1
    child = fork_in_c()
    if child == 0:
        wiped = not mark[0]
        mark[0] = 1
        os._exit(0 if wiped and mark[0] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert mark[0]


def test_where_the_kernel_cannot_wipe_memory_the_pid_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "WIPE_ON_FORK", 12345)
    assert isinstance(process.make_mark(), process.PidMark)
