"""Write the generated pages of docs/, or with --check say which are out of date.

Each page has one source in the package: the telemetry's names, the registry of error codes, the table of settings.
"""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import trax_otel.recovery.state.errors
import trax_otel.retry  # noqa: F401
from trax_otel import semconv
from trax_otel.config import reference as configuration
from trax_otel.errors import reference
from trax_otel.semconv import attributes

ROOT = Path(__file__).resolve().parent.parent
SECTION = re.compile(r"# --- (.+?) -+$")


def telemetry() -> str:
    """docs/telemetry.md: every attribute, event, span name and metric of `semconv`, with its own docstring."""
    lines = [
        "# Telemetry",
        "",
        "Generated from `trax_otel/semconv/` by `make docs`. Durations are seconds, sizes bytes, units UCUM. Every",
        "metric attribute has a bounded set of values; the instrumentation scope is `trax_otel`.",
    ]
    for title, entries in _sections():
        if entries:
            lines += ["", f"## {title}", "", "| name | meaning |", "|---|---|"]
            lines += [f"| `{value}` | {meaning} |" for value, meaning in entries]
    lines += ["", "## Metrics", "", "| name | kind | unit | attributes | meaning |", "|---|---|---|---|---|"]
    lines += [
        f"| `{spec.name}` | {spec.kind.replace('_', '-')} | `{spec.unit}` | "
        f"{', '.join(f'`{name}`' for name in spec.attributes) or '–'} | {spec.description} |"
        for spec in sorted(_metrics(), key=lambda spec: spec.name)
    ]
    bounds = ", ".join(f"{bound:g}" for bound in semconv.DURATION_BUCKETS)
    return "\n".join([*lines, "", f"Histograms of durations have the bounds {bounds} (seconds).", ""])


def _metrics() -> Iterator[semconv.MetricSpec]:
    return (value for value in vars(semconv).values() if isinstance(value, semconv.MetricSpec))


def _sections() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The constants of each section: their value and the docstring under them."""
    source = Path(attributes.__file__).read_text(encoding="utf-8")
    titles = {n: match[1] for n, line in enumerate(source.splitlines(), 1) if (match := SECTION.match(line))}
    body = ast.parse(source).body
    starts = sorted(titles)
    for start, end in zip(starts, [*starts[1:], 10**9], strict=True):
        entries = []
        for node, below in itertools.pairwise(body):
            if (
                start < node.lineno < end
                and isinstance(node, ast.AnnAssign)
                and isinstance(node.value, ast.Constant)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                entries.append((str(node.value.value), " ".join(str(below.value.value).split())))
        yield titles[start], entries


PAGES: dict[str, Callable[[], str]] = {
    "docs/telemetry.md": telemetry,
    "docs/error-codes.md": reference.render,
    "docs/configuration.md": configuration.render_reference,
}


def main(arguments: list[str]) -> int:
    """Write or check; the status is 1 where a page was out of date under --check."""
    stale = []
    for name, render in PAGES.items():
        page, text = ROOT / name, render()
        if page.exists() and page.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            page.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    if stale and "--check" in arguments:
        print(f"out of date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
