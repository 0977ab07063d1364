"""Tables for terminals of any width: where the columns do not fit, each row is a paragraph. Nothing is ever cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from ..formats import clean, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

LONGEST: Final = 20
"""A longer word may be broken, so that one odd name does not take the table apart."""
Cell = Text | str


def text(value: object, style: str = "") -> Text:
    """Telemetry's text: cleaned, never read as markup."""
    return Text(clean(str(value)), style=style)


def pairs(attributes: Mapping[str, Any]) -> str:
    """Attributes on one line."""
    return " ".join(f"{key}={shown(value)}" for key, value in sorted(attributes.items()))


def short(value: str, length: int) -> str:
    """The first line, at most so long."""
    first = value.strip().splitlines()[0] if value.strip() else ""
    return first if len(first) <= length else f"{first[: length - 1]}…"


def failed(count: int) -> Text:
    """A count of failures."""
    return Text(str(count), "red" if count else "dim")


class Listing:
    """Rows under headings; the first one names the row. A heading that ends with `>` stands at the right, over figures; one
    that ends with `=` over what must not be broken."""

    def __init__(self, title: str, *headings: str) -> None:
        self._title = title
        self._headings = [heading.rstrip(">=") for heading in headings]
        self._right = [heading.endswith(">") for heading in headings]
        self._whole = [heading.endswith((">", "=")) for heading in headings]
        self._rows: list[list[Text]] = []

    def add(self, *cells: Cell) -> None:
        """Add a row; a plain string is ours, telemetry comes as `text(…)`."""
        self._rows.append([cell if isinstance(cell, Text) else Text(cell) for cell in cells])

    def print(self, console: Console) -> None:
        """As a table where no short word has to be broken for it, else as paragraphs."""
        widths = self._widths(console.width)
        if widths is None:
            self._print_paragraphs(console)
            return
        table = Table(title=self._title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        for heading, right, width in zip(self._headings, self._right, widths, strict=True):
            table.add_column(heading, justify="right" if right else "left", overflow="fold", width=width)
        for row in self._rows:
            table.add_row(*row)
        console.print(table)

    def _widths(self, width: int) -> list[int] | None:
        """Each column's width; None where they do not fit. What is wider than it has to be gives way first."""
        columns = [[row[place].plain for row in self._rows] for place in range(len(self._headings))]
        headings = self._headings
        full = [max(map(cell_len, [heading, *cells])) for heading, cells in zip(headings, columns, strict=True)]
        least = [
            max([_longest_word(heading), *map(cell_len if whole else _longest_word, cells)])
            for heading, cells, whole in zip(headings, columns, self._whole, strict=True)
        ]
        free = width - (3 * len(columns) - 1)  # what the box takes
        if sum(least) > free:
            return None

        def chosen(level: int) -> list[int]:
            return [max(low, min(high, level)) for low, high in zip(least, full, strict=True)]

        low, high = 1, max(full)
        while low < high:
            level = (low + high + 1) // 2
            low, high = (level, high) if sum(chosen(level)) <= free else (low, level - 1)
        return chosen(low)

    def _print_paragraphs(self, console: Console) -> None:
        console.print(Text(self._title, "bold"))
        for first, *others in self._rows:
            console.print()
            console.print(Text.assemble((f"{self._headings[0]} ", "dim"), first), overflow="fold")
            labelled = (
                Text.assemble((f"{name} ", "dim"), cell) for name, cell in zip(self._headings[1:], others, strict=True)
            )
            for line in _packed(labelled, console.width - 2):
                line.pad_left(2)
                console.print(line, overflow="fold")
        console.print()


def _longest_word(cell: str) -> int:
    return min(LONGEST, max(map(cell_len, cell.split()), default=0))


def _packed(parts: Iterable[Text], width: int) -> Sequence[Text]:
    """The parts in as few lines as hold them; one that is too long has a line of its own."""
    lines: list[Text] = []
    for part in parts:
        if lines and lines[-1].cell_len + 3 + part.cell_len <= width:
            lines[-1].append("   ").append_text(part)
        else:
            lines.append(part)
    return lines
