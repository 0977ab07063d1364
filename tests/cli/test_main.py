"""The command line: help, versions, mistakes, exit codes; sub-commands load only when they are called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import trax_otel
from trax_otel.cli.main import COMMANDS, INTERRUPTED, main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"trax-otel {trax_otel.__version__}\n"


def test_help_names_every_command_and_loads_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["-h"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())  # long summaries are broken, and not alike on every Python
    assert [name for name, summary in COMMANDS.items() if f" {name} {summary}" not in shown] == []


def test_no_command_shows_the_help_as_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "commands:" in captured.err


@pytest.mark.parametrize(("word", "hint"), [("rnu", "'run'"), ("lcoal", "'local'"), ("zzz", "run, local, state, demo")])
def test_a_misspelt_command_is_named_with_the_nearest(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word, "--x"]) == 2
    error = capsys.readouterr().err
    assert repr(word) in error
    assert hint in error
    assert error.count("\n") == 1


def test_a_program_given_without_run_is_told_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sh", "-c", "true"]) == 2
    assert "trax-otel run -- sh" in capsys.readouterr().err


def test_an_unknown_option_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--frobnicate"])
    assert ended.value.code == 2
    assert "--frobnicate" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    from trax_otel.cli import demo

    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert main(["demo"]) == INTERRUPTED


def test_the_command_line_itself_loads_nothing_heavy() -> None:
    script = (
        "import sys, trax_otel.cli.main\n"
        "print([n for n in ('opentelemetry', 'rich', 'asyncio', 'starlette', 'difflib') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_is_also_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "trax_otel", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"trax-otel {trax_otel.__version__}\n")


WITHOUT = """
import sys
from pathlib import Path
for name in {names!r}:
    sys.modules[name] = None
from trax_otel.cli.main import main
sys.exit(main({words!r}))
"""


def without(names: list[str], *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(names=names, words=list(words))],
        env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_doctor_needs_no_rich() -> None:
    done = without(["rich", "requests", "grpc"], "doctor", "--endpoint", "http://127.0.0.1:9")
    assert "endpoint\n" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_command_whose_extra_is_missing_says_what_to_install_in_one_line(tmp_path: Path) -> None:
    from trax_otel.local.store import Store

    Store(tmp_path / "local.db").close()
    done = without(["rich"], "local", "--db", str(tmp_path / "local.db"), "traces")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "trax-otel local: rich is not installed: pip install 'trax-otel[local]'\n"
