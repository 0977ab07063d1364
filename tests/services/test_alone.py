"""Pollers and templates of real services: what they do outside of requests is counted, measured, and not a trace each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.programs import PYTHON, end_of, program, under_run
from support.services import Delivered, free_port, get, serving, until
from trax_otel.local.filters import Filter
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

POLLS = 200
POLLER = f"""
import os, sqlite3, threading, time
import redis
from flask import Flask, render_template_string

app = Flask(__name__)
client = redis.Redis.from_url(os.environ["REDIS"])
done = threading.Event()

def poll():
    database = sqlite3.connect(":memory:")
    for number in range({POLLS}):
        client.get("job")
        database.execute("PRAGMA user_version").fetchall()
        time.sleep(0.002)
    try:
        client.execute_command("NONSENSE")
    except redis.ResponseError:
        pass
    done.set()

threading.Thread(target=poll, daemon=True).start()

@app.get("/")
def index():
    client.get("job")
    done.wait(20)
    return render_template_string("ok")
"""
TEMPLATES = """
import jinja2
environment = jinja2.Environment()
for number in range(50):
    environment.from_string("a {{ b }} " + str(number)).render(b=1)
"""


def names(delivered: Delivered) -> dict[str, int]:
    counted: dict[str, int] = {}
    for span in delivered.spans():
        counted[span["name"]] = counted.get(span["name"], 0) + 1
    return counted


def spans_left_out(delivered: Delivered) -> dict[str, float]:
    series = delivered.queries.metric("trax.spans.limited", Filter(service=delivered.service))
    return {str(one.attributes["trax.limited.span"]): one.points[-1].value or 0 for one in series}


@pytest.mark.parametrize("wanted", ["limited", "all"])
def test_a_poller_is_counted_and_measured(
    wanted: str, endpoint: Endpoint, delivered: Delivered, redis: str, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(POLLER)
    port = free_port()
    command = [program("waitress-serve"), f"--listen=127.0.0.1:{port}", "app:app"]
    environ: Any = {"REDIS": redis, "TRAX_ROOT_SPANS": wanted}
    with serving(under_run(endpoint.url, delivered.service, command), tmp_path, port, **environ) as server:
        assert get(server.url) == "ok"
        until(lambda: "GET /" in names(delivered), "the request's span")
        server.stop()
    found = names(delivered)
    assert found["NONSENSE"] == 1, "what failed is kept"
    left_out = spans_left_out(delivered) if wanted == "limited" else {}
    for name, requested in (("GET", 1), ("PRAGMA", 0)):
        assert found[name] + left_out.get(name, 0) == POLLS + requested
        assert (found[name] < 10) is (wanted == "limited")
    measured: dict[str, int] = {}
    for one in delivered.queries.metric("db.client.operation.duration", Filter(service=delivered.service)):
        operation = str(one.attributes["db.operation.name"])
        measured[operation] = measured.get(operation, 0) + (one.points[-1].count or 0)
    assert measured == {"GET": POLLS + 1, "PRAGMA": POLLS, "NONSENSE": 1}


def test_templates_of_a_tool_are_one_span_of_a_name(endpoint: Endpoint, delivered: Delivered, tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(TEMPLATES)
    assert end_of(under_run(endpoint.url, delivered.service, [PYTHON, "tool.py"]), tmp_path).status == 0
    assert names(delivered) == {"jinja2.compile": 1, "jinja2.render": 1}
    assert spans_left_out(delivered) == {"jinja2.compile": 49, "jinja2.render": 49}
