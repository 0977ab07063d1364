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

from support.real_stack import ROOT, Stack
from support.services import get

ALL = {"service": ".+", "environment": ".*", "instance": ".*"}
"""What Grafana puts in the place of a variable that stands at "All"."""


class Asked(NamedTuple):
    """One query of one panel."""

    dashboard: str
    panel: str
    type: str
    store: str
    target: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.dashboard}: {self.panel} {self.target['refId']}"

    @property
    def text(self) -> str:
        return str(self.target.get("expr") or self.target.get("query"))


def asked() -> Iterator[Asked]:
    """Every query of every dashboard."""
    for path in sorted((ROOT / "grafana/dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield Asked(path.stem, panel["title"], panel["type"], target["datasource"]["type"], target)


def filled(text: str, variables: dict[str, str]) -> str:
    """The text with Grafana's page's part of the variables put in; the server puts in those of time ($__…)."""
    for name, value in variables.items():
        text = text.replace(f"${{{name}:regex}}", value).replace(f"${{{name}}}", value).replace(f"${name}", value)
    return text


class Grafana:
    """The stack's Grafana, asked as its administrator."""

    def __init__(self, stack: Stack) -> None:
        server = stack.servers["grafana"].server
        self.folder = Path(server.environment["GF_PATHS_LOGS"])
        password = (self.folder.parent / "password").read_text(encoding="utf-8")
        login = base64.b64encode(f"admin:{password}".encode()).decode()
        self.headers = {"authorization": f"Basic {login}", "content-type": "application/json"}
        self.url = f"http://127.0.0.1:{stack.ports['GRAFANA']}"

    def get(self, path: str, **query: Any) -> Any:
        encoded = f"?{urllib.parse.urlencode(query)}" if query else ""
        return json.loads(get(f"{self.url}{path}{encoded}", self.headers))

    def ask(self, one: Asked, variables: dict[str, str], minutes: int = 15) -> list[dict[str, Any]]:
        """The frames that answer a query, through /api/ds/query; an error of Grafana's is raised."""
        text = filled(one.text, variables)
        if one.store == "tempo":
            return self._search(text, minutes)
        query = {**one.target, "expr": text, "datasource": {"type": one.store, "uid": one.store},
                 "intervalMs": 15_000, "maxDataPoints": 100}  # fmt: skip
        now = int(time.time() * 1000)
        body = {"queries": [query], "from": str(now - minutes * 60_000), "to": str(now)}
        request = urllib.request.Request(f"{self.url}/api/ds/query", json.dumps(body).encode(), self.headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                result = json.load(answer)["results"][one.target["refId"]]
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise AssertionError(f"{one.name}: {refusal.read().decode()[:500]}\n{text}") from None
        assert "error" not in result, f"{one.name}: {result['error']}\n{text}"
        return [frame for frame in result.get("frames", []) if values(frame)]

    def _search(self, text: str, minutes: int) -> list[dict[str, Any]]:
        """TraceQL: this Grafana's page asks Tempo itself, through Grafana's proxy."""
        now = int(time.time())
        found = self.get("/api/datasources/proxy/uid/tempo/api/search", q=text, limit=20, start=now - minutes * 60, end=now + 60)
        return list(found.get("traces") or [])


def values(frame: dict[str, Any]) -> list[Any]:
    """The values of a frame's last column, which are what is drawn; what is not there is left out."""
    columns = frame.get("data", {}).get("values") or [[]]
    return [value for value in columns[-1] if value is not None]
