# ruff: noqa: PT012  (what raises is the end of a block that does something)
"""What was made on the way is gone at the end, whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from trax_otel import semconv
from trax_otel.errors import InvalidConfigError, RecoveryError
from trax_otel.recovery import CallableStrategy, RecoveryContext, RecoveryManager, ResourceCleanup
from trax_otel.recovery.strategies import processes

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)
POLITE = "import time; print('ready', flush=True); time.sleep(60)"
PARENT = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(child.pid, flush=True); time.sleep(60)"
)


def started(code: str) -> tuple[subprocess.Popen, str]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with process.stdout as output:
        return process, output.readline().strip()


# --- The order of things --------------------------------------------------------------------------------------------------


async def test_everything_is_cleaned_up_backwards_however_the_block_ends(blocks):
    done: list[str] = []
    async with blocks.enter(ResourceCleanup()) as cleanup:
        cleanup.add(blocks.function(done.append), "first")
        cleanup.add(done.append, "second")
    assert done == ["second", "first"]
    with pytest.raises(LookupError):
        async with blocks.enter(cleanup):
            cleanup.add(done.append, "third")
            raise LookupError("no")
    assert done == ["second", "first", "third"]


async def test_a_failure_holds_up_none_of_the_others(blocks, caplog):
    done: list[str] = []

    def broken() -> None:
        raise OSError("disk is gone")

    async with blocks.enter(ResourceCleanup("files")) as cleanup:
        cleanup.add(done.append, "first")
        cleanup.add(blocks.function(broken))
        cleanup.add(done.append, "third")
    assert done == ["third", "first"]
    assert [failure.rpartition(".")[2] for failure in cleanup.failures] == ["broken: OSError: disk is gone"]
    assert "files: " in caplog.text
    with pytest.raises(LookupError) as raised:
        async with blocks.enter(cleanup):
            cleanup.add(broken)
            raise LookupError("no")
    assert "broken: OSError: disk is gone" in raised.value.cleanup_failures[0]


async def test_what_was_closed_meanwhile_can_be_taken_out(blocks):
    done: list[str] = []
    cleanup = ResourceCleanup()
    forget = cleanup.add(done.append, "first")
    cleanup.add(done.append, "second")
    assert len(cleanup) == 2
    forget()
    unwound = await blocks.call(cleanup, "run")
    assert (done, unwound.done, len(cleanup)) == (["second"], 1, 0)


async def test_a_cancellation_waits_for_all():
    done: list[str] = []

    async def slow() -> None:
        await asyncio.sleep(60)

    async def work() -> None:
        async with ResourceCleanup() as cleanup:
            cleanup.add(done.append, "first")
            cleanup.add(slow)
            await asyncio.sleep(60)

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["first"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_leaves_what_is_its_parents():
    with ResourceCleanup() as cleanup:
        path = cleanup.temporary_file()
        child = os.fork()
        if child == 0:
            cleanup.run()
            os._exit(0 if path.exists() and len(cleanup) == 0 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert path.exists()
    assert not path.exists()


def test_what_cannot_be_cleaned_up_is_refused():
    cleanup = ResourceCleanup()
    with pytest.raises(InvalidConfigError, match="function=3"):
        cleanup.add(3)  # type: ignore[arg-type]
    for wrong in (None, "sleep", 0, 1, True, os.getpid()):
        with pytest.raises(InvalidConfigError, match="process="):
            cleanup.process(wrong)
    with pytest.raises(InvalidConfigError, match="grace=-1"):
        cleanup.process(4_000_000, grace=-1)
    with pytest.raises(InvalidConfigError, match="name=''"):
        ResourceCleanup("")


# --- Files ----------------------------------------------------------------------------------------------------------------


async def test_temporary_files_and_directories_are_deleted(blocks, tmp_path):
    async with blocks.enter(ResourceCleanup()) as cleanup:
        file = cleanup.temporary_file(".wav", tmp_path)
        folder = cleanup.temporary_directory(tmp_path)
        gone = cleanup.temporary_file()
        (folder / "inner").mkdir()
        (folder / "inner" / "data").write_text("x")
        gone.unlink()
        assert file.suffix == ".wav"
        assert sorted(tmp_path.iterdir()) == sorted([file, folder])
    assert list(tmp_path.iterdir()) == []
    assert cleanup.failures == ()


# --- Processes ------------------------------------------------------------------------------------------------------------


async def test_a_process_is_asked_to_end(blocks):
    process, _ = started(POLITE)
    async with blocks.enter(ResourceCleanup()) as cleanup:
        cleanup.process(process)
    assert process.returncode == -signal.SIGTERM


async def test_one_that_does_not_listen_is_killed(blocks):
    process, ready = started(STUBBORN)
    assert ready == "ready"
    async with blocks.enter(ResourceCleanup()) as cleanup:
        cleanup.process(process, grace=0.1)
    assert process.returncode == -signal.SIGKILL


async def test_children_end_with_their_parent(blocks):
    process, child = started(PARENT)
    grandchild = psutil.Process(int(child))
    async with blocks.enter(ResourceCleanup()) as cleanup:
        cleanup.process(process, grace=2.0)
    assert process.returncode == -signal.SIGTERM
    assert not processes.Child(grandchild).alive()


async def test_without_psutil_the_process_itself_is_ended(blocks, monkeypatch):
    process, child = started(PARENT)
    monkeypatch.setitem(sys.modules, "psutil", None)
    async with blocks.enter(ResourceCleanup()) as cleanup:
        cleanup.process(process)
    assert cleanup.failures == ()
    assert process.returncode == -signal.SIGTERM
    os.kill(int(child), signal.SIGKILL)


async def test_a_process_that_has_ended_already_is_fine(blocks):
    process, _ = started("print('bye')")
    async with blocks.enter(ResourceCleanup()) as cleanup:
        cleanup.process(process)
        process.wait()
    assert cleanup.failures == ()
    assert process.returncode == 0


async def test_a_process_may_be_known_by_its_number(blocks):
    process, _ = started(POLITE)
    async with blocks.enter(ResourceCleanup()) as cleanup:
        cleanup.process(process.pid)
        cleanup.process(psutil.Process(process.pid))
    assert not psutil.pid_exists(process.pid) or processes.Child(psutil.Process(process.pid)).alive() is False
    process.wait()


async def test_a_process_of_asyncio_does_not_block_the_loop():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUBBORN, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    await process.stdout.readline()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    counting = asyncio.get_running_loop().create_task(count())
    async with ResourceCleanup() as cleanup:
        cleanup.process(process, grace=0.2)
    counting.cancel()
    assert process.returncode == -signal.SIGKILL
    assert turns >= 5


async def test_a_cancelled_wait_kills_at_once():
    process, _ = started(STUBBORN)

    async def work() -> None:
        async with ResourceCleanup() as cleanup:
            cleanup.process(process, grace=30.0)

    began = time.monotonic()
    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 10


# --- As a strategy --------------------------------------------------------------------------------------------------------


async def test_the_strategy_cleans_up_and_lets_the_next_answer(world, trax_telemetry):
    done: list[str] = []
    cleanup = ResourceCleanup("temporary files")
    manager = RecoveryManager(strategies=[cleanup, CallableStrategy(lambda context: "answer", name="answer")])
    context = RecoveryContext("import", LookupError("no"))
    assert not cleanup.applies(context)
    cleanup.add(world.function(done.append), "first")
    assert await world.attempt(manager, context) == "answer"
    assert done == ["first"]
    span = trax_telemetry.span("cleanup")
    assert span.attributes[semconv.RECOVERY_ROLLED_BACK] == 1
    assert trax_telemetry.span("strategy", {semconv.RECOVERY_STRATEGY: "temporary files"}).span_id == span.parent_id


async def test_a_cleanup_that_fails_is_a_failed_strategy(world):
    def broken() -> None:
        raise OSError("disk is gone")

    cleanup = ResourceCleanup()
    cleanup.add(world.function(broken))
    with pytest.raises(RecoveryError, match=r"resource_cleanup: 1 of 1 actions failed"):
        await world.attempt(RecoveryManager(strategies=[cleanup]), RecoveryContext("import", LookupError("no")))
