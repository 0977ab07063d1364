"""`python -m tools.anomalies` measures the anomaly bands over synthetic weeks in a real Prometheus and prints the figures.

The constants of grafana/rules/anomaly.yaml were chosen on the seeds of `--tuning`; what docs/anomalies.md reports was measured on
others. About 15 s for a service and three weeks.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from tools.stack.servers import programs

from .history import Backfilled, judged
from .score import ALERT, OF, Score, by_kind, by_service, score, table, verdicts
from .traffic import DAY, KINDS, PROFILES, History

TUNING: Final = range(1, 5)
HELD_OUT: Final = range(101, 109)
DAYS: Final = 23
JUDGED_FROM: Final = 9
"""The first whole day that every series is judged on."""


def outside(prometheus: Backfilled, history: History) -> dict[tuple[str, str], set[int]]:
    """The minutes at which the rules' verdict on a service is 1."""
    chosen = f'service_name="{history.profile.name}",deployment_environment_name="seed-{history.seed}"'
    return {
        (of, labels["band"]): {minute for minute, value in values.items() if value == 1}
        for of in OF
        for labels, values in prometheus.series(f"trax:anomaly:{of}{{{chosen}}}", 0, history.days * DAY)
    }


def measure(seeds: Sequence[int], days: int = DAYS) -> dict[tuple[str, str], Score]:
    """The scores over all services with these seeds, a Prometheus for each seed."""
    scores: dict[tuple[str, str], Score] = {}
    for seed in seeds:
        histories = [History(profile, seed, days, JUDGED_FROM, tuple(KINDS)) for profile in PROFILES]
        with judged(histories, programs()) as prometheus:
            for history in histories:
                score(scores, history, verdicts(outside(prometheus, history)), JUDGED_FROM * DAY, days * DAY)
        print(f"seed {seed} is done", flush=True)
    return scores


def main(arguments: list[str] | None = None) -> None:
    """Print the figures as they stand in docs/anomalies.md."""
    parser = argparse.ArgumentParser(prog="python -m tools.anomalies", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--tuning", action="store_true", help="the seeds that the constants were chosen on")
    parser.add_argument("--seeds", type=int, help="only so many of them")
    parser.add_argument("--details", action="store_true", help="name each false alarm and each anomaly that was missed")
    chosen = parser.parse_args(arguments)
    seeds = list(TUNING if chosen.tuning else HELD_OUT)[: chosen.seeds]
    scores = measure(seeds)
    print("", table(scores), "", by_kind(scores), "", by_service(scores, [one.name for one in PROFILES]), sep="\n")
    if chosen.details:
        for of in OF:
            for who, begin, end in scores[of, ALERT].false:
                print(
                    f"false: {of} of {who}, day {begin // DAY} {begin % DAY // 60:02}:{begin % 60:02}, {end - begin + 1} minutes"
                )
            for seen in scores[of, ALERT].seen:
                if seen.after is None:
                    print(
                        f"missed: {seen.one} of {seen.service}, day {seen.one.begin // DAY} {seen.one.begin % DAY // 60:02}h"
                    )


if __name__ == "__main__":
    main()
