"""What a program prints and how it ends is, byte for byte, what it was without us."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.otlp_endpoint import OtlpEndpoint, otlp_endpoint

PROGRAMS = {
    "last resort": "import logging; logging.warning('x')",
    "last resort of a logger": "import logging; logging.getLogger('a.b').error('x %d', 1)",
    "info is not printed": "import logging; logging.info('x'); logging.getLogger('a').info('y')",
    "basicConfig": "import logging; logging.basicConfig(level='DEBUG', format='%(message)s'); logging.debug('x')",
    "basicConfig to stdout": "import logging, sys; logging.basicConfig(stream=sys.stdout, level=10); logging.info('x')",
    "basicConfig force": "import logging; logging.warning('a'); logging.basicConfig(force=True); logging.warning('b')",
    "dictConfig": "import logging.config as c, logging; c.dictConfig({'version': 1, 'handlers': {'h': {'class': "
    "'logging.StreamHandler'}}, 'root': {'handlers': ['h'], 'level': 'INFO'}}); logging.info('x')",
    "handlers cleared": "import logging; r = logging.getLogger(); r.handlers.clear(); logging.warning('x'); r.warning('y')",
    "bad format": "import logging; logging.raiseExceptions = False; logging.warning('x %d', 'y')",
    "bad format told": "import logging\ndef f(): logging.warning('x %d', 'y')\nf()",
    "logger without handlers": "import logging; print(logging.getLogger('a').hasHandlers())",
    "warning": "import warnings; warnings.warn('careful')",
    "captured warning": "import logging, warnings; logging.captureWarnings(True); warnings.warn('careful')",
    "print": "print('out'); import sys; print('err', file=sys.stderr)",
    "uncaught": "def f():\n    raise ValueError('bad')\nf()",
    "uncaught chain": "try:\n    {}['a']\nexcept KeyError as e:\n    raise RuntimeError('b') from e",
    "exit status": "raise SystemExit(7)",
    "exit message": "raise SystemExit('bye')",
    "keyboard interrupt": "raise KeyboardInterrupt",
    "thread": "import threading\ndef f(): raise ValueError('in thread')\n"
    "t = threading.Thread(target=f, name='T')\nt.start(); t.join()",
    "executor": "from concurrent.futures import ThreadPoolExecutor as E\ndef f(): raise ValueError('x')\n"
    "with E(1) as pool: pool.submit(f).result()",
    "thread in a context": "import threading\nfrom opentelemetry import baggage, context\n"
    "context.attach(baggage.set_baggage('a', 'b'))\ndef f(): raise ValueError('x')\n"
    "t = threading.Thread(target=f)\nt.start(); t.join()",
    "unraisable": "class A:\n    def __del__(self): raise ValueError('in del')\nA()",
    "task never retrieved": "import asyncio\nasync def f(): raise ValueError('task')\nasync def main():\n"
    "    t = asyncio.ensure_future(f()); await asyncio.sleep(0); del t\nasyncio.run(main())",
    "argparse": "import argparse; argparse.ArgumentParser(prog='p').parse_args(['--nope'])",
    "modules seen by the program": "import __main__, sys; print(sys.argv, __name__, __main__.__dict__.get('trax'))",
    "os._exit": "import os, sys; print('x'); sys.stdout.flush(); os._exit(4)",
    "atexit": "import atexit; atexit.register(print, 'bye')",
    "closed stderr": "import sys; sys.stderr.close(); import logging; logging.warning('x'); print('y')",
}


WITH_ALL = {"last resort", "uncaught chain"}
"""Programs that run with every instrumentation of the environment; the others without, which starts sooner."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[OtlpEndpoint]:
    with otlp_endpoint() as running:
        yield running


def outcome(command: list[str], folder: Path, environ: dict[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, re.sub(r"0x[0-9a-f]{6,}|refcount : \d+", "…", done.stderr)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_a_program_runs_as_without_us(program: str, tmp_path: Path, endpoint: OtlpEndpoint) -> None:
    (tmp_path / "app.py").write_text(PROGRAMS[program])
    environ = {"PYTHONPATH": "", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "" if program in WITH_ALL else "*"}
    bare = outcome([sys.executable, "app.py"], tmp_path, environ)
    run = [sys.executable, "-m", "trax_otel", "run", "--endpoint", endpoint.url, "--", sys.executable, "app.py"]
    assert outcome(run, tmp_path, environ) == bare


def test_a_python_warning_filter_that_raises_is_kept(tmp_path: Path, endpoint: OtlpEndpoint) -> None:
    (tmp_path / "app.py").write_text("import warnings; warnings.warn('careful', DeprecationWarning)")
    command = [sys.executable, "-W", "error", "app.py"]
    bare = outcome(command, tmp_path, {})
    run = [sys.executable, "-m", "trax_otel", "run", "--endpoint", endpoint.url, "--", *command]
    assert outcome(run, tmp_path, {}) == bare


def test_a_dead_endpoint_adds_nothing_to_stdout_and_one_line_to_stderr(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import logging, sys; logging.basicConfig(stream=sys.stdout); logging.warning('x')"
    )
    bare = outcome([sys.executable, "app.py"], tmp_path, {})
    run = [sys.executable, "-m", "trax_otel", "run", "--endpoint", "http://127.0.0.1:9", "--exit-timeout", "1", "--"]
    bare_instrumentations = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}
    status, out, err = outcome([*run, sys.executable, "app.py"], tmp_path, bare_instrumentations)
    assert (status, out) == bare[:2]
    assert len(err.splitlines()) == 1
    assert "not delivered" in err
