"""The queries of the committed dashboards, and Grafana's own way of asking them: what its pages send, sent by a test."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from support.services import get

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "grafana/dashboards").glob("*.json"))
TIMES = {"$__rate_interval": "4m", "$__interval": "1m", "$__range": "1h"}
"""Variables of time, with values that a page may put in."""


class Asked(NamedTuple):
    """One query of one panel, with the values that its dashboard's variables have at first."""

    dashboard: str
    panel: str
    store: str
    target: dict[str, Any]
    variables: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.dashboard}: {self.panel} {self.target['refId']}"

    @property
    def text(self) -> str:
        return str(self.target.get("expr") or self.target.get("query"))

    def filled(self, **chosen: str) -> str:
        """The query with the page's part of the variables put in; those of time ($__…) are left."""
        text = self.text
        for name, value in {**self.variables, **chosen}.items():
            text = text.replace(f"${{{name}:regex}}", value).replace(f"${{{name}}}", value).replace(f"${name}", value)
        return text


def dashboards() -> Iterator[dict[str, Any]]:
    """The committed dashboards."""
    for path in FILES:
        yield json.loads(path.read_text(encoding="utf-8"))


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A dashboard's panels, without the headings of rows."""
    for panel in dashboard["panels"]:
        yield from panel.get("panels", []) if panel["type"] == "row" else [panel]


def initial(dashboard: dict[str, Any]) -> dict[str, str]:
    """The value that each variable has when the dashboard is opened: "All" is what `allValue` says."""
    found = {}
    for variable in dashboard["templating"]["list"]:
        value = variable["current"]["value"]
        found[variable["name"]] = variable["allValue"] if value == "$__all" else value
    return found


def asked() -> Iterator[Asked]:
    """Every query of every dashboard."""
    for dashboard in dashboards():
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                yield Asked(dashboard["uid"], panel["title"], target["datasource"]["type"], target, initial(dashboard))


class Grafana:
    """A Grafana, asked as its administrator."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        login = base64.b64encode(f"admin:{password}".encode()).decode()
        self.headers = {"authorization": f"Basic {login}", "content-type": "application/json"}

    def get(self, path: str, **query: Any) -> Any:
        encoded = f"?{urllib.parse.urlencode(query)}" if query else ""
        return json.loads(get(f"{self.url}{path}{encoded}", self.headers))

    def ask(self, one: Asked, minutes: int = 15, at: float | None = None, **chosen: str) -> list[dict[str, Any]]:
        """The frames (Tempo: the traces) that answer a query, about the minutes before `at`; an error of Grafana's is raised."""
        text = one.filled(**chosen)
        # Points stand at full minutes, the panels' smallest step: the one that has begun is asked for too.
        now = (int(at or time.time()) // 60 + 1) * 60_000
        if one.store == "tempo":
            return self._search(text, now // 1000, minutes)
        query = {**one.target, "expr": text, "datasource": {"type": one.store, "uid": one.store},
                 "intervalMs": 15_000, "maxDataPoints": 100}  # fmt: skip
        body = {"queries": [query], "from": str(now - minutes * 60_000), "to": str(now)}
        request = urllib.request.Request(f"{self.url}/api/ds/query", json.dumps(body).encode(), self.headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                result = json.load(answer)["results"][one.target["refId"]]
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise AssertionError(f"{one.name}: {refusal.read().decode()[:500]}\n{text}") from None
        assert "error" not in result, f"{one.name}: {result['error']}\n{text}"
        return list(result.get("frames", []))

    def _search(self, text: str, now: int, minutes: int) -> list[dict[str, Any]]:
        """TraceQL: the page of Grafana 10.1 asks Tempo itself, through Grafana's proxy; newer ones have /api/ds/query do it."""
        query = {"q": text, "limit": 20, "start": now - minutes * 60, "end": now + 60}
        try:
            return list(self.get("/api/datasources/proxy/uid/tempo/api/search", **query).get("traces") or [])
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise AssertionError(f"{refusal.read().decode()[:500]}\n{text}") from None


def drawn(frames: list[dict[str, Any]]) -> list[Any]:
    """What a panel draws of an answer: traces, numbers, or lines; exemplars are left out."""
    found: list[Any] = []
    for frame in frames:
        if "traceID" in frame:
            found.append(frame["traceID"])
        elif frame["schema"].get("name") != "exemplar":
            columns = frame.get("data", {}).get("values") or []
            fields = frame["schema"]["fields"]
            numbers = [column for field, column in zip(fields, columns, strict=False) if field["type"] == "number"]
            found += [value for column in numbers or columns[-1:] for value in column if value is not None]
    return found


def shows(frames: list[dict[str, Any]]) -> bool:
    """Whether something other than 0 and "not a number" is drawn."""
    return any(value != 0 and value == value for value in drawn(frames))  # NaN is not itself
