"""The findings for people, step by step as they come, and as JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ...version import __version__
from .finding import STATUSES, Finding, Status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SCHEMA_VERSION: Final = 1
"""Grows when a field is taken away or means something else; new fields and ids may come without."""
WIDE: Final = 1_000
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
        self._console = _console()
        self._heading = ""
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        self._plain = not _can_say("✓✗–…·", encoding)

    def add(self, finding: Finding) -> None:
        """One finding: what was seen, what it rests on, what to do."""
        from rich.text import Text

        heading = finding.id.partition(".")[0]
        if heading != self._heading:
            self._heading = heading
            self._console.print(Text(heading, "bold"))
        mark, plain, colour = _MARKS[finding.status]
        line = Text.assemble((plain if self._plain else mark, colour), " ", finding.summary)
        if finding.detail:
            line.append(f" {'-' if self._plain else '·'} {finding.detail}", "dim")
        self._print(line, 2)
        if finding.advice and finding.status in {"warning", "error"}:
            self._print(Text.assemble(("what to do: ", "bold"), finding.advice), 6)

    def finish(self, findings: Sequence[Finding]) -> None:
        """The line that sums up."""
        from rich.text import Text

        counts = Counter(finding.status for finding in findings)
        order: tuple[Status, ...] = ("error", "warning", "ok", "skipped")
        parts = [f"{counts[status]} {_WORDS[status][counts[status] > 1]}" for status in order if counts[status]]
        status = worst(findings)
        verdict = {"error": "something is broken", "warning": "fine, with warnings", "ok": "all is well"}[status]
        self._console.print(Text.assemble("\n", (verdict, _MARKS[status][2]), ": ", ", ".join(parts)))

    def _print(self, text: Text, indent: int) -> None:
        """Wrapped under its own beginning, without blanks at the ends of lines."""
        from rich.text import Text

        if self._plain:
            text.plain = text.plain.encode("ascii", "replace").decode()
        width = max(self._console.width - indent - HANGING, 20)
        for number, line in enumerate(text.wrap(self._console, width)):
            line.rstrip()
            self._console.print(Text.assemble(" " * (indent + (HANGING if number else 0)), line), soft_wrap=True)


def _can_say(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _console() -> Console:
    from rich.console import Console

    # Not a terminal: one finding stays on its lines for whatever reads it, unless COLUMNS says otherwise.
    wide = WIDE if not sys.stdout.isatty() and "COLUMNS" not in os.environ else None
    return Console(highlight=False, width=wide)
