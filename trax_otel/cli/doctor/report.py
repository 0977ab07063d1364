"""The findings for people, step by step as they come, and as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ...version import __version__
from .. import text
from .finding import STATUSES, Finding, Status

SCHEMA_VERSION: Final = 1
"""Grows when a field is taken away or means something else; new fields and ids may come without."""
HANGING: Final = 2
"""Blanks before the further lines of a finding."""
_MARKS: Final[dict[Status, tuple[str, str, str]]] = {
    "ok": ("✓", "+", "green"), "warning": ("!", "!", "yellow"), "error": ("✗", "x", "bold red"),
    "skipped": ("–", "-", "dim"),
}  # fmt: skip
_WORDS: Final[dict[Status, tuple[str, str]]] = {
    "ok": ("fine", "fine"), "warning": ("warning", "warnings"), "error": ("error", "errors"),
    "skipped": ("skipped", "skipped"),
}  # fmt: skip


def worst(findings: Iterable[Finding]) -> Status:
    """`error`, `warning` or `ok`."""
    found = {finding.status for finding in findings}
    return "error" if "error" in found else "warning" if "warning" in found else "ok"


def as_json(findings: Sequence[Finding]) -> str:
    """The whole report; docs/doctor.md has the schema."""
    counts = Counter(finding.status for finding in findings)
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "trax_otel": __version__,
        "status": worst(findings),
        "counts": {status: counts[status] for status in STATUSES},
        "checks": [finding._asdict() for finding in findings],
    }
    return json.dumps(report, indent=2)


class Printer:
    """Prints findings under the heading of their step."""

    def __init__(self) -> None:
        self._heading = ""
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        self._plain = not _can_say("✓✗–…·", encoding)

    def add(self, finding: Finding) -> None:
        """One finding: what was seen, what it rests on, what to do."""
        heading = finding.id.partition(".")[0]
        if heading != self._heading:
            self._heading = heading
            print(text.styled(heading, "bold"), flush=True)
        mark, plain, colour = _MARKS[finding.status]
        detail = f" {'-' if self._plain else '·'} {finding.detail}" if finding.detail else ""
        self._print(plain if self._plain else mark, colour, f"{finding.summary}{detail}", 2)
        if finding.advice and finding.status in {"warning", "error"}:
            self._print("what to do:", "bold", finding.advice, 6)

    def finish(self, findings: Sequence[Finding]) -> None:
        """The line that sums up."""
        counts = Counter(finding.status for finding in findings)
        order: tuple[Status, ...] = ("error", "warning", "ok", "skipped")
        parts = [f"{counts[status]} {_WORDS[status][counts[status] > 1]}" for status in order if counts[status]]
        status = worst(findings)
        verdict = {"error": "something is broken", "warning": "fine, with warnings", "ok": "all is well"}[status]
        print(f"\n{text.styled(verdict, _MARKS[status][2])}: {', '.join(parts)}")

    def _print(self, mark: str, style: str, said: str, indent: int) -> None:
        """Wrapped under its own beginning, its mark in colour."""
        line = f"{mark} {said}"
        if self._plain:
            line = line.encode("ascii", "replace").decode()
        first, *further = text.wrapped(line, indent, HANGING)
        print(f"{' ' * indent}{text.styled(mark, style)}{first[indent + len(mark) :]}")
        for line in further:
            print(line, flush=True)


def _can_say(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
