"""Weeks of a service's requests, minute by minute, with planted anomalies: what a collector would have counted of its spans."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Final, NamedTuple

DAY: Final = 1440
START: Final = 1_767_571_200
"""Monday, 5 January 2026, 00:00 UTC: the first minute of every history."""
BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)
"""Of the collector's buckets (collector-config/shared/span-metrics.yaml), those that these services' requests fall into."""


class Profile(NamedTuple):
    """What is usual for a service."""

    name: str
    peak: float
    """Requests a second at the height of a working day."""
    night: float
    """What is left of it at night, as a share."""
    weekend: float
    """What is left of it on Saturdays and Sundays, as a share."""
    failing: float
    """The share of requests that fails on a good day."""
    typical: float
    """The median duration in seconds."""
    office: bool = False
    """Work from 8 to 18 o'clock only, instead of a smooth day."""
    cron: float = 1.0
    """What the first five minutes of each hour are multiplied by."""


PROFILES: Final = (
    Profile("shop", peak=40.0, night=0.15, weekend=1.3, failing=0.004, typical=0.08),
    Profile("interface", peak=6.0, night=0.3, weekend=0.5, failing=0.01, typical=0.15),
    Profile("office", peak=3.0, night=0.03, weekend=0.05, failing=0.008, typical=0.2, office=True),
    Profile("worker", peak=1.5, night=1.0, weekend=1.0, failing=0.01, typical=0.6, cron=2.0),
    Profile("quiet", peak=0.3, night=0.3, weekend=0.7, failing=0.01, typical=0.1),
)


class Planted(NamedTuple):
    """One anomaly: from `begin` to before `end`, in minutes since the start."""

    kind: str
    begin: int
    end: int
    size: float


class Kind(NamedTuple):
    """A sort of anomaly: how long it lasts (minutes), how strong it is, and which verdict should see it."""

    of: str
    shortest: int
    longest: int
    weakest: float
    strongest: float


KINDS: Final = {
    "gone": Kind("rate", 30, 120, 0.0, 0.0),  # no request at all; its series vanish as the collector's do
    "drop": Kind("rate", 30, 90, 0.3, 0.5),  # times the usual rate
    "spike": Kind("rate", 15, 60, 2.5, 4.0),
    "drift": Kind("rate", 480, 600, 2.0, 2.5),  # rises evenly to this, then is as before
    "errors": Kind("errors", 15, 60, 0.05, 0.25),  # that share more of the requests fails
    "latency": Kind("latency", 20, 90, 2.0, 4.0),  # times the usual duration
}
APART: Final = 24 * 60
"""Minutes between two planted anomalies of a service."""
EXPIRY: Final = 15
"""Minutes after which the collector forgets a series that nothing is added to."""
LEAST: Final = 0.05
"""Requests a second under which nothing is judged, and so nothing planted."""


class Minute(NamedTuple):
    """What came in one minute: requests by bucket of duration, and how many failed; `None` while nothing is exported."""

    buckets: list[int] | None
    failed: int


def drawn(source: random.Random, mean: float) -> int:
    """A Poisson number."""
    if mean > 40:
        return max(0, round(source.gauss(mean, math.sqrt(mean))))
    number, product, limit = 0, source.random(), math.exp(-mean)
    while product > limit:
        number += 1
        product *= source.random()
    return number


class Wobble:
    """A factor that wanders around 1 and comes back: `spread` as a share, `memory` in minutes."""

    def __init__(self, source: random.Random, spread: float, memory: float) -> None:
        self._source, self._kept = source, math.exp(-1 / memory)
        self._step = spread * math.sqrt(1 - self._kept**2)
        self._at = 0.0

    def next(self) -> float:
        self._at = self._kept * self._at + self._step * self._source.gauss(0, 1)
        return math.exp(self._at)


def usual(profile: Profile, minute: int) -> float:
    """Requests a second that a service has at this minute when all is well."""
    day, hour = minute // DAY % 7, minute % DAY / 60
    if profile.office:
        open_ = 1 / (1 + math.exp(-(hour - 8) * 3)) * 1 / (1 + math.exp((hour - 18) * 3))
    else:
        open_ = 0.5 - 0.5 * math.cos((hour - 3.5) / 24 * 2 * math.pi)
        open_ = open_**0.8
    share = profile.night + (1 - profile.night) * open_
    share *= profile.weekend if day >= 5 else 1.0
    return profile.peak * share * (profile.cron if minute % 60 < 5 else 1.0)


