"""`trax-otel bootstrap`: the instrumentations that this environment can use, without moving its OpenTelemetry."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

HELP: Final = "install the instrumentations that this environment can use"
FAILED: Final = 1
_ROUNDS: Final = 5
"""How deep what is installed may itself need more."""
_EPILOG: Final = """\
It looks at the libraries of the environment that it runs in, and installs their instrumentations at the release that fits the
OpenTelemetry that is there, which it never moves. Run it in the service's environment: .venv/bin/trax-otel bootstrap

  trax-otel bootstrap                          install what fits
  trax-otel bootstrap --requirements           print it as lines of a requirements file; nothing is installed

exit status: 0 done, or nothing to do; 1 something could not be installed, and stderr says what; 2 usage
"""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "bootstrap", help=HELP, description=HELP, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--requirements", action="store_true", help="print the requirements; install nothing")


def run(options: argparse.Namespace) -> int:
    """Print or install; returns the exit status."""
    from ..instrumentation import fitting

    wanted = fitting.usable()
    if options.requirements:
        for line in wanted:
            print(line)
        return 0
    if not wanted:
        print("Nothing to do: what this environment can use is installed.")
        return 0
    installer = _installer()
    if installer is None:
        return _fail("neither pip nor uv is there; --requirements prints what would be installed")
    print(f"For OpenTelemetry {version('opentelemetry-api')}, in {sys.prefix}:")
    for line in wanted:
        print(f"  {line}")
    sys.stdout.flush()
    return FAILED if _install_all(installer, wanted) else 0


def _installer() -> list[str] | None:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    uv = shutil.which("uv")
    return [uv, "pip", "install", "--quiet", "--python", sys.executable] if uv else None


def _install_all(installer: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Install these and what they need themselves; returns what could not be."""
    from ..instrumentation import fitting

    before = fitting.family_versions()
    failed: list[str] = []
    asked = list(wanted)
    others: list[str] = []
    for _ in range(_ROUNDS):
        failed += _install(installer, asked, "--no-deps")
        importlib.invalidate_caches()
        new = {name: one for name, one in fitting.family_versions().items() if name not in before}
        more, others = fitting.lacking(new)
        asked = [line for line in more if line not in failed]
        if not asked:
            break
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # what is no part of OpenTelemetry may bring its own, but moves nothing of it
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("".join(f"{name}=={one}\n" for name, one in fitting.family_versions().items()))
        failed += _install(installer, others, "--constraint", str(constraints))
    added = {name: one for name, one in fitting.family_versions().items() if name not in before}
    print(f"Installed {len(added)}: {', '.join(f'{name} {one}' for name, one in sorted(added.items()))}")
    late = sorted(name for name, one in added.items() if one.startswith("0.") and one != fitting.release())
    if late:
        print(f"Not released for OpenTelemetry {version('opentelemetry-api')} yet, so of an earlier fix release "
              f"(`pip check` says so too): {', '.join(late)}")  # fmt: skip
    return failed


def _install(installer: Sequence[str], wanted: Sequence[str], *arguments: str) -> list[str]:
    """Install all at once, else one by one; returns what could not be, each said in one line."""
    if not wanted or _call(installer, arguments, wanted) is None:
        return []
    failed = []
    for one in wanted:
        problem = _call(installer, arguments, [one])
        if problem is not None:
            failed.append(one)
            _fail(f"{one} cannot be installed: {problem}")
    return failed


def _call(installer: Sequence[str], arguments: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Run the installer; None where it succeeded, else the last line of what it says."""
    done = subprocess.run([*installer, *arguments, *wanted], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"status {done.returncode}"


def _fail(problem: str) -> int:
    print(f"trax-otel bootstrap: {problem}", file=sys.stderr, flush=True)
    return FAILED
