"""Tables for terminals of any width: columns that do not fit stand below their row, and where that is not enough, each row
is a paragraph. Nothing is ever cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..formats import clean, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

LONGEST: Final = 20
"""A longer word may be broken, so that one odd name does not take the table apart."""
NONE: Final = "–"
"""What stands in a cell without a value."""
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
    that ends with `=` over what must not be broken. One that ends with `~` may stand below the row, the last of them first."""

    def __init__(self, title: str, *headings: str) -> None:
        self._title = title
        self._headings = [heading.rstrip(">=~") for heading in headings]
        self._below = [place for place, heading in enumerate(headings) if heading.endswith("~")]
        headings = tuple(heading.rstrip("~") for heading in headings)
        self._right = [heading.endswith(">") for heading in headings]
        self._whole = [heading.endswith((">", "=")) for heading in headings]
        self._rows: list[list[Text]] = []

    def add(self, *cells: Cell) -> None:
        """Add a row; a plain string is ours, telemetry comes as `text(…)`."""
        self._rows.append([cell if isinstance(cell, Text) else Text(cell) for cell in cells])

    def print(self, console: Console) -> None:
        """As a table where no short word has to be broken for it, else as paragraphs."""
        for number in range(len(self._below) + 1):
            below = self._below[len(self._below) - number :]
            across = [place for place in range(len(self._headings)) if place not in below]
            widths = self._widths(across, console.width)
            if widths is not None:
                self._print_table(console, dict(zip(across, widths, strict=True)), below)
                return
        self._print_paragraphs(console)

    def _print_table(self, console: Console, widths: Mapping[int, int], below: Sequence[int]) -> None:
        """The columns of `widths`; each of `below` as a line under its row, with its heading."""

        def table(**style: Any) -> Table:
            made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, **style)
            for place, width in widths.items():
                justify: Any = "right" if self._right[place] else "left"
                made.add_column(self._headings[place], justify=justify, overflow="fold", width=width)
            return made

        whole = table(title=self._title, title_justify="left", title_style="bold")
        if not below:
            for row in self._rows:
                whole.add_row(*(row[place] for place in widths))
            console.print(whole)
            return
        console.print(whole)
        for row in self._rows:
            one = table(show_header=False, show_edge=False)
            one.add_row(*(row[place] for place in widths))
            console.print(Padding(one, (0, 0, 0, 1)))
            told = (
                Text.assemble((f"{self._headings[place]} ", "dim"), row[place])
                for place in below
                if row[place].plain not in ("", NONE)
            )
            for line in _packed(told, console.width - 4):
                console.print(Padding(line, (0, 0, 0, 4)), overflow="fold")
        console.print()

    def _widths(self, across: Sequence[int], width: int) -> list[int] | None:
        """Each column's width; None where they do not fit. What is wider than it has to be gives way first."""
        columns = [[row[place].plain for row in self._rows] for place in across]
        headings = [self._headings[place] for place in across]
        kept = [self._whole[place] for place in across]
        full = [max(map(cell_len, [heading, *cells])) for heading, cells in zip(headings, columns, strict=True)]
        least = [
            max([_longest_word(heading), *map(cell_len if whole else _longest_word, cells)])
            for heading, cells, whole in zip(headings, columns, kept, strict=True)
        ]
        free = width - 2 * len(columns)  # what stands between them and at the edges
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
