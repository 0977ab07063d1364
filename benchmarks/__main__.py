"""`python -m benchmarks [name …]`: run the benchmarks and print one table each; `--write` keeps them in the README."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.harness import Result

NAMES = (
    "breaker", "breaker_async", "breaker_threads", "imports", "log_line", "operation", "retry_failures",
    "retry_success", "retry_success_async", "retry_traced", "span_classification", "state", "state_growth",
    "timing_without_sdk",
)  # fmt: skip
README = Path(__file__).with_name("README.md")
MARK = "<!-- results -->"


def table(title: str, targets: dict[str, float], result: Result) -> str:
    """A Markdown table; a target that is missed says so."""
    lines = [f"### {title}", "", "| case | µs | ratio (median) | least–most | target |", "|---|---:|---:|---:|---|"]
    for row in result.rows:
        target = targets.get(row.name)
        verdict = "" if target is None else f"≤ {target:g} {'✓' if row.ratio <= target else '✗ missed'}"
        lines.append(
            f"| {row.name} | {row.microseconds:.2f} | {row.ratio:.2f} | {row.least:.2f}–{row.most:.2f} | {verdict} |"
        )
    return "\n".join([*lines, ""])


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=25, help="rounds of each benchmark (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="keep the tables in benchmarks/README.md")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        module = importlib.import_module(f"benchmarks.{options.one}")
        print(table(module.TITLE, module.TARGETS, module.run(options.rounds)), end="")
        return 0
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    machine = (
        f"Python {platform.python_version()}, OpenTelemetry SDK {version('opentelemetry-sdk')}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    )
    print(machine, end="\n\n", flush=True)
    tables = []
    for name in options.names or NAMES:  # each in an interpreter of its own: none finds what another has set up
        command = [sys.executable, "-m", "benchmarks", "--one", name, "--rounds", str(options.rounds)]
        tables.append(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        print(tables[-1], flush=True)
    if options.write:
        text = README.read_text(encoding="utf-8")
        README.write_text(f"{text.split(MARK)[0]}{MARK}\n\n{machine}.\n\n" + "\n".join(tables), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
