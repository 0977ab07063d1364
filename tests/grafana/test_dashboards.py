"""The committed dashboards: in step with what makes them, complete for whoever reads them, and well formed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grafana_foundation_sdk", reason="the generator's library needs Python 3.11")

import promql_parser

from support import dashboards
from support.dashboards import Asked, panels
from tools.grafana import __main__ as generator
from tools.grafana import layout, names

ALL = {dashboard["uid"]: dashboard for dashboard in dashboards.dashboards()}
PANELS = [(uid, panel) for uid, dashboard in ALL.items() for panel in panels(dashboard)]
NAMES = [f"{uid}: {panel['title']}" for uid, panel in PANELS]
QUERIES = list(dashboards.asked())
PROMQL = [one for one in QUERIES if one.store == "prometheus"]
each_panel = pytest.mark.parametrize(("uid", "panel"), PANELS, ids=NAMES)
WANTED = {"trax-overview", "trax-errors", "trax-resilience", "trax-resources", "trax-logs", "trax-telemetry"}


def test_every_file_is_in_step_with_the_generator() -> None:
    assert generator.out_of_step(generator.ROOT, generator.generated()) == []


def test_a_file_that_differs_is_missing_or_belongs_to_nothing_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "grafana/dashboards"
    folder.mkdir(parents=True)
    (folder / "changed.json").write_text("{}")
    (folder / "left-over.json").write_text("{}")
    (folder / "same.json").write_text("1")
    wanted = {f"grafana/dashboards/{name}.json": "1" for name in ("changed", "missing", "same")}
    found = generator.out_of_step(tmp_path, wanted)
    assert found == [f"grafana/dashboards/{name}.json" for name in ("changed", "left-over", "missing")]


def test_check_fails_with_the_names_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    monkeypatch.setattr(generator, "PRODUCERS", [lambda: {"grafana/dashboards/one.json": "1"}])
    assert generator.main(["--check"]) == 1
    assert "grafana/dashboards/one.json is out of step: run `python -m tools.grafana`" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    (tmp_path / "grafana/dashboards/two.json").write_text("2")
    assert generator.main([]) == 0
    assert [path.name for path in (tmp_path / "grafana/dashboards").iterdir()] == ["one.json"]


def test_the_dashboards_are_there_under_their_files_names() -> None:
    assert set(ALL) >= WANTED
    assert [path.stem for path in dashboards.FILES] == list(ALL)
    assert len({dashboard["title"] for dashboard in ALL.values()}) == len(ALL)
    assert all(len(uid) <= 40 and dashboard["tags"] == [layout.TAG] for uid, dashboard in ALL.items())


@pytest.mark.parametrize("uid", ALL)
def test_a_dashboard_has_what_a_reader_needs(uid: str) -> None:
    dashboard = ALL[uid]
    assert dashboard["description"]
    assert dashboard["schemaVersion"] <= 42, "a newer form than what file provisioning reads"
    assert {"service", "environment", "instance", "prometheus"} <= {
        one["name"] for one in dashboard["templating"]["list"]
    }
    assert [link["tags"] for link in dashboard["links"]] == [[layout.TAG]], "the way to the others"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(not panel.get("panels") for panel in dashboard["panels"]), "rows are open: their panels follow them"


@pytest.mark.parametrize("uid", ALL)
def test_panels_neither_overlap_nor_leave_the_grid_or_gaps_in_a_line(uid: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    starts: Counter[int] = Counter()
    for panel in ALL[uid]["panels"]:
        place = panel["gridPos"]
        starts[place["y"]] += place["w"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} over {taken.get((x, y))}"
                taken[x, y] = panel["title"]
                assert x < 24
    assert {line: width for line, width in starts.items() if width != 24} == {}


@each_panel
def test_a_panel_tells_what_it_shows_what_to_do_and_what_its_emptiness_means(uid: str, panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["title"]
    assert defaults["unit"]
    assert len(defaults["noValue"]) > 10
    shows, acts, empty = panel["description"].split("\n\n")
    assert shows.endswith(".")
    assert acts.startswith("**When it looks bad:** ")
    assert len(acts) > 40
    assert empty == f"**When it is empty:** {defaults['noValue']}."


@each_panel
def test_a_panel_asks_a_data_source_that_can_be_picked(uid: str, panel: dict[str, Any]) -> None:
    sources = {one["name"] for one in ALL[uid]["templating"]["list"] if one["type"] == "datasource"}
    targets = panel.get("targets", [])
    assert targets or panel["type"] == "text"
    assert [target["refId"] for target in targets] == list("ABCDEFGH"[: len(targets)])
    for target in targets:
        kind = target["datasource"]["type"]
        assert kind in sources
        assert target["datasource"]["uid"] == f"${{{kind}}}"


def within_times(query: str) -> str:
    """The query as a parser reads it."""
    for variable, value in dashboards.TIMES.items():
        query = query.replace(variable, value)
    assert "$_" not in query
    return query


@pytest.mark.parametrize("one", PROMQL, ids=[one.name for one in PROMQL])
def test_a_promql_query_parses(one: Asked) -> None:
    promql_parser.parse(within_times(one.filled()))


@pytest.mark.parametrize("one", PROMQL, ids=[one.name for one in PROMQL])
def test_a_rate_is_over_the_pages_interval_and_covers_several_exports_of_a_service(one: Asked) -> None:
    if "rate(" in one.text:
        assert "[$__rate_interval]" in one.text
    exported = any(f"{series}{{" in one.text for series in names.OWN)
    assert one.target.get("interval") == ("1m" if exported else None)


@pytest.mark.parametrize("one", QUERIES, ids=[one.name for one in QUERIES])
def test_variables_of_a_query_exist(one: Asked) -> None:
    left = one.filled()
    for variable in dashboards.TIMES:
        left = left.replace(variable, "")
    assert "$" not in left.replace('"trax-$1"', "")


def links(node: Any) -> list[str]:
    """Every address anywhere in a dashboard."""
    if isinstance(node, dict):
        own = [node["url"]] if isinstance(node.get("url"), str) else []
        return own + [url for value in node.values() for url in links(value)]
    return [url for value in node for url in links(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("uid", ALL)
def test_links_lead_to_dashboards_and_pages_that_exist(uid: str) -> None:
    found = [url for url in links(ALL[uid]) if url]
    for url in found:
        if url.startswith("/d/"):
            target = url.removeprefix("/d/").split("?")[0]
            assert target in ALL
            named = {part.split("=")[0].removeprefix("var-") for part in url.split("&") if part.startswith("var-")}
            assert named <= {variable["name"] for variable in ALL[target]["templating"]["list"]}
        else:
            page = url.split("/blob/main/")[1].split("#")[0]
            assert (generator.ROOT / page).is_file()


def test_every_code_of_the_package_leads_to_its_place_on_the_page() -> None:
    (text,) = [panel["options"]["content"] for uid, panel in PANELS if (uid, panel["type"]) == ("trax-errors", "text")]
    headings = {
        line[3:]
        for line in (generator.ROOT / "docs/error-codes.md").read_text("utf-8").splitlines()
        if line.startswith("## ")
    }
    assert {code for code in headings if f"docs/error-codes.md#{code.lower()})" in text} == headings
    assert len(headings) > 20


def test_the_generator_writes_the_same_text_again() -> None:
    first, second = generator.dashboard_files(), generator.dashboard_files()
    assert first == second
    assert all(json.loads(text)["uid"] == Path(path).stem for path, text in first.items())
