"""Workers are killed by SIGKILL, between steps and inside them, while rivals recover what they leave."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from support.killed import STEPS
from trax_otel.recovery.state import SQLStorage, StateRecoveryManager

KILLS = 200
SEED = int(os.environ.get("KILL_SEED", "1"))


class Line(NamedTuple):
    """One line of an operation's journal."""

    token: int
    event: str
    subject: str
    value: str


def journals(folder: Path) -> dict[str, list[Line]]:
    found = {}
    for path in folder.glob("op-*"):
        columns = [line.split(" ") for line in path.read_text().splitlines()]
        found[path.name] = [Line(int(token), event, subject, value) for token, event, subject, value in columns]
    return found


@pytest.mark.servers
def test_what_is_recorded_never_runs_again_and_nothing_is_lost(url, tmp_path):
    folder = tmp_path / "journals"
    folder.mkdir()
    storage = SQLStorage(url)
    manager = StateRecoveryManager(storage)
    assert manager.sync.list_operations() == []  # the tables are there before the rivals
    ran = subprocess.run(
        [sys.executable, "-m", "support.killed", url, str(folder), str(KILLS), str(SEED)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    killed, _, left = (int(word) for word in ran.stdout.split())
    assert (killed >= KILLS, left) == (True, 0), ran.stderr[-3000:]
    assert not list(folder.glob("failed-*")), ran.stderr[-3000:]

    found = journals(folder)
    records = {name: manager.sync.get_operation(name) for name in found}
    everything = manager.sync.list_operations(limit=10_000)
    storage.close()
    assert {record.status for record in everything} == {"completed"}
    assert {name: record and record.status for name, record in records.items()} == dict.fromkeys(found, "completed")
    inside = resumed = 0
    for name, lines in found.items():
        has_what_it_had_recorded(name, lines, records[name].steps)
        is_run_by_one_at_a_time(name, lines)
        inside += sum(was_killed_inside(step, lines) for step in range(STEPS))
        resumed += links_to_the_interrupted_span(name, lines)
    assert resumed > KILLS / 4, "hardly anything was interrupted"
    assert inside > KILLS / 10, "hardly anything was killed inside a step"


STOPPED = """
import sys, time
from trax_otel.recovery.state import SQLStorage, StateLostError, StateRecoveryManager, operation_state_context
manager = StateRecoveryManager(SQLStorage(sys.argv[1]), lease_seconds=0.3)
def slow():
    print("inside", flush=True)
    time.sleep(0.2)
try:
    with operation_state_context(manager, "stopped", None, "t") as state:
        state.step("slow", slow)
except StateLostError as error:
    print(error)
"""


@pytest.mark.servers
def test_a_stopped_process_is_replaced_and_its_late_write_refused(url):
    storage = SQLStorage(url)
    manager = StateRecoveryManager(storage, lease_seconds=30)
    with subprocess.Popen([sys.executable, "-c", STOPPED, url], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "inside\n"
        assert manager.sync.list_interrupted_operations() == []
        worker.send_signal(signal.SIGSTOP)
        try:
            end, taken = time.monotonic() + 40, None
            while taken is None and time.monotonic() < end:  # it may have been stopped with its row locked
                time.sleep(0.05)
                if manager.sync.list_interrupted_operations():
                    taken = manager.sync.recover_operation("stopped")
        finally:
            worker.send_signal(signal.SIGCONT)
        said = worker.communicate(timeout=20)[0]
    assert taken is not None
    assert taken.fencing_token == 2
    assert "operation 'stopped' stops: " in said
    assert manager.sync.get_operation("stopped").steps == {}
    storage.close()


def has_what_it_had_recorded(name: str, lines: list[Line], steps: dict[str, object]) -> None:
    """Once a step's result was handed out, it is the same for ever, and the step does not run any more."""
    recorded: dict[str, str] = {}
    for line in lines:
        if line.event == "has":
            assert recorded.setdefault(line.subject, line.value) == line.value, (name, line)
        elif line.event == "runs":
            assert line.subject not in recorded, (name, line)
    assert steps == {f"step {number}": recorded[str(number)] for number in range(STEPS)}


def was_killed_inside(step: int, lines: list[Line]) -> bool:
    """Such a step runs once more: at least once is what is promised."""
    return sum(line.event == "runs" and line.subject == str(step) for line in lines) > 1


def is_run_by_one_at_a_time(name: str, lines: list[Line]) -> None:
    """After a run has begun, no earlier one begins or ends anything."""
    newest = 0
    for line in lines:
        assert line.token >= newest, (name, line, newest)
        assert line.event != "entered" or line.token > newest, (name, line)
        newest = line.token


def links_to_the_interrupted_span(name: str, lines: list[Line]) -> int:
    """Each run links to the span of the one before; where runs between left no line, to one that nobody has seen."""
    entered = [line for line in lines if line.event == "entered"]
    assert entered[0].token > 1 or entered[0].value == "-", name
    for before, after in itertools.pairwise(entered):
        if after.token == before.token + 1:
            assert after.value == before.subject, (name, before, after)
        else:
            assert len(after.value) == 16, (name, before, after)
    return len(entered) - 1
