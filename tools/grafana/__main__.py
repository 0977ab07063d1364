"""`python -m tools.grafana` writes what is generated for Grafana; `--check` names what is out of step and changes nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from . import alerting, dashboards, layout

ROOT = Path(__file__).resolve().parents[2]
Producer = Callable[[], dict[str, str]]


def dashboard_files() -> dict[str, str]:
    """The dashboards' JSON."""
    return {f"grafana/dashboards/{uid}.json": layout.as_json(make()) for uid, make in dashboards.ALL.items()}


PRODUCERS: list[Producer] = [dashboard_files, alerting.rule_files]
"""Each gives the text of files, by their path in the project."""


def generated() -> dict[str, str]:
    """Every generated file."""
    return {path: text for producer in PRODUCERS for path, text in producer().items()}


def out_of_step(root: Path, wanted: dict[str, str]) -> list[str]:
    """What differs, is missing, or lies among the dashboards though nothing makes it."""
    differing = [
        path for path, text in wanted.items() if not (root / path).exists() or (root / path).read_text("utf-8") != text
    ]
    found = {str(path.relative_to(root)) for path in (root / "grafana/dashboards").glob("*.json")}
    return sorted([*differing, *(found - wanted.keys())])


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.grafana", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 where a file is out of step")
    check = parser.parse_args(arguments).check
    wanted = generated()
    differing = out_of_step(ROOT, wanted)
    for path in differing:
        if check:
            print(f"{path} is out of step: run `python -m tools.grafana`", file=sys.stderr)
        elif path in wanted:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(wanted[path], encoding="utf-8")
        else:
            (ROOT / path).unlink()
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
