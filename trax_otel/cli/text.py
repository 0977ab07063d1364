"""Lines and tables for a terminal, with the standard library alone: `run`, `doctor` and `state` need no extra."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Final

from ..local.formats import clean
from ..logging.handlers import wants_colour

STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold red": "1;31"}
_WIDE: Final = 1_000
_BETWEEN: Final = "  "
"""What stands between two columns."""


def styled(text: str, style: str = "") -> str:
    """The text in a style of `STYLES` where stdout is a terminal that has colours; else as it is."""
    return f"\033[{STYLES[style]}m{text}\033[0m" if style and text and wants_colour("auto", sys.stdout) else text


def width() -> int:
    """Columns of the terminal. Where nobody looks at one, a line stays one line, unless COLUMNS says otherwise."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return _WIDE
    return shutil.get_terminal_size().columns


def wrapped(text: str, indent: int, hanging: int = 0) -> list[str]:
    """The lines of a text, each after `indent` blanks, the further ones after `hanging` more."""
    return textwrap.wrap(
        text, max(width(), indent + hanging + 20), initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging), break_on_hyphens=False, drop_whitespace=True,
    )  # fmt: skip


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[Sequence[str]] = ()) -> None:
    """Columns as wide as their widest cell; a cell's style is that at its place in `styles`. A heading that ends with `>` is
    for figures, at the right. Control characters are shown as symbols."""
    names = [heading.rstrip(">") for heading in headings]
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    looks = [["bold"] * len(names), *(styles or [[""] * len(names)] * len(cells))]
    for row, look in zip([names, *cells], looks, strict=True):
        placed = [
            styled(cell.rjust(size) if heading.endswith(">") else cell.ljust(size), style)
            for cell, size, heading, style in zip(row, widths, headings, look, strict=True)
        ]
        print(_BETWEEN.join(placed).rstrip())


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Names and values below each other; a value that is too long goes on under its own beginning."""
    size = max(len(name) for name, _ in pairs) + len(_BETWEEN)
    for name, value in pairs:
        first, *further = wrapped(clean(value), size) or [" " * size]
        print((styled(name.ljust(size), "bold") + first[size:]).rstrip())
        for line in further:
            print(line)