class History:
    """The history of one service: the same for the same seed."""

    def __init__(self, profile: Profile, seed: int, days: int, first_judged_day: int, kinds: tuple[str, ...]) -> None:
        self.profile, self.seed, self.days = profile, seed, days
        self._source = random.Random(f"{profile.name} {seed}")
        self.growth = 1 + self._source.uniform(-0.02, 0.06)
        """A week's traffic as a multiple of the week's before."""
        self.planted = self._plant(first_judged_day * DAY, days * DAY, kinds)
        self._bursts = self._benign(0.5, 10, 25, 1.2, 1.4)
        self._releases = self._benign(0.4, 3, 6, 0.92, 1.1)

    def _plant(self, begin: int, end: int, kinds: tuple[str, ...]) -> list[Planted]:
        """As many anomalies as find room, the kinds in turn; only when the service has enough requests to be judged."""
        planted: list[Planted] = []
        turn = self._source.randrange(len(kinds)) if kinds else 0
        at = begin + self._source.randrange(60, APART)
        while kinds:
            name = kinds[turn % len(kinds)]
            kind = KINDS[name]
            until = at + self._source.randint(kind.shortest, kind.longest)
            if until + 60 > end:
                break
            if min(usual(self.profile, minute) for minute in range(at, until)) >= 2 * LEAST:
                planted.append(Planted(name, at, until, self._source.uniform(kind.weakest, kind.strongest)))
                turn += 1
                at = until + APART + self._source.randrange(APART)
            else:
                at += self._source.randrange(60, 240)
        return planted

    def _benign(self, a_day: float, shortest: int, longest: int, least: float, most: float) -> list[Planted]:
        """What happens to a healthy service: bursts of visitors, releases."""
        found = []
        for day in range(self.days):
            if self._source.random() < a_day:
                begin = day * DAY + self._source.randrange(DAY)
                until = begin + self._source.randint(shortest, longest)
                found.append(Planted("benign", begin, until, self._source.uniform(least, most)))
        return found

    def minutes(self) -> Iterator[Minute]:
        """Every minute's requests."""
        source, profile = self._source, self.profile
        daily = [math.exp(source.gauss(0, 0.04)) for _ in range(self.days)]
        busy, failing, slow = Wobble(source, 0.05, 20), Wobble(source, 0.2, 60), Wobble(source, 0.05, 30)
        released, silent = 1.0, 0
        for minute in range(self.days * DAY):
            rate = usual(profile, minute) * self.growth ** (minute / DAY / 7) * daily[minute // DAY] * busy.next()
            load = min(1.0, rate / profile.peak)
            typical = profile.typical * (1 + 0.3 * load) * slow.next() * released
            share = profile.failing * failing.next()
            rate *= math.prod(one.size for one in self._bursts if one.begin <= minute < one.end)
            for release in self._releases:
                share += 0.02 if release.begin <= minute < release.end else 0.0
                released *= release.size if release.begin == minute else 1.0
            rate, share, typical = self._disturbed(minute, rate, share, typical)
            silent = 0 if rate else silent + 1
            buckets = [drawn(source, 60 * rate * part) for part in _parts(typical)]
            failed = min(sum(buckets), drawn(source, sum(buckets) * share))
            yield Minute(None if silent > EXPIRY else buckets, failed)

    def _disturbed(self, minute: int, rate: float, share: float, typical: float) -> tuple[float, float, float]:
        for one in self.planted:
            if one.begin <= minute < one.end:
                if one.kind == "errors":
                    share += one.size
                elif one.kind == "latency":
                    typical *= one.size
                elif one.kind == "drift":
                    rate *= 1 + (one.size - 1) * (minute - one.begin) / (one.end - one.begin)
                else:
                    rate *= one.size
        return rate, share, typical


def _parts(typical: float, spread: float = 0.6) -> list[float]:
    """The share of requests in each bucket: durations are log-normal around the median."""
    below = [0.5 * (1 + math.erf(math.log(edge / typical) / spread / math.sqrt(2))) for edge in BUCKETS[:-1]] + [1.0]
    return [upper - lower for lower, upper in zip([0.0, *below], below, strict=False)]


def openmetrics(history: History) -> Iterator[str]:
    """The lines of the series that the collector would have exported, at the end of each minute."""
    who = f'service_name="{history.profile.name}",deployment_environment_name="seed-{history.seed}",span_kind="SPAN_KIND_SERVER"'
    calls = [
        f'traces_span_metrics_calls_total{{{who},status_code="STATUS_CODE_{code}"}}' for code in ("UNSET", "ERROR")
    ]
    edges = ["+Inf" if edge == math.inf else repr(edge) for edge in BUCKETS]
    names = [f'traces_span_metrics_duration_seconds_bucket{{{who},le="{edge}"}}' for edge in edges]
    totals, failed = [0] * len(BUCKETS), 0
    for number, minute in enumerate(history.minutes(), 1):
        if minute.buckets is None:
            totals, failed = [0] * len(BUCKETS), 0
            continue
        at = START + 60 * number
        totals = [total + more for total, more in zip(totals, minute.buckets, strict=True)]
        failed += minute.failed
        whole = 0
        for name, total in zip(names, totals, strict=True):
            whole += total
            yield f"{name} {whole} {at}\n"
        yield f"{calls[0]} {whole - failed} {at}\n"
        yield f"{calls[1]} {failed} {at}\n"
