"""The normal end and SIGTERM: everybody acts within the budget, and the status is what it would have been."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import pytest


def run(script: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=30, check=False
    )


def test_shutdown_runs_once_at_the_interpreters_end_and_keeps_the_status() -> None:
    done = run("""
        import sys
        from trax_otel.lifecycle import Participant, register, shutdown
        register(Participant("x", 1, shutdown=lambda _: print("shut down", flush=True)))
        sys.exit(7)
    """)
    assert (done.returncode, done.stdout) == (7, "shut down\n")


def test_multiprocessing_children_shut_down_though_they_skip_atexit() -> None:
    for method in ("fork", "spawn"):
        done = run(f"""
            import multiprocessing, os, sys, warnings
            warnings.simplefilter("ignore")
            from trax_otel.lifecycle import Participant, register
            parent = os.getpid()
            register(Participant("x", 1, shutdown=lambda _: os.getpid() == parent or print("child shut down", flush=True)))
            def work(): pass
            if __name__ == "__main__":
                child = multiprocessing.get_context("{method}").Process(target=print, args=("work",))
                child.start(); child.join(); sys.exit(child.exitcode)
        """)
        assert done.returncode == 0, done.stderr
        assert "work" in done.stdout
        if method == "fork":  # a spawned child of `-c` does not run this script's registration again
            assert "child shut down" in done.stdout


SIGTERM_SCRIPT = """
    import signal, sys, threading, time
    from trax_otel import lifecycle
    {before}
    lifecycle.set_exit_budget({budget})
    def shut(deadline):
        print("flushed", flush=True)
        {during}
    lifecycle.register(lifecycle.Participant("x", 1, shutdown=shut))
    print(lifecycle.take_sigterm(), flush=True)
    {main}
"""


def killed(
    main: str, *, before: str = "", during: str = "pass", budget: float = 5, signals: int = 1
) -> tuple[int, str, float]:
    script = textwrap.dedent(SIGTERM_SCRIPT).format(before=before, during=during, main=main, budget=budget)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(0.1)
    began = time.monotonic()
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    rest, _ = process.communicate(timeout=20)
    return process.returncode, first + rest, time.monotonic() - began


@pytest.mark.parametrize(
    "main",
    ["time.sleep(30)", "threading.Lock().__enter__(); threading.Event().wait()", "while True: pass"],
    ids=["asleep", "waiting", "busy"],
)
def test_sigterm_flushes_and_the_process_dies_of_sigterm(main: str) -> None:
    status, output, _ = killed(main)
    assert status == -signal.SIGTERM
    assert output == "True\nflushed\n"


def test_a_second_sigterm_does_not_cut_the_flush_short() -> None:
    status, output, _ = killed("time.sleep(30)", during="time.sleep(0.3); print('done', flush=True)", signals=3)
    assert (status, output) == (-signal.SIGTERM, "True\nflushed\ndone\n")


def test_a_hanging_flush_ends_within_the_budget() -> None:
    status, _, seconds = killed("time.sleep(30)", during="time.sleep(60)", budget=0.5)
    assert status == -signal.SIGTERM
    assert seconds < 4


def test_other_threads_do_not_delay_the_end() -> None:
    busy = "threading.Thread(target=lambda: time.sleep(60)).start(); time.sleep(60)"
    status, _, seconds = killed(busy)
    assert status == -signal.SIGTERM
    assert seconds < 4


@pytest.mark.parametrize("handler", ["lambda *_: sys.exit(3)", "signal.SIG_IGN"])
def test_an_applications_own_handler_is_left_alone(handler: str) -> None:
    before = f"signal.signal(signal.SIGTERM, {handler})"
    status, output, _ = killed("time.sleep(0.5); sys.exit(4)", before=before)
    assert output.startswith("False\n")
    assert status == (3 if "exit" in handler else 4)


def test_sleeping_retries_end_within_100_ms_of_sigterm() -> None:
    main = """
    from trax_otel import clock
    def sleeper():
        clock.current().sleep(30); print("woken", flush=True)
    t = threading.Thread(target=sleeper); t.start(); t.join(); time.sleep(30)
"""
    script_main = textwrap.dedent(main).strip()
    status, output, _ = killed(script_main, during="time.sleep(0.1)")
    assert status == -signal.SIGTERM
    assert "woken" in output


INTERRUPTED = """
    import atexit, collections, sys
    from trax_otel.lifecycle import Participant, register
    register(Participant("x", 1, shutdown=lambda _: collections.namedtuple("Ours", "a")))
    sys.excepthook = lambda *_: None
    {main}
"""


@pytest.mark.parametrize(
    ("main", "status"),
    [
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import code; code.InteractiveConsole().push('raise KeyboardInterrupt')", 0),
        ("sys.last_type = KeyboardInterrupt", 0),
        ("class Interrupt(KeyboardInterrupt): pass\n    raise Interrupt", 1),
    ],
    ids=["interrupted", "a shell's line", "a leftover", "a class of its own"],
)
def test_what_runs_at_the_end_leaves_the_status_of_sigint(main: str, status: int) -> None:
    assert run(INTERRUPTED.format(main=main)).returncode == status
