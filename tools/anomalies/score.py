"""Verdicts against what was planted: which anomalies were seen, how soon, and what was cried in vain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .traffic import DAY, KINDS, History, Planted

ALERT: Final = "alert"
"""Both bands agree for eight minutes: what the alert does (grafana/rules/services.yaml)."""
JUDGES: Final = ("adaptive", "robust", "both", ALERT)
OF: Final = ("rate", "errors", "latency")
HELD: Final = 8
"""Minutes that the alert waits for."""
AFTER: Final = 10
"""Minutes after an anomaly in which a verdict still belongs to it: rates are over the last five."""
JOINED: Final = 15
"""Minutes without a verdict that do not yet end a false alarm."""

Verdicts = dict[tuple[str, str], set[int]]
"""The minutes that are outside, by what is judged and by whom."""


def verdicts(outside: dict[tuple[str, str], set[int]]) -> Verdicts:
    """What both bands say together, and the alert, added to what each band says."""
    found = dict(outside)
    for of in OF:
        both = found.setdefault((of, "adaptive"), set()) & found.setdefault((of, "robust"), set())
        found[of, "both"] = both
        found[of, ALERT] = {minute for minute in both if all(minute - back in both for back in range(HELD + 1))}
    return found


def runs(minutes: Iterable[int]) -> list[tuple[int, int]]:
    """First and last minutes of what belongs together."""
    found: list[tuple[int, int]] = []
    for minute in sorted(minutes):
        if found and minute - found[-1][1] <= JOINED:
            found[-1] = found[-1][0], minute
        else:
            found.append((minute, minute))
    return found


class Seen(NamedTuple):
    """One planted anomaly, and the first minute after its beginning at which it was seen."""

    service: str
    one: Planted
    after: int | None
    minutes: int
    """How many of its minutes were outside."""


@dataclass
class Score:
    """What one judge said about one thing (rate, errors, latency) of some services."""

    seen: list[Seen] = field(default_factory=list)
    false: list[tuple[str, int, int]] = field(default_factory=list)
    """False alarms: service, first and last minute."""
    false_minutes: int = 0
    true_alarms: int = 0
    judged_minutes: int = 0

    def of_kind(self, kind: str) -> list[Seen]:
        return [one for one in self.seen if one.one.kind == kind]

    @property
    def recall(self) -> float:
        return sum(one.after is not None for one in self.seen) / len(self.seen) if self.seen else float("nan")

    @property
    def precision(self) -> float:
        alarms = self.true_alarms + len(self.false)
        return self.true_alarms / alarms if alarms else float("nan")

    @property
    def minute_recall(self) -> float:
        whole = sum(one.one.end - one.one.begin for one in self.seen)
        return sum(one.minutes for one in self.seen) / whole if whole else float("nan")

    @property
    def minute_precision(self) -> float:
        right = sum(one.minutes for one in self.seen)
        return right / (right + self.false_minutes) if right + self.false_minutes else float("nan")

    @property
    def false_a_week(self) -> float:
        """False alarms of a service and week."""
        return len(self.false) / (self.judged_minutes / (7 * DAY)) if self.judged_minutes else float("nan")


def score(scores: dict[tuple[str, str], Score], history: History, found: Verdicts, first: int, last: int) -> None:
    """Add a service's minutes from `first` to before `last`."""
    who = f"{history.profile.name} {history.seed}"
    excused = {minute for one in history.planted for minute in range(one.begin, one.end + AFTER)}
    for (of, judge), minutes in found.items():
        into = scores.setdefault((of, judge), Score())
        within = {minute for minute in minutes if first <= minute < last}
        into.judged_minutes += last - first
        into.false_minutes += len(within - excused)
        for begin, end in runs(within):
            if any(one.begin <= end and begin < one.end + AFTER for one in history.planted):
                into.true_alarms += 1
            else:
                into.false.append((who, begin, end))
        for one in history.planted:
            if KINDS[one.kind].of == of:
                inside = [minute for minute in within if one.begin <= minute < one.end]
                late = [minute for minute in within if one.begin <= minute < one.end + AFTER]
                into.seen.append(Seen(who, one, min(late) - one.begin if late else None, len(inside)))


def table(scores: dict[tuple[str, str], Score]) -> str:
    """The figures as Markdown."""
    lines = ["| of | judged by | precision | recall | precision, minutes | recall, minutes | false alarms a service and week |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for of in OF:
        for judge in JUDGES:
            one = scores[of, judge]
            lines.append(
                f"| {of} | {judge} | {one.precision:.2f} | {one.recall:.2f} | {one.minute_precision:.2f} "
                f"| {one.minute_recall:.2f} | {one.false_a_week:.2f} |"
            )
    return "\n".join(lines)


def by_kind(scores: dict[tuple[str, str], Score]) -> str:
    """Recall and time to detect, for each kind of anomaly, as Markdown."""
    heads = " | ".join(f"{judge}: recall, minutes until seen" for judge in JUDGES)
    lines = [f"| planted | how many | {heads} |", "|---|---|" + "---|" * len(JUDGES)]
    for kind, what in KINDS.items():
        cells = [_cell(scores[what.of, judge].of_kind(kind)) for judge in JUDGES]
        lines.append(f"| {kind} | {len(scores[what.of, ALERT].of_kind(kind))} | {' | '.join(cells)} |")
    return "\n".join(lines)


def by_service(scores: dict[tuple[str, str], Score], names: Sequence[str]) -> str:
    """What the alert makes of each service, as Markdown."""
    lines = ["| service | planted | seen | false alarms | false alarms a week |", "|---|---|---|---|---|"]
    for name in names:
        mine = [scores[of, ALERT] for of in OF]
        seen = [one for part in mine for one in part.seen if one.service.split()[0] == name]
        false = [one for part in mine for one in part.false if one[0].split()[0] == name]
        weeks = mine[0].judged_minutes / (7 * DAY) / len(names)
        lines.append(
            f"| {name} | {len(seen)} | {sum(one.after is not None for one in seen)} | {len(false)} | {len(false) / weeks:.2f} |"
        )
    return "\n".join(lines)


def _cell(seen: list[Seen]) -> str:
    times = sorted(one.after for one in seen if one.after is not None)
    middle = f", {times[len(times) // 2]}" if times else ""
    return f"{len(times) / len(seen):.2f}{middle}" if seen else "–"
