"""`trax-otel state …`: lists, one operation, recovering with and without the service's code, exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trax_otel.cli import main
from trax_otel.recovery.state import SQLStorage, StateRecoveryManager, operation_state_context

JOBS = """
from trax_otel.recovery.state import SQLStorage, StateRecoveryManager
manager = StateRecoveryManager(SQLStorage({url!r}), max_recoveries=5)

@manager.register_recovery("transcription")
async def resume(state):
    if state.arguments.get("broken"):
        raise LookupError("still no file")
    await state.step("write", print, "resumed", state.operation_id)
    return "done"
"""


class Ran:
    """What a command left behind."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state.db'}"


@pytest.fixture
def command(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ran]:
    monkeypatch.setenv("TRAX_STATE_URL", url)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: str) -> Ran:
        try:
            status = main.main(["state", *arguments])
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


class Stop(BaseException):
    """Interrupts an operation."""


def leave(manager: StateRecoveryManager, operation_id: str, error: BaseException | None, **arguments: object) -> None:
    try:
        with operation_state_context(manager, operation_id, "corr-1", "transcription", arguments=arguments) as state:
            state.step("load", lambda: {"seconds": 12})
            state.checkpoint(page=3)
            if error is not None:
                raise error
            state.set_result("text")
    except (Stop, LookupError):
        return


@pytest.fixture
def kept(url: str) -> None:
    manager = StateRecoveryManager(SQLStorage(url))
    leave(manager, "done", None)
    leave(manager, "stopped", Stop(), file="a.wav")
    leave(manager, "broken", LookupError("no file"), broken=True)
    leave(manager, "dead", Stop())
    manager.sync.core.storage.transact(
        lambda transaction: transaction.change("dead", {"status": "dead", "error": "LookupError: x"}, lease=0.0)
    )
    manager.sync.close()


def test_the_list_has_every_operation_newest_first(command, kept):
    ran = command("list")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == ["operation", "type", "status", "begun", "last", "saved", "recoveries", "held", "by"]
    assert [line.split()[0] for line in lines[1:]] == ["dead", "broken", "stopped", "done"]
    assert [line.split()[2] for line in lines[1:]] == ["dead", "failed", "interrupted", "completed"]


def test_the_list_can_be_narrowed(command, kept):
    assert [one["operation_id"] for one in command("list", "--status", "interrupted", "--json").json] == ["stopped"]
    assert [one["operation_id"] for one in command("dead", "--json").json] == ["dead"]
    assert len(command("list", "--limit", "2", "--json").json) == 2
    ran = command("list", "--type", "other", "--json")
    assert (ran.status, ran.json) == (1, [])
    assert "There are no operations of this type in sqlite:///" in ran.err


def test_one_operation_is_shown_whole(command, kept):
    ran = command("show", "stopped")
    assert ran.status == 0
    for text in ('{"file": "a.wav"}', '{"page": 3}', '{"seconds": 12}', "interrupted", "corr-1", "fencing token 1"):
        assert text in ran.out
    record = command("show", "done", "--json").json
    assert (record["status"], record["result"], record["steps"]) == ("completed", "text", {"load": {"seconds": 12}})


def test_an_unknown_operation_is_said_to_be_so(command, kept):
    ran = command("show", "nobody")
    assert (ran.status, ran.out) == (1, "")
    assert "has no operation 'nobody': see trax-otel state list" in ran.err


def test_looking_at_a_store_does_not_make_one(command, tmp_path):
    ran = command("list")
    assert ran.status == 1
    assert "state.db does not exist: nobody has kept an operation's state there yet" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_dead_and_failed_ones_are_queued_anew(command, kept):
    ran = command("recover", "dead", "broken", "done", "nobody")
    assert ran.status == 1
    assert [line.split()[:2] for line in ran.out.splitlines()] == [
        ["queued", "dead"], ["queued", "broken"], ["refused", "done"], ["refused", "nobody"],
    ]  # fmt: skip
    assert "(operation 'done' is completed: only dead and failed ones are queued)" in ran.out
    listed = command("list", "--status", "interrupted", "--json").json
    assert {one["operation_id"] for one in listed} == {"stopped", "dead", "broken"}
    assert command("recover", "dead").status == 1


def test_the_services_functions_recover_all(command, kept, tmp_path, url):
    (tmp_path / "jobs_all.py").write_text(JOBS.format(url=url))
    ran = command("recover", "--all", "--import", "jobs_all")
    assert (ran.status, ran.out) == (0, "resumed stopped\nrecovered  stopped\n")
    assert command("show", "stopped", "--json").json["result"] == "done"
    again = command("recover", "--all", "--import", "jobs_all:manager")
    assert (again.status, again.err) == (0, "There was nothing to recover.\n")


def test_the_services_functions_recover_one_dead_or_failed(command, kept, tmp_path, url):
    (tmp_path / "jobs_one.py").write_text(JOBS.format(url=url))
    ran = command("recover", "dead", "broken", "done", "--import", "jobs_one", "--json")
    assert ran.status == 1
    outcomes = json.loads(ran.out.removeprefix("resumed dead\n"))
    assert [(one["operation_id"], one["outcome"]) for one in outcomes] == [
        ("dead", "recovered"), ("broken", "failed"), ("done", "refused"),
    ]  # fmt: skip
    assert outcomes[1]["reason"] == "LookupError: still no file"


@pytest.mark.parametrize(
    ("content", "target", "said"),
    [
        (None, "no_such_module", "no_such_module cannot be imported: ModuleNotFoundError"),
        ("1 / 0", "broken_module", "broken_module cannot be imported: ZeroDivisionError"),
        ("x = 1", "empty_module", "empty_module holds 0 managers (none)"),
        ("x = 1", "empty_module2:jobs", "empty_module2 holds no StateRecoveryManager named 'jobs'"),
    ],
)
def test_a_module_that_does_not_do_is_named(command, tmp_path, content, target, said):
    if content is not None:
        (tmp_path / f"{target.partition(':')[0]}.py").write_text(content)
    ran = command("recover", "--all", "--import", target)
    assert (ran.status, ran.out) == (1, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the following arguments are required: ACTION"),
        (("recover",), "recover takes ids, or --all"),
        (("recover", "--all"), "--all needs --import MODULE"),
        (("recover", "a", "--import", "x", "--store", "sqlite:///y"), "exclude each other"),
        (("list", "--limit", "0"), "'0' is no whole number from 1 on"),
        (("list", "--status", "lost"), "invalid choice: 'lost'"),
    ],
)
def test_what_cannot_be_meant_is_status_2(command, arguments, said):
    ran = command(*arguments)
    assert ran.status == 2
    assert said in ran.err


def test_a_store_that_does_not_answer_is_one_line_without_its_password(command):
    ran = command("list", "--store", "postgresql://me:hidden@127.0.0.1:1/x")
    assert ran.status == 1
    assert ran.err.startswith("trax-otel state: postgresql+psycopg://me:***@127.0.0.1:1/x: connection failed")
    assert "hidden" not in ran.err
    assert "Traceback" not in ran.err


def test_it_is_a_command_of_its_own(tmp_path, url, kept):
    ran = subprocess.run(
        [sys.executable, "-m", "trax_otel.cli.main", "state", "list", "--json"],
        env={**os.environ, "TRAX_STATE_URL": url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(ran.stdout)) == 4
