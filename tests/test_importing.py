"""Imports of other threads wait for the one that imports alone, and nobody waits for a thread that waits for it."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from pathlib import Path

import pytest

from trax_otel import importing, native


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that is not imported yet."""
    (tmp_path / "not_yet_imported.py").write_text("import threading\nident = threading.get_ident()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "not_yet_imported", raising=False)
    return "not_yet_imported"


def test_another_thread_s_import_waits_for_the_block_s_end(module: str) -> None:
    thread = threading.Thread(target=importlib.import_module, args=(module,))
    with importing.alone() as free:
        assert free
        thread.start()
        end = time.monotonic() + 0.3
        while time.monotonic() < end:  # moves: nobody takes it for one that waits
            assert module not in sys.modules
    thread.join(10)
    assert sys.modules[module].ident == thread.ident


def test_the_one_that_imports_alone_and_its_own_helpers_go_on(module: str) -> None:
    with importing.alone(), importing.alone() as free:
        assert free
        helper = threading.Thread(target=importlib.import_module, args=(module,))
        helper.start()
        helper.join(10)  # it waits for the helper, which must not wait for it
        assert not helper.is_alive()
        assert importlib.import_module("colorsys")


def test_who_is_inside_an_import_is_let_finish_and_nobody_is_held_up(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text("import builtins\nbuiltins.inside.set()\nbuiltins.leave.wait(10)\n")
    import builtins

    inside, leave = threading.Event(), threading.Event()
    vars(builtins).update(inside=inside, leave=leave)
    thread = threading.Thread(target=importlib.import_module, args=(module,))
    try:
        thread.start()
        assert inside.wait(10)
        with importing.alone() as free:
            assert not free
        leave.set()
        with importing.alone(10.0) as free:
            assert free
    finally:
        leave.set()
        thread.join()
        del vars(builtins)["inside"], vars(builtins)["leave"]


def test_a_thread_that_does_not_move_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "STILL", 0.1)
    let_go = threading.Event()
    thread = threading.Thread(target=let_go.wait)
    thread.start()
    assert thread.ident is not None
    assert not importing.wait_for(thread.ident, native.Event())
    happened = native.Event()
    happened.set()
    assert importing.wait_for(thread.ident, happened)
    let_go.set()
    thread.join()
