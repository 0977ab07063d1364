"""The shipped bands over two synthetic weeks in a real Prometheus: what was planted is found, and Grafana shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from support import dashboards
from support.dashboards import Asked, Grafana, drawn, shows
from support.real_stack import free_ports, running, servers
from tools.anomalies.__main__ import outside
from tools.anomalies.history import Backfilled, judged
from tools.anomalies.score import ALERT, OF, Score, score, verdicts
from tools.anomalies.traffic import DAY, PROFILES, START, History

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
DAYS, JUDGED_FROM = 17, 9
KINDS = ("gone", "errors", "latency", "spike")
QUERIES = [one for one in dashboards.asked() if one.dashboard == "trax-anomalies"]


class Weeks(NamedTuple):
    """A busy service's weeks, what the rules make of them, and a Grafana over both."""

    history: History
    prometheus: Backfilled
    grafana: Grafana


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weeks]:
    folder, ports = tmp_path_factory.mktemp("weeks"), free_ports()
    history = History(PROFILES[0], 7, DAYS, JUDGED_FROM, KINDS)
    with ExitStack() as started:
        prometheus = started.enter_context(judged([history], servers.programs()))
        server = servers.grafana(ports, folder)
        server.environment["TRAX_PROMETHEUS_URL"] = prometheus.url
        started.enter_context(running(server, folder))
        password = Path(server.environment["GF_PATHS_DATA"]).with_name("password").read_text(encoding="utf-8")
        yield Weeks(history, prometheus, Grafana(f"http://127.0.0.1:{ports['GRAFANA']}", password))


@pytest.fixture(scope="module")
def scores(weeks: Weeks) -> dict[tuple[str, str], Score]:
    found: dict[tuple[str, str], Score] = {}
    score(found, weeks.history, verdicts(outside(weeks.prometheus, weeks.history)), JUDGED_FROM * DAY, DAYS * DAY)
    return found


def test_every_planted_anomaly_is_found_and_nothing_else_alerts(scores: dict[tuple[str, str], Score]) -> None:
    alerts = [scores[of, ALERT] for of in OF]
    seen = [one for part in alerts for one in part.seen]
    assert {one.one.kind for one in seen} == set(KINDS)  # all were planted
    assert [one for one in seen if one.after is None] == []
    assert [false for part in alerts for false in part.false] == []


def test_nothing_is_judged_in_the_first_week(weeks: Weeks) -> None:
    first = weeks.prometheus.series('{__name__=~"trax:anomaly:(rate|errors|latency)"}', 0, 7 * DAY)
    assert first == []


@pytest.mark.parametrize("one", QUERIES, ids=[one.name for one in QUERIES])
def test_a_query_shows_the_anomaly_that_it_is_for(weeks: Weeks, one: Asked) -> None:
    """Asked about the last minutes of each anomaly: one of them at least is shown."""
    times = [START + 60 * (planted.end - 1) for planted in weeks.history.planted]
    answers = [weeks.grafana.ask(one, minutes=120, at=time) for time in times]
    if one.panel == "Still learning":
        assert shows(weeks.grafana.ask(one, minutes=120, at=START + 60 * 3 * DAY))
        assert not any(shows(answer) for answer in answers)
    else:
        assert any(shows(answer) for answer in answers), f"{one.filled()}: {[drawn(answer)[-3:] for answer in answers]}"
